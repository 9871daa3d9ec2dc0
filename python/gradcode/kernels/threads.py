"""How many threads the kernels use in this process."""

from __future__ import annotations

from gc_core import kernels as compiled

__all__ = ["num_threads", "set_num_threads", "threads_available"]


def num_threads() -> int:
    """Return the number of threads of calls without ``num_threads=``; 1 at the start.

    Examples
    --------
    >>> num_threads()
    1
    """
    return int(compiled.num_threads())


def set_num_threads(count: int) -> None:
    """Let calls without ``num_threads=`` use up to `count` threads, in the whole process.

    A call that reads and writes less than 8 MiB uses one thread, which is mostly faster.

    Parameters
    ----------
    count : int
        At least 1.

    Examples
    --------
    >>> set_num_threads(2)
    >>> num_threads()
    2
    >>> set_num_threads(1)
    """
    compiled.set_num_threads(count)


def threads_available() -> bool:
    """Return whether several threads can be used: they need OpenMP, and cannot be used after a fork."""
    return bool(compiled.threads_available())

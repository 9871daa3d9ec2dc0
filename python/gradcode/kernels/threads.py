"""How many threads the kernels use, in the whole process."""

from __future__ import annotations

from gc_core import kernels as compiled

__all__ = ["num_threads", "set_num_threads", "threads_available"]


def num_threads() -> int:
    """Return the number of threads of calls that name none; from the start 1.

    Examples
    --------
    >>> num_threads()
    1
    """
    return int(compiled.num_threads())


def set_num_threads(count: int) -> None:
    """Let calls that name no number use up to `count` threads, in the whole process.

    What reads and writes less than 8 MiB is left to one thread, which is then mostly faster.

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
    """Return whether several threads can be used: not without OpenMP, and not after a fork."""
    return bool(compiled.threads_available())

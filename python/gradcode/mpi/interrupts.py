"""Ctrl-C at a safe moment: between two looks at MPI, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["deferred_interrupts", "ignored_interrupts"]

# mpirun answers its own Ctrl-C by sending SIGTERM to every rank.
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def deferred_interrupts() -> Iterator[Callable[[], bool]]:
    """Give a function that says, once for each signal, whether SIGINT or SIGTERM has come.

    A second SIGINT before the first was noticed raises KeyboardInterrupt at once, as usual.
    """
    pending = False

    def note(signum: int, frame: FrameType | None) -> None:
        nonlocal pending
        if pending and signum == signal.SIGINT:
            raise KeyboardInterrupt
        pending = True

    def take() -> bool:
        nonlocal pending
        was, pending = pending, False
        return was

    with _handling(note):
        yield take


@contextmanager
def ignored_interrupts() -> Iterator[None]:
    """Leave SIGINT to the master, which ends all ranks in order."""
    with _handling(signal.SIG_IGN, (signal.SIGINT,)):
        yield


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers, signals: tuple[signal.Signals, ...] = _SIGNALS
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python allows signal handlers in the main thread only
        return
    before = {signum: signal.signal(signum, handler) for signum in signals}
    try:
        yield
    finally:
        for signum, previous in before.items():
            signal.signal(signum, previous)

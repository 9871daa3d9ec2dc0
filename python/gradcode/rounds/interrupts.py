"""When Ctrl-C takes effect: at once in the user's code, but only between two events inside a round."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupts", "ignored_signals"]

# mpirun answers its own Ctrl-C by sending SIGTERM to every rank.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupts:
    """Turns SIGINT, SIGTERM and SIGHUP into KeyboardInterrupt, but never inside code that must run to its end.

    Signals are handled only inside ``with interrupts.handling():``.
    """

    def __init__(self) -> None:
        self._pending = False
        self._deferring = 0

    def consume(self) -> bool:
        """Return whether a deferred signal is pending, and clear it."""
        was, self._pending = self._pending, False
        return was

    def put_back(self) -> None:
        """Make a signal pending (again), so that the next `consume` returns True."""
        self._pending = True

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Keep signals pending for `consume` inside this block. Blocks may be nested."""
        self._deferring += 1
        try:
            yield
        finally:
            self._deferring -= 1

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Raise KeyboardInterrupt at once inside this block, even if the block is inside `deferred`."""
        deferring, self._deferring = self._deferring, 0
        try:
            yield
        finally:
            self._deferring = deferring

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Handle the signals, deferred at first; at the end, raise KeyboardInterrupt if one was not consumed."""

        def handle(signum: int, frame: FrameType | None) -> None:
            if not self._deferring:
                raise KeyboardInterrupt
            self._pending = True

        with _handlers(handle), self.deferred():
            yield
        if self.consume():
            raise KeyboardInterrupt


@contextmanager
def ignored_signals() -> Iterator[None]:
    """Ignore the signals on a worker: the master handles them, and ends all ranks in order."""
    with _handlers(signal.SIG_IGN):
        yield


@contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python allows signal handlers in the main thread only
        return
    before = {signum: signal.signal(signum, handler) for signum in _SIGNALS}
    try:
        yield
    finally:
        for signum, previous in before.items():
            signal.signal(signum, signal.SIG_DFL if previous is None else previous)

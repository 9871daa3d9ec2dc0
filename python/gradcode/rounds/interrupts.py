"""Ctrl-C at a safe moment: at once in the user's code, between two events inside a round."""

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
    """Turns SIGINT, SIGTERM and SIGHUP into KeyboardInterrupt, but never inside code that must not be torn.

    Without `handling`, nothing is ever interrupted through it.
    """

    def __init__(self) -> None:
        self._pending = False
        self._sheltered = 0

    def take(self) -> bool:
        """Whether a signal has come in the shelter since the last time this was asked."""
        was, self._pending = self._pending, False
        return was

    def note(self) -> None:
        """Give back what was taken, for somebody else to take."""
        self._pending = True

    @contextmanager
    def shelter(self) -> Iterator[None]:
        """In here a signal is only noted, for `take`; may be nested."""
        self._sheltered += 1
        try:
            yield
        finally:
            self._sheltered -= 1

    @contextmanager
    def exposed(self) -> Iterator[None]:
        """In here, inside a shelter, a signal raises KeyboardInterrupt again."""
        sheltered, self._sheltered = self._sheltered, 0
        try:
            yield
        finally:
            self._sheltered = sheltered

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Handle the signals, in a shelter; one that nobody took is raised afterwards."""

        def note(signum: int, frame: FrameType | None) -> None:
            if not self._sheltered:
                raise KeyboardInterrupt
            self._pending = True

        with _handlers(note), self.shelter():
            yield
        if self.take():
            raise KeyboardInterrupt


@contextmanager
def ignored_signals() -> Iterator[None]:
    """Leave the signals to the master, which ends all ranks in order."""
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

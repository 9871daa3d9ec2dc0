"""Time during which at least one of several things is under way."""

from __future__ import annotations

import time

__all__ = ["Stopwatch"]


class Stopwatch:
    """Runs while more things have entered than left."""

    def __init__(self) -> None:
        self._count = 0
        self._total = 0.0
        self._since = 0.0

    def enter(self) -> None:
        """One more thing is under way."""
        if self._count == 0:
            self._since = time.perf_counter()
        self._count += 1

    def leave(self) -> None:
        """One of them is done."""
        self._count -= 1
        if self._count == 0:
            self._total += time.perf_counter() - self._since

    def read(self) -> float:
        """Seconds so far."""
        return self._total + (time.perf_counter() - self._since if self._count else 0.0)

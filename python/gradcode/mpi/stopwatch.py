"""The time during which at least one of several transfers is under way."""

from __future__ import annotations

import time

__all__ = ["Stopwatch"]


class Stopwatch:
    """Runs while more transfers have begun than ended."""

    def __init__(self) -> None:
        self._count = 0
        self._total = 0.0
        self._since = 0.0

    def enter(self) -> None:
        """Note that one more transfer has begun."""
        if self._count == 0:
            self._since = time.perf_counter()
        self._count += 1

    def leave(self) -> None:
        """Note that a transfer has ended."""
        self._count -= 1
        if self._count == 0:
            self._total += time.perf_counter() - self._since

    def read(self) -> float:
        """Return the seconds so far."""
        return self._total + (time.perf_counter() - self._since if self._count else 0.0)

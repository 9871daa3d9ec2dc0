"""Waiting without keeping a core busy, and without throttling transfers."""

from __future__ import annotations

import os
import time

__all__ = ["Backoff"]

_FIRST_SLEEP = 20e-6
_LONGEST_SLEEP = 1e-3
_ALERT_SLEEP = 50e-6
# A transfer that has not moved for this long is waiting for its other end, not for us.
_STALLED_SECONDS = 0.02


class Backoff:
    """How long to sleep between two looks at MPI.

    Open MPI makes progress only inside its calls: sleeping 1 ms between them costs two thirds of the bandwidth of
    a TCP transfer, spinning costs the core that the computation needs. So: spin (but yield) while a transfer moves,
    sleep at most 50 µs while an answer is due, and otherwise back off to 1 ms.
    """

    def __init__(self) -> None:
        self._sleep = _FIRST_SLEEP
        self._moved = time.perf_counter()

    def moved(self) -> None:
        """Something happened: start again from the shortest sleep."""
        self._sleep = _FIRST_SLEEP
        self._moved = time.perf_counter()

    def wait(self, *, transferring: bool = False, due: bool = False, at_most: float = _LONGEST_SLEEP) -> None:
        """Sleep as long as fits the situation, and at most `at_most` seconds."""
        stalled = time.perf_counter() - self._moved > _STALLED_SECONDS
        if transferring and not stalled:
            os.sched_yield()
            return
        longest = _ALERT_SLEEP if due or (transferring and not stalled) else _LONGEST_SLEEP
        time.sleep(max(0.0, min(self._sleep, longest, at_most)))
        self._sleep = min(2 * self._sleep, longest)

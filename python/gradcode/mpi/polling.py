"""Waiting without keeping a core busy, and without throttling transfers."""

from __future__ import annotations

import math
import os
import time

__all__ = ["Backoff"]

_SHORTEST_SLEEP = 20e-6
_LONGEST_SLEEP = 1e-3
_ALERT_SLEEP = 50e-6
# Sleeping this part of the time already waited delays what comes by no more than this part.
_SLEEP_FRACTION = 1 / 16
# A transfer younger than the first is spun for; one older than the second is waiting for its other end, not for us.
_SPIN_SECONDS = 0.02
_STUCK_SECONDS = 10.0


class Backoff:
    """How long to sleep between two looks at MPI.

    Open MPI makes progress only inside its calls: sleeping 1 ms between them costs two thirds of the bandwidth of
    a TCP transfer, spinning costs the core that the computation needs. So: spin (but yield) at the start of a
    transfer, sleep at most 50 µs during one or while an answer is due, and otherwise back off to 1 ms.
    """

    def __init__(self) -> None:
        self._moved = time.perf_counter()

    def moved(self) -> None:
        """Something happened: start again from the shortest sleep."""
        self._moved = time.perf_counter()

    def wait(self, *, transfer_started: float = -math.inf, due: bool = False, at_most: float = _LONGEST_SLEEP) -> None:
        """Sleep as long as fits the situation.

        Parameters
        ----------
        transfer_started : float
            When the youngest transfer under way began, by `time.perf_counter`.
        due : bool
            Whether an answer may come any moment.
        at_most : float
            Never sleep longer than so many seconds.
        """
        now = time.perf_counter()
        age = now - transfer_started
        if age < _SPIN_SECONDS:
            os.sched_yield()
            return
        longest = _ALERT_SLEEP if due or age < _STUCK_SECONDS else _LONGEST_SLEEP
        seconds = max(_SHORTEST_SLEEP, _SLEEP_FRACTION * (now - self._moved))
        time.sleep(max(0.0, min(seconds, longest, at_most)))

"""Waiting for MPI without keeping a core busy, and without slowing down transfers."""

from __future__ import annotations

import math
import os
import time

__all__ = ["Backoff"]

_SHORTEST_SLEEP = 20e-6
_LONGEST_SLEEP = 1e-3
_ALERT_SLEEP = 50e-6
# Each sleep is at most this fraction of the time already waited, so it adds at most this fraction to the wait.
_SLEEP_FRACTION = 1 / 16
# Spin while a transfer is younger than the first. One older than the second is stuck at its other end.
_SPIN_SECONDS = 0.02
_STUCK_SECONDS = 10.0


class Backoff:
    """Decides how long to sleep between two calls of MPI.

    Open MPI makes progress only inside its calls. Sleeping 1 ms between them costs two thirds of the bandwidth of a
    TCP transfer; spinning takes the core that the computation needs. So spin (but yield) at the start of a transfer,
    sleep at most 50 µs during a transfer or while an answer is due, and otherwise back off to 1 ms.
    """

    def __init__(self) -> None:
        self._moved = time.perf_counter()

    def moved(self) -> None:
        """Start again from the shortest sleep, because something happened."""
        self._moved = time.perf_counter()

    def wait(self, *, transfer_started: float = -math.inf, due: bool = False, at_most: float = _LONGEST_SLEEP) -> None:
        """Sleep, or only yield while a transfer is young.

        Parameters
        ----------
        transfer_started : float
            When the youngest transfer under way began, by `time.perf_counter`; minus infinity if there is none.
        due : bool
            Whether an answer may come any moment.
        at_most : float
            Sleep at most this many seconds.
        """
        now = time.perf_counter()
        age = now - transfer_started
        if age < _SPIN_SECONDS:
            os.sched_yield()
            return
        longest = _ALERT_SLEEP if due or age < _STUCK_SECONDS else _LONGEST_SLEEP
        seconds = max(_SHORTEST_SLEEP, _SLEEP_FRACTION * (now - self._moved))
        time.sleep(max(0.0, min(seconds, longest, at_most)))

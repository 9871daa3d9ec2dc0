"""Delays that are injected into workers, so that schemes are compared under the same stragglers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, Protocol, get_args

import numpy as np

from gradcode._validate import check_int, check_number

__all__ = ["DelayKind", "Delays"]

DelayKind = Literal["transient", "busy"]

_STEP = 0.001  # seconds within which a transient delay notices that its task is no longer wanted


class Task(Protocol):
    """The part of a task of a worker that a delay uses."""

    @property
    def round(self) -> int:
        """Number of the round."""
        ...

    def wanted(self) -> bool:
        """Return whether the master still needs this task."""
        ...


class Delays:
    """The workers that straggle in each round, and their delays.

    Objects with the same arguments choose the same workers, so ranks need not communicate.

    Parameters
    ----------
    n_workers : int
        Number of workers, at least 1.
    seconds : float
        Length of a delay, at least 0.
    count : int
        How many workers straggle at a time, in 0..n_workers.
    kind : {"transient", "busy"}
        ``"transient"``: in each round different workers straggle, and a delay ends early once its task is no longer
        wanted. ``"busy"``: the same workers straggle in all rounds and every delay lasts in full, as on a slow machine
        that cannot be interrupted.
    seed : int, optional
        Seed of the draw.

    Examples
    --------
    >>> delays = Delays(6, 0.1, 2, "transient", seed=0)
    >>> len(delays.delayed(0)), delays.delayed(0) == Delays(6, 0.1, 2, "transient", seed=0).delayed(0)
    (2, True)
    >>> busy = Delays(6, 0.1, 2, "busy")
    >>> busy.delayed(0) == busy.delayed(1)
    True
    """

    def __init__(self, n_workers: int, seconds: float, count: int, kind: str, seed: int = 0) -> None:
        self.n_workers = check_int("n_workers", n_workers, 1)
        self.seconds = check_number("seconds", seconds, 0)
        self.count = check_int("count", count, 0, self.n_workers, context=f"n_workers={self.n_workers}")
        kinds = get_args(DelayKind)
        if kind not in kinds:
            raise ValueError(f"kind must be one of {', '.join(map(repr, kinds))}, got {kind!r}")
        self.kind = kind
        self.seed = check_int("seed", seed, 0)
        self._always = self._draw(self.seed) if kind == "busy" else None
        self._seen: dict[int, int] = {}  # for each worker, the last round in which apply() was called

    def __repr__(self) -> str:
        """Return the call that makes this object."""
        return f"Delays({self.n_workers}, {self.seconds:g}, {self.count}, {self.kind!r}, seed={self.seed})"

    def delayed(self, round: int) -> tuple[int, ...]:
        """Return the workers that straggle in `round`, in increasing order."""
        round = check_int("round", round, 0)
        return self._draw(self.seed, round) if self._always is None else self._always

    def apply(
        self,
        task: Task,
        worker: int,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> bool:
        """Wait if `worker` straggles in the round of `task`. Call this before computing.

        A worker that computes in several parts calls this for each of them; only the first call of a round waits.

        Parameters
        ----------
        task : Task
            The task of the worker.
        worker : int
            The worker, in 0..n_workers-1.
        sleep, clock : callable, optional
            Replace `time.sleep` and `time.monotonic`.

        Returns
        -------
        bool
            Whether the task is still wanted.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> slept = []
        >>> task = SimpleNamespace(round=0, wanted=lambda: True)
        >>> Delays(1, 2.5, 1, "busy").apply(task, 0, sleep=slept.append), slept
        (True, [2.5])
        """
        worker = check_int("worker", worker, 0, self.n_workers - 1)
        first = self._seen.get(worker) != task.round
        self._seen[worker] = task.round
        if first and self.seconds and worker in self.delayed(task.round):
            if self.kind == "busy":
                sleep(self.seconds)
            else:
                end = clock() + self.seconds
                while (left := end - clock()) > 0 and task.wanted():
                    sleep(min(left, _STEP))
        return task.wanted()

    def _draw(self, *seed: int) -> tuple[int, ...]:
        chosen = np.random.default_rng(seed).choice(self.n_workers, self.count, replace=False)
        return tuple(sorted(chosen.tolist()))

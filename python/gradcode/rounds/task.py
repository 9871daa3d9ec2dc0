"""The task that the user's gradient function gets on a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode.schemes import Subset

__all__ = ["Gradient", "Load", "Outcome", "Task", "task_seed"]


def task_seed(seed: int, round: int, subset: int, chunk: int = 0) -> int:
    """Return the seed of a task: ``task.seed`` on every worker that computes this chunk of this subset in this round.

    Parameters
    ----------
    seed : int
        The run's seed, at least 0.
    round : int
        The round, from 0.
    subset : int
        Index of the subset.
    chunk : int
        Which chunk of the subset, from 0.

    Returns
    -------
    int
        In 0..2**64-1.

    Examples
    --------
    >>> task_seed(0, round=3, subset=1) == task_seed(0, round=3, subset=1)
    True
    >>> task_seed(0, round=3, subset=1) == task_seed(0, round=4, subset=1)
    False
    """
    return int(np.random.SeedSequence([seed, round, subset, chunk]).generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class Task:
    """What a gradient function has to compute.

    Attributes
    ----------
    data : object
        What the loader returned for `subset`; None if `run` was given no loader.
    subset : Subset
        The share of the data, or the chunk of it, over which to compute the gradient.
    chunk : int
        Which chunk of the subset this is, from 0.
    worker : int
        The worker that computes.
    round : int
        The round, from 0.
    """

    data: Any
    subset: Subset
    chunk: int
    worker: int
    round: int
    _run_seed: int = field(repr=False)
    _wanted: Callable[[int], bool] = field(repr=False)

    @property
    def seed(self) -> int:
        """The seed for random numbers; the same on all workers that hold the subset (see `task_seed`)."""
        return task_seed(self._run_seed, self.round, self.subset.index, self.chunk)

    def wanted(self) -> bool:
        """Whether the result is still wanted. If not, the gradient function may return None at once."""
        return self._wanted(self.round)


Outcome = npt.NDArray[Any] | tuple[npt.NDArray[Any], Mapping[str, float]] | None
Gradient = Callable[[npt.NDArray[Any], Task], Outcome]
Load = Callable[[Subset], Any]

"""What the user's functions see on a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from gradcode.schemes import Subset

__all__ = ["Gradient", "Load", "Outcome", "Task"]


@dataclass(frozen=True)
class Task:
    """What a gradient function is to compute.

    Attributes
    ----------
    data : object
        What ``load(subset)`` returned; None where `run` was given no loader.
    subset : Subset
        The share of the data, or the chunk of it, to compute the gradient over.
    worker : int
        The worker that computes.
    round : int
        The round, from 0.
    seed : int
        A seed that depends on the run's seed, the round and the subset, so that all workers that hold a subset
        draw the same batch or the same noise.
    """

    data: Any
    subset: Subset
    worker: int
    round: int
    seed: int
    _wanted: Callable[[int], bool] = field(repr=False)

    def wanted(self) -> bool:
        """Whether the result is still wanted; once it is not, the gradient function may return None at once."""
        return self._wanted(self.round)


Outcome = npt.NDArray[Any] | tuple[npt.NDArray[Any], Mapping[str, float]] | None
Gradient = Callable[[npt.NDArray[Any], Task], Outcome]
Load = Callable[[Subset], Any]

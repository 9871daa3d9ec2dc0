"""Ignoring stragglers: the first n − s gradients, scaled up. Not exact; for comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.codes import Condition
from gradcode.schemes.base import GradientCode
from gradcode.schemes.subset import equal_shares
from gradcode.schemes.systems import Solution, System

__all__ = ["IgnoreStragglers"]


@dataclass(frozen=True, eq=False)
class _Rescaled(System):
    """A system that is estimated: any `enough` messages are scaled up to all of them.

    Messages are independent of each other, so there is nothing to compare.
    """

    exact: ClassVar[bool] = False
    enough: int = 1

    @property
    def fewest(self) -> int:
        """No set of fewer survivors is taken."""
        return self.enough

    @property
    def surplus(self) -> int:
        """No message is more than is needed."""
        return 0

    def contradictions(self, columns: Sequence[int]) -> npt.NDArray[np.float64]:
        """Return no combinations."""
        return np.empty((0, len(columns)))

    def closed_form(self, columns: Sequence[int]) -> Solution:
        """Return equal weights, n divided by the number of survivors."""
        count = len(columns)
        if count < self.enough:
            return Solution(np.full((1, count), np.nan), count, math.inf)
        return Solution(np.full((1, count), len(self.workers) / count), count, 1.0)


class IgnoreStragglers(GradientCode):
    """Every worker computes its own n-th of the data; the sum of the first n − s gradients is scaled by n/(n − s).

    The result is *not* the sum of all gradients: it misses the rows of the others. If the same workers straggle all the
    time, it misses these rows in every round. `exact` is False.

    Parameters
    ----------
    n_workers : int
        Number of workers n.
    stragglers : int
        How many workers are ignored, in 0..n-1.

    Examples
    --------
    >>> from gradcode import IgnoreStragglers
    >>> scheme = IgnoreStragglers(4, stragglers=1)
    >>> scheme, scheme.exact, scheme.is_decodable([0, 1, 3])
    (IgnoreStragglers(4, stragglers=1, inexact), False, True)
    >>> scheme.weights([0, 1, 3]).round(4)
    array([[1.3333, 1.3333, 1.3333]])
    """

    def __init__(self, n_workers: int, stragglers: int) -> None:
        n = check_int("n_workers", n_workers, 1)
        s = check_int("stragglers", stragglers, 0, n - 1, f"n_workers={n}")
        system = _Rescaled(tuple(range(n)), np.ones((1, n)), enough=n - s)
        super().__init__(equal_shares([[worker] for worker in range(n)]), [np.ones((1, 1))] * n, [system], s)

    def worst_condition(self, *, limit: int | None = None) -> Condition:
        """Return 1: all weights are equal."""
        if limit is not None:
            check_int("limit", limit, 1)
        return Condition(1.0)

    def scale_up(self, known: int) -> float:
        """Return the factor that scales a sum over `known` subsets up to all of them."""
        return self.n_subsets / known if known else 1.0

    def __repr__(self) -> str:
        return f"IgnoreStragglers({self.n_workers}, stragglers={self.stragglers}, inexact)"

"""Doing without the stragglers: the first n − s gradients, scaled up. Not exact, for comparison."""

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
    """Messages of which any `enough` are scaled up to stand for all: an estimate, not a linear system.

    No message says anything of another, so there is nothing to compare.
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
        """Return no combinations: none must vanish."""
        return np.empty((0, len(columns)))

    def closed_form(self, columns: Sequence[int]) -> Solution:
        """Return equal weights, n over the number of survivors."""
        count = len(columns)
        if count < self.enough:
            return Solution(np.full((1, count), np.nan), count, math.inf)
        return Solution(np.full((1, count), len(self.workers) / count), count, 1.0)


class IgnoreStragglers(GradientCode):
    """Every worker computes its own n-th of the data; the first n − s are taken for all of them, times n/(n − s).

    The result is *not* the sum: the rows of the others are missing from it in that round, and with the same stragglers
    all the time, in all rounds. `exact` is False.

    Parameters
    ----------
    n_workers : int
        Number of workers n.
    stragglers : int
        How many are not waited for, in 0..n-1.

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
        """Return 1: the weights are equal, whoever is missing."""
        if limit is not None:
            check_int("limit", limit, 1)
        return Condition(1.0)

    def scale_up(self, known: int) -> float:
        """By what factor a sum over `known` of the subsets is scaled up to stand for all of them."""
        return self.n_subsets / known if known else 1.0

    def __repr__(self) -> str:
        return f"IgnoreStragglers({self.n_workers}, stragglers={self.stragglers}, inexact)"

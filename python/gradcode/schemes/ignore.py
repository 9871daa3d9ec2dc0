"""Doing without the stragglers: the first n − s gradients, scaled up. Not exact, for comparison."""

from __future__ import annotations

import numpy as np

from gradcode._validate import check_int
from gradcode.schemes.systems import System
from gradcode.schemes.tabulated import Tabulated

__all__ = ["IgnoreStragglers"]


class IgnoreStragglers(Tabulated):
    """Every worker computes its own n-th of the data; the first n − s are taken for all of them, times n/(n − s).

    What comes back is *not* the sum: the rows of the others are missing from it in that round, and with the same
    stragglers all the time, in all rounds. `exact` is False.

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

    exact = False

    def __init__(self, n_workers: int, stragglers: int) -> None:
        n = check_int("n_workers", n_workers, 1)
        s = check_int("stragglers", stragglers, 0, n - 1, f"n_workers={n}")
        one = np.ones((1, 1))
        system = System(tuple(range(n)), np.ones((1, n)), enough=n - s)
        super().__init__([[worker] for worker in range(n)], [one] * n, [system], s)

    def __repr__(self) -> str:
        return f"IgnoreStragglers({self.n_workers}, stragglers={self.stragglers}, inexact)"

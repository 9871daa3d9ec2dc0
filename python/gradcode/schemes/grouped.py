"""The grouped scheme: any linear code makes one (Kadhe, Koyluoglu and Ramchandran, arXiv 2005.07184)."""

from __future__ import annotations

import warnings
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int, check_workers
from gradcode.codes import LinearCode, repetition
from gradcode.errors import CodeParameterError, LoadWarning
from gradcode.schemes.base import GradientCode
from gradcode.schemes.subset import Subset
from gradcode.schemes.survivors import System

__all__ = ["MAX_RELATIVE_LOAD", "Grouped", "Uncoded"]

# Where the groups come out so uneven that workers compute more than this many times the code's length, warn.
MAX_RELATIVE_LOAD = 1.25


class Grouped(GradientCode):
    """Workers in groups of d; each group shares one part of the data and one [d, m] code.

    All workers of a group compute the same gradient, over one contiguous share, and each sends its own linear
    combination of its m blocks. If d does not divide n there are ⌊n/d⌋ groups whose sizes differ by at most one,
    with equal shares and the code lengthened where needed: the load is then n/⌊n/d⌋ and the tolerance never less.

    Parameters
    ----------
    n_workers : int
        Number of workers n, at least ``code.length``.
    code : LinearCode
        The code [d, m, s+1].

    Warns
    -----
    LoadWarning
        If the load is above 1.25·d.

    Examples
    --------
    >>> from gradcode import Grouped, codes
    >>> scheme = Grouped(12, codes.harmonic(4, 2))
    >>> scheme
    Grouped(12, <harmonic [4, 2, 3]>, load=4)
    >>> scheme.stragglers, scheme.communication, scheme.subsets(5)[0].slice(300)
    (2, 2, slice(100, 200, None))
    >>> scheme.is_decodable([0, 3, 4, 5, 10, 11])  # two of each group
    True
    """

    summed = True

    def __init__(self, n_workers: int, code: LinearCode) -> None:
        if not isinstance(code, LinearCode):
            raise TypeError(f"code must be a LinearCode, got {type(code).__name__}")
        n_workers = check_int("n_workers", n_workers, 1)
        if n_workers < code.length:
            raise CodeParameterError(
                f"n_workers must be at least the length of the code, got {n_workers} with length={code.length}"
            )
        n_groups = n_workers // code.length
        small, larger = divmod(n_workers, n_groups)
        sizes = [small + 1] * larger + [small] * (n_groups - larger)
        self.codes = {size: code.lengthened(size) for size in sorted(set(sizes))}
        self.code = code
        self.n_workers = n_workers
        self.n_subsets = n_groups
        self.load = n_workers / n_groups
        self.stragglers = min(c.minimum_distance for c in self.codes.values()) - 1
        self.communication = code.dimension
        systems, first = [], 0
        for size in sizes:
            systems.append(System(tuple(range(first, first + size)), self.codes[size].generator))
            first += size
        self.systems = tuple(systems)
        if self.load > MAX_RELATIVE_LOAD * code.length:
            warnings.warn(
                f"{n_workers} workers make {n_groups} group{'s' if n_groups > 1 else ''} of a code of length "
                f"{code.length}: every worker computes {self.load:g}/{n_workers} of the data, not {code.length}/"
                f"{n_workers}; a number of workers near a multiple of {code.length} computes less",
                LoadWarning,
                stacklevel=2,
            )

    @cached_property
    def _group_of(self) -> tuple[int, ...]:
        return tuple(index for index, system in enumerate(self.systems) for _ in system.workers)

    def subsets(self, worker: int) -> tuple[Subset, ...]:
        """The one share of the worker's group."""
        (worker,) = check_workers("worker", [worker], self.n_workers)
        group = self._group_of[worker]
        return (Subset(group, Fraction(group, self.n_subsets), Fraction(group + 1, self.n_subsets)),)

    def coefficients(self, worker: int) -> npt.NDArray[np.float64]:
        """The worker's column of the generator, shape (1, m)."""
        (worker,) = check_workers("worker", [worker], self.n_workers)
        system = self.systems[self._group_of[worker]]
        column = worker - system.workers[0]
        coefficients = np.ascontiguousarray(system.matrix[:, column : column + 1].T)
        coefficients.setflags(write=False)
        return coefficients

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_workers}, {self.code!r}, load={self.load:g})"


class Uncoded(Grouped):
    """Every worker computes its own n-th of the data and all must answer: ordinary synchronous training.

    Parameters
    ----------
    n_workers : int
        Number of workers n.

    Examples
    --------
    >>> from gradcode import Uncoded
    >>> Uncoded(4)
    Uncoded(4)
    >>> Uncoded(4).is_decodable([0, 1, 2])
    False
    """

    def __init__(self, n_workers: int) -> None:
        super().__init__(n_workers, repetition(1))

    def __repr__(self) -> str:
        return f"Uncoded({self.n_workers})"

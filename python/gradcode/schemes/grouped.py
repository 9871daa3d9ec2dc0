"""The grouped scheme: any linear code makes one (Kadhe, Koyluoglu and Ramchandran, arXiv 2005.07184)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int, check_number
from gradcode.codes import Condition, LinearCode, repetition
from gradcode.codes.conditioning import largest
from gradcode.errors import CodeParameterError, LoadWarning
from gradcode.schemes.base import GradientCode
from gradcode.schemes.precision import refuse_unstable
from gradcode.schemes.subset import Subset, shares
from gradcode.schemes.systems import System

__all__ = ["MAX_RELATIVE_LOAD", "FractionalRepetition", "Grouped", "Prefer", "Uncoded", "group_sizes", "warn_of_load"]

# Warn if groups are so uneven that workers compute more than this many times the code's length.
MAX_RELATIVE_LOAD = 1.25

Prefer = Literal["stability", "decoding"]


class Grouped(GradientCode):
    """Workers in groups of d; each group shares one subset of the data and one [d, m] code.

    All workers of a group compute the same gradient, over one contiguous share, and each sends its own linear
    combination of its m blocks. If d does not divide n, there are ⌊n/d⌋ groups of equal shares, with sizes that differ
    by at most one. The code is lengthened where needed; the load is n/⌊n/d⌋, and no group tolerates fewer stragglers.

    Parameters
    ----------
    n_workers : int
        Number of workers n, at least ``code.length``.
    code : LinearCode, or sequence of LinearCode
        The code [d, m, s+1]; or one for each group, all of one dimension, with lengths that add up to n. The groups are
        workers 0..d₀−1, d₀..d₀+d₁−1 and so on.
    shares : sequence of positive numbers, optional
        How much of the data each group gets, relative to the others: less for slow workers. Default: equal shares.
    prefer : {"stability", "decoding"}
        "stability" decodes a group by least squares over all workers that have answered. "decoding" uses the fewest
        messages for every block: a few additions, or copies, with codes of 0 and ±1.

    Raises
    ------
    CodeParameterError
        If the workers are too few for a group, the codes do not fit each other or n, or a condition can exceed 1e12.

    Warns
    -----
    LoadWarning
        If d does not divide n and the load is above 1.25·d.

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

    Five slow workers, and four that are twice as fast and get twice the data:

    >>> Grouped(9, [codes.harmonic(5, 2), codes.harmonic(4, 2)], shares=[1, 2])
    Grouped(9, [<harmonic [5, 2, 4]>, <harmonic [4, 2, 3]>], load=6)
    """

    def __init__(
        self,
        n_workers: int,
        code: LinearCode | Sequence[LinearCode],
        *,
        shares: Sequence[float] | None = None,
        prefer: Prefer = "stability",
    ) -> None:
        n_workers = check_int("n_workers", n_workers, 1)
        if prefer not in get_args(Prefer):
            raise ValueError(f"prefer must be one of {', '.join(get_args(Prefer))}, got {prefer!r}")
        if isinstance(code, LinearCode):
            sizes = group_sizes(n_workers, code.length)
            longer = {size: code.lengthened(size) for size in set(sizes)}
            self.codes: tuple[LinearCode, ...] = tuple(longer[size] for size in sizes)
        else:
            self.codes = _check_codes(n_workers, code)
        self._one_code = isinstance(code, LinearCode)
        self.code = code if isinstance(code, LinearCode) else self.codes[0]
        self.prefer = prefer
        held: list[tuple[Subset]] = []
        coefficients: list[npt.NDArray[np.float64]] = []
        systems: list[System] = []
        rows_of = {code_of_group: np.ascontiguousarray(code_of_group.generator.T) for code_of_group in set(self.codes)}
        for code_of_group, share in zip(self.codes, _check_shares(shares, len(self.codes)), strict=True):
            workers = tuple(range(len(held), len(held) + code_of_group.length))
            systems.append(System(workers, code_of_group.generator, sparse=prefer == "decoding"))
            held += [(share,)] * code_of_group.length
            coefficients += np.split(rows_of[code_of_group], code_of_group.length)
        stragglers = min(code_of_group.minimum_distance for code_of_group in set(self.codes)) - 1
        super().__init__(held, coefficients, systems, stragglers, summed=True)
        refuse_unstable(self)
        if self._one_code and shares is None:
            warn_of_load(self, self.code.length)

    def worst_condition(self, *, limit: int | None = None) -> Condition:
        """Largest condition number of a group's survivors, with any `stragglers` workers missing.

        Parameters
        ----------
        limit : int, optional
            How many sets to look at for each code. Default: as many as take about a second.

        Returns
        -------
        Condition
            A float that says how it is known; see `gradcode.LinearCode.worst_condition`.
        """
        found = [code.worst_condition(code.length - self.stragglers, limit=limit) for code in set(self.codes)]
        return largest(found)

    def __repr__(self) -> str:
        how = "" if self.prefer == "stability" else f", prefer={self.prefer!r}"
        return f"{type(self).__name__}({self.n_workers}, {self._codes_repr()}, load={self.load:g}{how})"

    def _codes_repr(self) -> str:
        if self._one_code:
            return repr(self.code)
        runs = [(len(list(run)), code) for code, run in groupby(self.codes)]
        return "[" + ", ".join(f"{count} × {code!r}" if count > 1 else repr(code) for count, code in runs) + "]"


class FractionalRepetition(Grouped):
    """Groups of s + 1 workers that all send the same gradient, so that any one is enough (Tandon et al., 2017).

    Parameters
    ----------
    n_workers : int
        Number of workers n.
    stragglers : int
        Any s workers may be missing, in 0..n-1.

    Examples
    --------
    >>> from gradcode import FractionalRepetition
    >>> scheme = FractionalRepetition(6, stragglers=1)
    >>> scheme, scheme.load, scheme.is_decodable([0, 3, 4])
    (FractionalRepetition(6, stragglers=1), 2.0, True)
    """

    def __init__(self, n_workers: int, stragglers: int) -> None:
        n_workers = check_int("n_workers", n_workers, 1)
        stragglers = check_int("stragglers", stragglers, 0, n_workers - 1, f"n_workers={n_workers}")
        super().__init__(n_workers, repetition(stragglers + 1))

    def __repr__(self) -> str:
        return f"FractionalRepetition({self.n_workers}, stragglers={self.stragglers})"


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


def warn_of_load(scheme: Grouped, length: int) -> None:
    """Warn if workers compute much more than `length` n-ths of the data; called by constructors."""
    if scheme.load <= MAX_RELATIVE_LOAD * length:
        return
    n = scheme.n_workers
    warnings.warn(
        f"{n} workers make {scheme.n_subsets} group{'s' if scheme.n_subsets > 1 else ''} of a code of length {length}: "
        f"every worker computes {scheme.load:g}/{n} of the data, not {length}/{n}; a number of workers near a multiple "
        f"of {length} computes less, and so does a cyclic placement",
        LoadWarning,
        stacklevel=3,
    )


def group_sizes(n_workers: int, length: int) -> list[int]:
    """Return the sizes of ⌊n/d⌋ groups, which differ by at most one.

    Examples
    --------
    >>> group_sizes(11, 3)
    [4, 4, 3]
    """
    if n_workers < length:
        raise CodeParameterError(
            f"n_workers must be at least the length of the code, got {n_workers} with length={length}"
        )
    n_groups = n_workers // length
    small, larger = divmod(n_workers, n_groups)
    return [small + 1] * larger + [small] * (n_groups - larger)


def _check_codes(n_workers: int, codes: Sequence[LinearCode]) -> tuple[LinearCode, ...]:
    """Check the codes of the groups."""
    if not isinstance(codes, Sequence):
        raise TypeError(f"code must be a LinearCode or a sequence of them, got {type(codes).__name__}")
    for index, code in enumerate(codes):
        if not isinstance(code, LinearCode):
            raise TypeError(f"code[{index}] must be a LinearCode, got {type(code).__name__}")
        if code.dimension != codes[0].dimension:
            raise CodeParameterError(
                f"code[{index}] must have dimension {codes[0].dimension} as code[0] has, got {code.dimension}"
            )
    total = sum(code.length for code in codes)
    if total != n_workers:
        raise CodeParameterError(
            f"the lengths of the groups' codes must add up to n_workers, got {total} with n_workers={n_workers}"
        )
    return tuple(codes)


def _check_shares(sizes: Sequence[float] | None, n_groups: int) -> tuple[Subset, ...]:
    """Return the shares of the groups, as exact fractions."""
    if sizes is None:
        return shares([1] * n_groups)
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, (Sequence, np.ndarray)) or np.ndim(sizes) == 0:
        raise TypeError(f"shares must be a sequence of numbers, got {type(sizes).__name__}")
    if len(sizes) != n_groups:
        raise ValueError(f"shares must have one number for each of the {n_groups} groups, got {len(sizes)}")
    for index, size in enumerate(sizes):
        check_number(f"shares[{index}]", size, 0, strict=True)
    return shares([size if isinstance(size, Fraction) else Fraction(float(size)) for size in sizes])

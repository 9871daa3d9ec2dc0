"""The minimum distance of a code over the real numbers, from its generator."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode.codes.conditioning import conditions_of, in_batches, sets_per_second

__all__ = ["Distance", "minimum_distance"]

# Hyperplanes are examined exactly up to this many; beyond it erasures are, for about so many seconds.
_HYPERPLANES = 1_000_000
_SECONDS = 6
_INFORMATION_SETS = 200  # from which short words are made


class Distance(NamedTuple):
    """A minimum distance: exact, or proven to be at least this."""

    value: int
    exact: bool


def minimum_distance(generator: npt.NDArray[np.float64], at_least: int = 1) -> Distance:
    """Return the smallest δ such that some δ missing columns leave less than rank m.

    Where there are few enough of them, every hyperplane spanned by m − 1 columns is examined: the fullest one holds
    d − δ columns. Otherwise a word with few entries that are not zero bounds δ from above, and if no set of one column
    less loses rank, that is δ. Where these are too many, sets of one missing column, two, three ... are examined: then
    δ is known to be above what was examined, and no more.

    Parameters
    ----------
    generator : ndarray, shape (m, d)
        Of rank m.
    at_least : int
        What is known of δ already.

    Examples
    --------
    >>> minimum_distance(np.array([[1.0, 0, 1], [0, 1, 1]]))
    Distance(value=2, exact=True)
    """
    dimension, length = generator.shape
    if dimension == 1:
        # The only hyperplane is {0}: a worker that sends nothing helps nobody.
        return Distance(length - int(np.count_nonzero(generator == 0)), True)
    if math.comb(length, dimension - 1) <= _HYPERPLANES:
        return Distance(length - _fullest_hyperplane(generator), True)
    above = _shortest_word(generator)
    while above > at_least and _seconds(generator, above - 1) <= _SECONDS:
        if _all_decodable(generator, above - 1):
            return Distance(above, True)
        above -= 1
    spent = 0.0
    for missing in range(at_least, above):
        spent += _seconds(generator, missing)
        if spent > _SECONDS:
            return Distance(missing, False)
        if not _all_decodable(generator, missing):
            return Distance(missing, True)
    return Distance(above, True)


def _seconds(generator: npt.NDArray[np.float64], missing: int) -> float:
    """About how long it takes to look at all sets of so many missing columns."""
    dimension, length = generator.shape
    return math.comb(length, missing) / sets_per_second(dimension, length - missing)


def _all_decodable(generator: npt.NDArray[np.float64], missing: int) -> bool:
    """Whether rank m is left whichever `missing` columns are lost."""
    length = generator.shape[1]
    conditions = conditions_of(generator)
    for batch in in_batches(itertools.combinations(range(length), length - missing)):
        if np.isinf(conditions(batch)).any():
            return False
    return True


def _shortest_word(generator: npt.NDArray[np.float64]) -> int:
    """Return the number of entries of a word that are not zero, the least of those that a search finds."""
    dimension, length = map(int, generator.shape)
    rng = np.random.default_rng(0)
    shortest: int = length - dimension + 1
    for _ in range(_INFORMATION_SETS):
        columns = rng.permutation(length)[:dimension]
        square = generator[:, columns]
        if np.linalg.cond(square) > 1e6:
            continue
        words = np.linalg.solve(square, generator)  # zero in all but one of these columns
        small = np.abs(words) <= 1e-9 * np.abs(words).max(axis=1, keepdims=True)
        for zeros in small[np.count_nonzero(~small, axis=1) < shortest]:
            # The columns where the word is zero lie in a hyperplane.
            if zeros.sum() < dimension or np.linalg.matrix_rank(generator[:, zeros]) < dimension:
                shortest = min(shortest, int((~zeros).sum()))
    return shortest


def _fullest_hyperplane(generator: npt.NDArray[np.float64]) -> int:
    dimension, length = generator.shape
    fullest = 0
    tolerance = length * np.finfo(np.float64).eps * np.linalg.norm(generator, axis=0).max()
    for batch in in_batches(itertools.combinations(range(length), dimension - 1)):
        columns = np.moveaxis(generator[:, batch], 1, 0)  # (batch, m, m-1)
        u, sigma, _ = np.linalg.svd(columns)
        spans = sigma[:, -1] > tolerance
        normals = u[spans, :, -1]
        on_plane = np.abs(normals @ generator) <= dimension * tolerance
        if on_plane.size:
            fullest = max(fullest, int(on_plane.sum(axis=1).max()))
    return fullest

"""The minimum distance of a code over the real numbers, from its generator."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode.codes.conditioning import conditions_of, in_batches, sets_per_second

__all__ = ["Distance", "minimum_distance"]

# Up to this many hyperplanes, all are examined. If there are more, sets of missing columns are, for about _SECONDS.
_HYPERPLANES = 1_000_000
_SECONDS = 6
_INFORMATION_SETS = 200  # tried in the search for a word with few non-zero entries


class Distance(NamedTuple):
    """A minimum distance: exact, or proven to be at least this."""

    value: int
    exact: bool


def minimum_distance(generator: npt.NDArray[np.float64], at_least: int = 1) -> Distance:
    """Return the smallest δ such that some δ missing columns leave less than rank m.

    If there are few enough, every hyperplane spanned by m − 1 columns is examined: the fullest one holds d − δ columns.
    Otherwise a search for a code word with few non-zero entries bounds δ from above. If no set of one missing column
    less loses rank, the bound is δ. If there are too many such sets, sets of one, two, three ... missing columns are
    examined as long as time permits, which bounds δ from below.

    Parameters
    ----------
    generator : ndarray, shape (m, d)
        Of rank m.
    at_least : int
        A lower bound on δ that is known already.

    Examples
    --------
    >>> minimum_distance(np.array([[1.0, 0, 1], [0, 1, 1]]))
    Distance(value=2, exact=True)
    """
    dimension, length = generator.shape
    if dimension == 1:
        # The only hyperplane is {0}: a zero column is of no use.
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
    """Return about how long it takes to look at all sets of `missing` columns."""
    dimension, length = generator.shape
    return math.comb(length, missing) / sets_per_second(dimension, length - missing)


def _all_decodable(generator: npt.NDArray[np.float64], missing: int) -> bool:
    """Return whether rank m is left without any `missing` columns."""
    length = generator.shape[1]
    conditions = conditions_of(generator)
    for batch in in_batches(itertools.combinations(range(length), length - missing)):
        if np.isinf(conditions(batch)).any():
            return False
    return True


def _shortest_word(generator: npt.NDArray[np.float64]) -> int:
    """Return the smallest number of non-zero entries in a code word that a search finds."""
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

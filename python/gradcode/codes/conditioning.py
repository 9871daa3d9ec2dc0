"""Condition numbers of sets of survivors: of all sets, or of those that a search examines."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Condition", "Conditions", "conditions_of", "in_batches", "largest", "search_sets", "sets_per_second"]

Kind = Literal["exact", "closed form", "lower bound"]
Subsets = npt.NDArray[np.intp]

_BATCH = 4096
_WINDOWS = 64  # sets of neighbours that a search looks at


class Condition(float):
    """A condition number, and how it is known.

    Attributes
    ----------
    kind : {"exact", "closed form", "lower bound"}
        "exact" is the largest over all sets. "closed form" is that of the set that theory says is the worst.
        "lower bound" is the largest that a search has found; the worst may be larger by orders of magnitude.

    Examples
    --------
    >>> Condition(12.5)
    12.5
    >>> Condition(12.5, "lower bound")
    at least 12.5
    """

    kind: Kind

    def __new__(cls, value: float, kind: Kind = "exact") -> Condition:
        """Mark `value`."""
        condition = super().__new__(cls, value)
        condition.kind = kind
        return condition

    def __reduce__(self) -> tuple[type[Condition], tuple[float, Kind]]:
        return Condition, (float(self), self.kind)

    def __repr__(self) -> str:
        return f"at least {float(self)!r}" if self.kind == "lower bound" else repr(float(self))


def largest(conditions: Sequence[Condition]) -> Condition:
    """Return the largest of some conditions, with the weakest `kind` among them.

    Examples
    --------
    >>> largest([Condition(3.0, "lower bound"), Condition(5.0)])
    at least 5.0
    """
    known = {condition.kind for condition in conditions}
    kinds: tuple[Kind, ...] = ("lower bound", "closed form", "exact")
    return Condition(max(conditions), next(kind for kind in kinds if kind in known))


class Conditions(NamedTuple):
    """Condition numbers of sets of survivors.

    Attributes
    ----------
    values : ndarray
        One of each set looked at, in no particular order; infinite where a set cannot be decoded.
    exhaustive : bool
        Whether all sets were looked at.
    worst : float
        The largest found. Unless `exhaustive`, sets near the worst were looked at as well.
    """

    values: npt.NDArray[np.float64]
    exhaustive: bool
    worst: float

    @property
    def typical(self) -> float:
        """The median."""
        return float(np.median(self.values))


def sets_per_second(rows: int, columns: int) -> int:
    """Return for how many matrices of this shape the condition can be found in about a second.

    Examples
    --------
    >>> sets_per_second(4, 4) > math.comb(16, 4)
    True
    """
    return int(1e9 / (1000 + 60 * rows * columns))


def conditions_of(matrix: npt.NDArray[np.float64]) -> Callable[[Subsets], npt.NDArray[np.float64]]:
    """Return a function for the condition numbers of sets of columns of `matrix`, shape (m, d).

    Singular values of at most max(m, r) * eps times the largest count as zero, as they do in decoding.
    """

    def conditions(subsets: Subsets) -> npt.NDArray[np.float64]:
        columns = np.moveaxis(matrix[:, subsets], 1, 0)
        if columns.shape[2] < columns.shape[1]:
            return np.full(len(columns), math.inf)
        sigma = np.linalg.svd(columns, compute_uv=False)
        full = sigma[:, -1] > max(columns.shape[1:]) * np.finfo(np.float64).eps * sigma[:, 0]
        return np.where(full, sigma[:, 0] / np.where(full, sigma[:, -1], 1), math.inf)

    return conditions


def search_sets(
    n: int,
    survivors: int,
    conditions: Callable[[Subsets], npt.NDArray[np.float64]],
    limit: int,
    seed: int = 0,
) -> Conditions:
    """Find condition numbers of sets of `survivors` out of n: of all sets, or of about `limit` if there are more.

    The search looks at sets of neighbours, which are the worst of many constructions, and at random sets. Then it
    exchanges single survivors of the worst set as long as that makes it worse.

    Parameters
    ----------
    n, survivors : int
        Size of the whole and of the sets.
    conditions : callable
        Condition numbers of an array of sets, shape (number, survivors).
    limit : int
        How many sets to look at first, and how many more at most by exchanging survivors.
    seed : int
        Seed of the random sets.
    """
    if math.comb(n, survivors) <= limit:
        batches = in_batches(itertools.combinations(range(n), survivors))
        values = np.concatenate([conditions(batch) for batch in batches])
        return Conditions(values, True, float(values.max()))
    windows = [sorted((start + i) % n for i in range(survivors)) for start in range(min(n, _WINDOWS, limit))]
    rng = np.random.default_rng(seed)
    drawn = [_draw(rng, n, survivors, min(_BATCH, limit))]
    while sum(map(len, drawn)) < limit:
        drawn.append(_draw(rng, n, survivors, _BATCH))
    sets = np.concatenate([np.array(windows, dtype=np.intp), *drawn])
    values = np.concatenate([conditions(sets[i : i + _BATCH]) for i in range(0, len(sets), _BATCH)])
    worst_set, worst = sets[int(values.argmax())], float(values.max())
    left = limit
    while left > 0 and math.isfinite(worst):
        others = np.setdiff1d(np.arange(n), worst_set)
        leaving, entering = np.divmod(rng.permutation(survivors * len(others))[:left], len(others))
        exchanged = np.repeat(worst_set[np.newaxis], len(leaving), axis=0)
        exchanged[np.arange(len(exchanged)), leaving] = others[entering]
        left -= len(exchanged)
        found = np.concatenate([conditions(exchanged[i : i + _BATCH]) for i in range(0, len(exchanged), _BATCH)])
        if found.max() <= worst:
            break
        worst_set, worst = np.sort(exchanged[int(found.argmax())]), float(found.max())
    return Conditions(values, False, worst)


def _draw(rng: np.random.Generator, n: int, survivors: int, count: int) -> Subsets:
    """Random sets, in increasing order."""
    order = rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
    return np.sort(order[:, :survivors], axis=1)


def in_batches(subsets: Iterator[tuple[int, ...]]) -> Iterator[Subsets]:
    """Yield arrays of at most _BATCH sets, for NumPy's stacked SVD."""
    while chunk := list(itertools.islice(subsets, _BATCH)):
        yield np.array(chunk, dtype=np.intp)

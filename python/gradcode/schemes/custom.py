"""Schemes given by a table of coefficients, and how many stragglers they tolerate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode._validate import as_array, check_int
from gradcode.codes.conditioning import sets_per_second
from gradcode.errors import CodeParameterError
from gradcode.schemes.spans import system_of
from gradcode.schemes.subset import Subset, equal_shares
from gradcode.schemes.systems import SOLVING_COST, System, solve_systems

__all__ = ["Parts", "parts_of"]

# The search for the number of stragglers that a scheme tolerates takes about so many seconds.
_SECONDS = 3
_BATCH = 1024
# Within these bounds no norm overflows.
_LEAST, _LARGEST = 1e-100, 1e100


class Parts(NamedTuple):
    """What a `Layout` is made of."""

    held: Sequence[Sequence[Subset]]
    coefficients: Sequence[npt.NDArray[np.float64]]
    systems: Sequence[System]
    stragglers: int


def parts_of(coefficients: npt.ArrayLike, stragglers: int | None = None) -> Parts:
    """Return the parts of a scheme; see `gradcode.GradientCode.from_coefficients`."""
    table = _check_table(coefficients)
    n_workers = len(table)
    if stragglers is not None:
        stragglers = check_int("stragglers", stragglers, 0, n_workers - 1, f"n_workers={n_workers}")
    holds = (table != 0).any(axis=2)
    systems = [system_of(workers, table[np.ix_(workers, subsets)]) for workers, subsets in _components(holds)]
    everybody = solve_systems([(system, range(len(system.workers))) for system in systems])
    for system, solution in zip(systems, everybody, strict=True):
        if not math.isfinite(solution.condition):
            raise CodeParameterError(
                f"coefficients must let the sum be decoded from all workers, but that over the subsets of workers "
                f"{list(system.workers)} cannot"
            )
    proven, refuted = _tolerated(systems, n_workers)
    if stragglers is not None and stragglers >= refuted:
        raise CodeParameterError(
            f"stragglers must be at most {refuted - 1} with these coefficients, got {stragglers}: without some "
            f"{refuted} of the workers the sum cannot be decoded"
        )
    tolerated = proven if stragglers is None else stragglers
    held = [np.flatnonzero(row).tolist() for row in holds]
    return Parts(equal_shares(held), [table[w, indices] for w, indices in enumerate(held)], systems, tolerated)


def _check_table(coefficients: npt.ArrayLike) -> npt.NDArray[np.float64]:
    given = as_array("coefficients", coefficients)
    if given.ndim not in (2, 3) or 0 in given.shape:
        raise ValueError(
            f"coefficients must be a non-empty array of shape (workers, subsets, m) or (workers, subsets), "
            f"got shape {given.shape}"
        )
    if given.dtype.kind not in "fiu":
        raise TypeError(f"coefficients must be real numbers, got dtype {given.dtype}")
    table = np.array(given, dtype=np.float64).reshape(*given.shape[:2], -1)
    if not np.isfinite(table).all():
        raise ValueError(f"coefficients must be finite, got {table[~np.isfinite(table)][0]}")
    holds = (table != 0).any(axis=2)
    largest = np.abs(table).max(axis=(1, 2))
    wrong = (largest != 0) & ((largest < _LEAST) | (largest > _LARGEST))
    if wrong.any():
        raise ValueError(
            f"the largest magnitude of a worker's coefficients must be in {_LEAST:g}..{_LARGEST:g}, "
            f"got {largest[wrong][0]:g} for worker {int(wrong.argmax())}"
        )
    for what, axis in (("subset", 0), ("worker", 1)):
        if not holds.any(axis=axis).all():
            index = int(holds.any(axis=axis).argmin())
            rule = "be held by some worker" if axis == 0 else "hold some subset"
            raise CodeParameterError(f"every {what} must {rule}, but the coefficients of {what} {index} are all zero")
    return table


def _components(holds: npt.NDArray[np.bool_]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield workers and subsets that are connected: no other workers hold these subsets."""
    from scipy.sparse import bmat, csr_array
    from scipy.sparse.csgraph import connected_components

    n_workers = len(holds)
    edges = csr_array(holds.astype(np.int8))
    count, label = connected_components(bmat([[None, edges], [edges.T, None]]), directed=False)
    for component in range(count):
        members = np.flatnonzero(label == component)
        yield members[members < n_workers].tolist(), (members[members >= n_workers] - n_workers).tolist()


def _tolerated(systems: Sequence[System], n_workers: int) -> tuple[int, int]:
    """Return how many stragglers are certainly tolerated, and how many are certainly not.

    The worst case is that all stragglers are in one system, so each system can be examined alone.
    """
    proven, refuted = n_workers - 1, n_workers
    for system in systems:
        size = len(system.workers)
        left = _SECONDS * sets_per_second(len(system.matrix), size) // SOLVING_COST
        for missing in range(1, min(refuted, size + 1)):
            left -= math.comb(size, missing)
            if left < 0:
                proven = min(proven, missing - 1)
                break
            if not _all_decodable(system, missing):
                proven, refuted = min(proven, missing - 1), missing
                break
    return proven, refuted


def _all_decodable(system: System, missing: int) -> bool:
    """Return whether the system can be decoded without any `missing` workers."""
    size = len(system.workers)
    patterns = itertools.combinations(range(size), missing)
    while batch := list(itertools.islice(patterns, _BATCH)):
        requests = [(system, [i for i in range(size) if i not in lost]) for lost in map(set, batch)]
        if not all(math.isfinite(solution.condition) for solution in solve_systems(requests)):
            return False
    return True

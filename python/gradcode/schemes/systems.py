"""The linear systems of the survivors, and their solutions."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.codes.conditioning import conditions_of
from gradcode.kernels import solve

__all__ = ["MAX_BASES", "SOLVING_COST", "Solution", "Solver", "System", "solve_systems"]

_EPS = float(np.finfo(np.float64).eps)
# A row of the targets is in a span if at most this part of it is outside, for any condition.
_RESIDUAL = math.sqrt(_EPS)
# The sparsest weights are looked for among this many sets of survivors at most.
MAX_BASES = 1000
# Solving a system takes about this many times as long as its singular values.
SOLVING_COST = 4


@dataclass(frozen=True, eq=False)
class System:
    """Workers whose messages are decoded together.

    A message of worker ``workers[i]`` is ``scales[i] * sum_c matrix[c, i] * z_c``, with the same p unknown vectors z_c
    for all workers. Decoding finds ``targets @ z``. In a grouped scheme the unknowns are the m blocks themselves.

    Attributes
    ----------
    workers : tuple of int
        The workers.
    matrix : ndarray, shape (p, len(workers))
        Of rank p.
    targets : ndarray, shape (m, p), optional
        Default: the identity.
    scales : ndarray, shape (len(workers),), optional
        Norm of each worker's coefficients relative to those of the sum. The rounding error of a message is proportional
        to its size, so that least squares weight it by that. Default: ones.
    floor : float
        The unavoidable loss, in eps, because the coefficients themselves are rounded.
    sparse : bool
        Decode from the fewest messages, and not from all of them by least squares.
    """

    exact: ClassVar[bool] = True  # whether the result is the sum, and not an estimate

    workers: tuple[int, ...]
    matrix: npt.NDArray[np.float64]
    targets: npt.NDArray[np.float64] | None = None
    scales: npt.NDArray[np.float64] | None = None
    floor: float = 1.0
    sparse: bool = False

    @property
    def fewest(self) -> int:
        """No set of fewer survivors can be decoded."""
        return len(self.matrix if self.targets is None else self.targets)

    @property
    def surplus(self) -> int:
        """How many messages more than needed there are if all workers answer."""
        return len(self.workers) - len(self.matrix)

    def contradictions(self, columns: Sequence[int]) -> npt.NDArray[np.float64]:
        """Return orthonormal combinations, in rows, of the messages in these columns that must be zero.

        Their number is that of the messages less the rank of the columns.
        """
        survivors = self.matrix[:, list(columns)]
        _, sigma, vt = np.linalg.svd(survivors)
        rank = int((sigma > max(survivors.shape) * _EPS * sigma[0]).sum()) if sigma.size else 0
        return vt[rank:]

    def closed_form(self, columns: Sequence[int]) -> Solution | None:
        """Return the solution for these columns, if it needs no linear algebra."""
        return None


class Solution(NamedTuple):
    """How to decode one system from one set of survivors.

    Attributes
    ----------
    weights : ndarray, shape (m, survivors)
        NaN where the system cannot be decoded.
    rank : int
        Of the survivors' columns.
    condition : float
        By how much decoding multiplies rounding errors, relative to the result; infinite if it cannot be decoded.
        For a system without targets this is the condition number of the survivors' columns. With targets that number
        says little, because it counts directions that the targets do not need. There it is the norm of the weights, for
        messages in units of their size. In all measurements this was within a factor of ten of the loss.
    """

    weights: npt.NDArray[np.float64]
    rank: int
    condition: float


class Solver:
    """Solves systems of survivors, and remembers the latest `capacity` solutions.

    The same few workers tend to straggle, so the same sets of survivors return round after round. Systems that share a
    matrix share solutions.
    """

    def __init__(self, systems: Sequence[System], capacity: int = 4096) -> None:
        self.systems = tuple(systems)
        self._capacity = check_int("capacity", capacity, 1)
        first: dict[int, int] = {}  # by identity: systems that share a matrix share solutions
        self._shared = [first.setdefault(id(system.matrix), index) for index, system in enumerate(self.systems)]
        self._cache: OrderedDict[tuple[int, tuple[int, ...]], Solution] = OrderedDict()

    def solve(self, requests: Sequence[tuple[int, tuple[int, ...]]]) -> list[Solution]:
        """Solve (system, columns) requests; those that are not remembered in one call without the GIL."""
        keys = [(self._shared[system], columns) for system, columns in requests]
        found = {key: self._cache[key] for key in keys if key in self._cache}
        new = {key: request for key, request in zip(keys, requests, strict=True) if key not in found}
        if new:
            solutions = solve_systems([(self.systems[system], columns) for system, columns in new.values()])
            found.update(zip(new, solutions, strict=True))
        for key, solution in found.items():
            self._cache[key] = solution
            self._cache.move_to_end(key)
        while len(self._cache) > self._capacity:
            self._cache.popitem(last=False)
        return [found[key] for key in keys]


def solve_systems(requests: Sequence[tuple[System, Sequence[int]]]) -> list[Solution]:
    """Solve systems for the survivors in the given columns; systems of equal size in one call without the GIL.

    One numerical rule holds for all: singular values of at most max(shape) * eps times the largest count as zero. A
    system whose survivors have full rank p is decoded by least squares over all of them. With a smaller rank, it can be
    decoded if the targets lie in the span of the survivors' columns.
    """
    answers: list[Solution | None] = [None] * len(requests)
    by_size: dict[int, list[int]] = {}
    for place, (system, columns) in enumerate(requests):
        answers[place] = system.closed_form(columns)
        if answers[place] is None:
            by_size.setdefault(len(system.matrix), []).append(place)
    for places in by_size.values():
        matrices = [requests[place][0].matrix for place in places]
        inverses, ranks, conditions = solve(matrices, [requests[place][1] for place in places])
        for place, inverse, rank, condition in zip(places, inverses, ranks, conditions, strict=True):
            system, columns = requests[place]
            answers[place] = _to_solution(system, columns, inverse, int(rank), float(condition))
    for answer in answers:
        assert answer is not None
        answer.weights.setflags(write=False)
    return [answer for answer in answers if answer is not None]


def _to_solution(
    system: System, columns: Sequence[int], inverse: npt.NDArray[np.float64], rank: int, condition: float
) -> Solution:
    """Turn the pseudoinverse of the survivors' system into weights of the messages."""
    weights = inverse
    if system.targets is not None:
        if rank == len(system.matrix):
            weights = system.targets @ inverse
        else:
            weights, condition = _within_span(system.matrix[:, columns], system.targets)
        if math.isfinite(condition):
            condition = max(1.0, float(np.linalg.norm(weights, axis=1).max()), system.floor)
    elif system.sparse and math.isfinite(condition):
        weights = _sparsest(system.matrix, columns, weights)
    if system.scales is not None:
        weights = weights / system.scales[list(columns)]
    return Solution(weights, rank, condition)


def _within_span(
    survivors: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float]:
    """Return weights and condition for survivors' columns, shape (p, r), of less than full rank."""
    impossible = np.full((len(targets), survivors.shape[1]), np.nan), math.inf
    if survivors.size == 0:
        return impossible
    u, sigma, vt = np.linalg.svd(survivors, full_matrices=False)
    rank = int((sigma > max(survivors.shape) * _EPS * sigma[0]).sum())
    if rank == 0:
        return impossible
    inside = targets @ u[:, :rank]
    left = np.linalg.norm(targets - inside @ u[:, :rank].T, axis=1)
    condition = float(sigma[0] / sigma[rank - 1])
    reachable = min(_RESIDUAL, 10 * max(survivors.shape) * _EPS * condition)
    if (left > reachable * np.linalg.norm(targets, axis=1)).any():
        return impossible
    return np.ascontiguousarray((inside / sigma[:rank]) @ vt[:rank]), condition


def _sparsest(
    matrix: npt.NDArray[np.float64], columns: Sequence[int], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the weights that use the fewest messages for every block, or `weights` if none use fewer.

    The sparsest solutions are basic: they use m survivors of rank m, or fewer. The smallest weights among them are
    taken.
    """
    parts, count = len(matrix), len(columns)
    bases = np.array(list(itertools.islice(itertools.combinations(range(count), parts), MAX_BASES)), dtype=np.intp)
    squares = np.moveaxis(matrix[:, np.asarray(columns)[bases]], 0, 2)  # a row per message
    regular = np.isfinite(conditions_of(matrix)(np.asarray(columns)[bases]))
    inverses = np.linalg.inv(squares[regular])
    inverses[np.abs(inverses) < parts * _EPS * np.abs(inverses).max(axis=(1, 2), keepdims=True)] = 0
    nearest = np.rint(inverses)
    # Codes of integers have integer weights, and additions are exact.
    inverses = np.where(np.abs(inverses - nearest) <= 16 * parts * _EPS, nearest, inverses)
    best = weights.copy()
    for block in range(parts):
        rows = inverses[:, block]
        cost = np.stack(
            [np.abs(rows).sum(axis=1), np.count_nonzero(np.abs(rows) % 1, axis=1), np.count_nonzero(rows, axis=1)]
        )
        if len(rows) and cost[2].min() <= np.count_nonzero(best[block]):
            first = int(np.lexsort(cost)[0])  # fewest messages, then fewest multiplications, then smallest weights
            best[block] = 0
            best[block, bases[regular][first]] = rows[first]
    return best

"""Who has answered, and whether that is enough."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.kernels import solve

__all__ = ["Solution", "Solver", "Survivors", "System"]


@dataclass(frozen=True, eq=False)
class System:
    """Workers whose messages are decoded together.

    Attributes
    ----------
    workers : tuple of int
        The workers.
    matrix : ndarray, shape (m, len(workers))
        Worker ``workers[i]`` sends the combination of the m blocks in column i.
    """

    workers: tuple[int, ...]
    matrix: npt.NDArray[np.float64]


class Solution(NamedTuple):
    """How to decode one system from one set of survivors."""

    weights: npt.NDArray[np.float64]  # (m, survivors); NaN where not decodable
    rank: int
    condition: float  # infinite where not decodable


class Solver:
    """Solves survivor subsystems, remembering the latest `capacity` of them.

    The same few workers tend to straggle, so the same survivor sets come back round after round. Systems that
    share a matrix share solutions.
    """

    def __init__(self, systems: Sequence[System], capacity: int = 4096) -> None:
        self.systems = tuple(systems)
        self._capacity = check_int("capacity", capacity, 1)
        self._cache: OrderedDict[tuple[int, tuple[int, ...]], Solution] = OrderedDict()

    def solve(self, requests: Sequence[tuple[int, tuple[int, ...]]]) -> list[Solution]:
        """Solve (system, columns) requests, all that are not remembered in one call without the GIL."""
        keys = [(id(self.systems[system].matrix), columns) for system, columns in requests]
        found = {key: self._cache[key] for key in keys if key in self._cache}
        new = {key: request for key, request in zip(keys, requests, strict=True) if key not in found}
        if new:
            matrices = [self.systems[system].matrix for system, _ in new.values()]
            weights, ranks, conditions = solve(matrices, [columns for _, columns in new.values()])
            for key, w, rank, condition in zip(new, weights, ranks, conditions, strict=True):
                w.setflags(write=False)
                found[key] = Solution(w, int(rank), float(condition))
        for key, solution in found.items():
            self._cache[key] = solution
            self._cache.move_to_end(key)
        while len(self._cache) > self._capacity:
            self._cache.popitem(last=False)
        return [found[key] for key in keys]


class Survivors:
    """The workers that have answered so far in one round.

    A system is ready at its first decodable moment: its survivors have full rank and a condition number of at
    most `condition_limit`, or full rank and nobody left to wait for.

    Parameters
    ----------
    solver : Solver
        The systems, and their solutions.
    condition_limit : float
        Survivor sets with a larger condition number wait for more survivors.
    """

    def __init__(self, solver: Solver, condition_limit: float = math.inf) -> None:
        self._solver = solver
        self._limit = condition_limit
        self._place = {
            worker: (index, column)
            for index, system in enumerate(solver.systems)
            for column, worker in enumerate(system.workers)
        }
        self.reset()

    def reset(self) -> None:
        """Forget everybody."""
        systems = self._solver.systems
        self._columns: list[list[int]] = [[] for _ in systems]
        self._ready = [False] * len(systems)
        self._waiting = len(systems)
        self._answered: set[int] = set()

    def add(self, worker: int) -> bool:
        """Count `worker`; return whether the sum is decodable now."""
        if worker in self._answered:
            raise ValueError(f"worker {worker} has been added already")
        index, column = self._place[worker]
        self._answered.add(worker)
        columns = self._columns[index]
        columns.append(column)
        columns.sort()  # one order, so that one set of survivors is solved once
        system = self._solver.systems[index]
        if not self._ready[index] and len(columns) >= system.matrix.shape[0]:
            solution = self.solution(index)
            full = len(columns) == len(system.workers)
            if math.isfinite(solution.condition) and (full or solution.condition <= self._limit):
                self._ready[index] = True
                self._waiting -= 1
        return self.ready

    @property
    def ready(self) -> bool:
        """Whether every system is decodable."""
        return self._waiting == 0

    @property
    def answered(self) -> frozenset[int]:
        """The workers counted."""
        return frozenset(self._answered)

    @property
    def missing(self) -> tuple[int, ...]:
        """Workers of systems not yet decodable that have not answered, in increasing order."""
        waiting = [s for s, ready in zip(self._solver.systems, self._ready, strict=True) if not ready]
        return tuple(sorted(w for system in waiting for w in system.workers if w not in self._answered))

    def system_ready(self, index: int) -> bool:
        """Whether system `index` is decodable."""
        return self._ready[index]

    def system_workers(self, index: int) -> tuple[int, ...]:
        """Workers of system `index` that have answered, in the order of the columns of `solution`."""
        workers = self._solver.systems[index].workers
        return tuple(workers[column] for column in self._columns[index])

    def solution(self, index: int) -> Solution:
        """How to decode system `index` from all of its workers that have answered."""
        return self._solver.solve([(index, tuple(self._columns[index]))])[0]

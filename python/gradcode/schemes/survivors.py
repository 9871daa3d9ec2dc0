"""The account of a round: which workers have answered, and whether they are enough."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gradcode.schemes.systems import Solution, Solver, System

__all__ = ["Survivors"]

# If the targets are this close to the span of the survivors, solve the system: the solution shows if it is decodable.
_WORTH_SOLVING = 1e-3


class Survivors:
    """The workers that have answered so far in one round.

    A system is decodable once the sum is in the span of its survivors. A decodable system is ready if its condition
    number is at most `condition_limit`, if all its workers have answered, or after `accept_any_condition`.

    Parameters
    ----------
    solver : Solver
        The systems, and their solutions.
    condition_limit : float
        Survivor sets with a larger condition number wait for more survivors.
    """

    def __init__(self, solver: Solver, condition_limit: float = math.inf) -> None:
        self._solver = solver
        self.condition_limit = condition_limit
        self._place = {
            worker: (index, column)
            for index, system in enumerate(self.systems)
            for column, worker in enumerate(system.workers)
        }
        self.reset()

    @property
    def systems(self) -> tuple[System, ...]:
        """The systems of the scheme."""
        return self._solver.systems

    def reset(self) -> None:
        """Forget all workers, for the next round."""
        systems = self.systems
        self._columns: list[list[int]] = [[] for _ in systems]
        self._spans: dict[int, _Span] = {}
        self._decodable = [False] * len(systems)
        self._ready = [False] * len(systems)
        self._undecodable = len(systems)
        self._waiting = len(systems)
        self._any_condition = False
        self._answered: set[int] = set()

    def add(self, worker: int) -> bool:
        """Count `worker`; return whether the sum is ready to be decoded."""
        if worker in self._answered:
            raise ValueError(f"worker {worker} has been added already")
        index, column = self._place[worker]
        self._answered.add(worker)
        columns = self._columns[index]
        columns.append(column)
        columns.sort()  # one order, so that one set of survivors is solved once
        system = self.systems[index]
        if not self._ready[index] and self._worth_solving(index, system, column):
            condition = self.solution(index).condition
            if math.isfinite(condition):
                if not self._decodable[index]:
                    self._decodable[index] = True
                    self._undecodable -= 1
                if condition <= self.condition_limit or self._any_condition or len(columns) == len(system.workers):
                    self._ready[index] = True
                    self._waiting -= 1
        return self.ready

    def accept_any_condition(self) -> bool:
        """Take decodable systems of any condition as ready, until `reset`; return whether all are ready."""
        self._any_condition = True
        self._ready = list(self._decodable)
        self._waiting = self._undecodable
        return self.ready

    @property
    def ready(self) -> bool:
        """Whether every system is ready to be decoded."""
        return self._waiting == 0

    @property
    def decodable(self) -> bool:
        """Whether every system could be decoded now, perhaps with a condition number above the limit."""
        return self._undecodable == 0

    @property
    def answered(self) -> frozenset[int]:
        """The workers counted."""
        return frozenset(self._answered)

    @property
    def missing(self) -> tuple[int, ...]:
        """Workers that have not answered, of systems that are not ready, in increasing order."""
        waiting = [s for s, ready in zip(self.systems, self._ready, strict=True) if not ready]
        return tuple(sorted(w for system in waiting for w in system.workers if w not in self._answered))

    def system_ready(self, index: int) -> bool:
        """Whether system `index` is ready to be decoded."""
        return self._ready[index]

    def system_workers(self, index: int) -> tuple[int, ...]:
        """Workers of system `index` that have answered, in the order of the columns of `solution`."""
        workers = self.systems[index].workers
        return tuple(workers[column] for column in self._columns[index])

    def solution(self, index: int) -> Solution:
        """Return how to decode system `index` from all of its workers that have answered."""
        return self._solver.solve([(index, tuple(self._columns[index]))])[0]

    def solution_of(self, index: int, workers: Sequence[int]) -> Solution:
        """Return how to decode system `index` from these of its workers, in this order."""
        place = self._place
        return self._solver.solve([(index, tuple(place[worker][1] for worker in workers))])[0]

    def _worth_solving(self, index: int, system: System, column: int) -> bool:
        """Return whether the system may be decodable now. This is cheap for large systems; False is always right."""
        count = len(self._columns[index])
        if system.targets is None:
            return count >= system.fewest
        if index not in self._spans:
            self._spans[index] = _Span(system)
        return self._spans[index].add(system.matrix[:, column]) and count >= system.fewest


class _Span:
    """The span of the survivors' columns, by Gram and Schmidt, and the part of the targets outside of it."""

    def __init__(self, system: System) -> None:
        assert system.targets is not None
        size = len(system.matrix)
        self._basis = np.empty((size, size))  # row by row
        self._rank = 0
        self._outside = system.targets / np.linalg.norm(system.targets, axis=1, keepdims=True)
        self._tolerance = max(system.matrix.shape) * float(np.finfo(np.float64).eps)

    def add(self, column: npt.NDArray[np.float64]) -> bool:
        """Add a column; return whether the targets may lie in the span now.

        A direction that is only rounding counts too. That may cost a needless solution later. But if a true direction
        were taken for rounding, a decodable system would be missed.
        """
        length = float(np.linalg.norm(column))
        if self._rank < len(self._basis) and length > 0:
            basis = self._basis[: self._rank]
            rest = column / length
            for _ in range(2):
                rest = rest - (basis @ rest) @ basis
            left = float(np.linalg.norm(rest))
            if left > self._tolerance:
                rest /= left
                self._basis[self._rank] = rest
                self._rank += 1
                self._outside -= np.outer(self._outside @ rest, rest)
        return self._rank == len(self._basis) or bool((np.linalg.norm(self._outside, axis=1) <= _WORTH_SOLVING).all())

"""How many digits decoding may lose: the worst condition of systems of survivors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.codes.conditioning import Condition, conditions_of, largest, search_sets, sets_per_second
from gradcode.schemes.systems import SOLVING_COST, System, solve_systems

__all__ = ["quick_sets", "worst_condition"]

_QUICK_SETS = 200
_QUICK_SECONDS = 0.05


def worst_condition(systems: Sequence[System], stragglers: int, limit: int | None = None) -> Condition:
    """Return the worst condition over all sets of `stragglers` missing workers.

    Parameters
    ----------
    systems : sequence of System
        What is decoded together; those that share a matrix are looked at once.
    stragglers : int
        How many workers are missing; at worst all of them from one system.
    limit : int, optional
        How many sets to look at for each system. Default: as many as take about a second.
    """
    if limit is not None:
        check_int("limit", limit, 1)
    distinct = {id(system.matrix): system for system in systems}
    found = [_worst_of_system(system, len(system.workers) - stragglers, limit) for system in distinct.values()]
    return largest([Condition(1.0), *found])


def _worst_of_system(system: System, survivors: int, limit: int | None) -> Condition:
    conditions: Callable[[npt.NDArray[np.intp]], npt.NDArray[np.float64]]
    n_workers, sets = len(system.workers), sets_per_second(len(system.matrix), survivors)
    if system.targets is None:
        conditions = conditions_of(system.matrix)
    else:
        sets = max(1, sets // SOLVING_COST)

        def conditions(subsets: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
            solutions = solve_systems([(system, columns) for columns in subsets.tolist()])
            return np.array([solution.condition for solution in solutions])

    found = search_sets(n_workers, survivors, conditions, sets if limit is None else limit)
    return Condition(found.worst, "exact" if found.exhaustive else "lower bound")


def quick_sets(systems: Sequence[System]) -> int:
    """Return how many sets of survivors a constructor may look at: the fewer, the larger the systems are."""
    rows, columns = max((len(system.matrix), len(system.workers)) for system in systems)
    return max(1, min(_QUICK_SETS, int(_QUICK_SECONDS * sets_per_second(rows, columns) / SOLVING_COST)))

"""How many digits a scheme may lose: its worst condition, and bounds for random schemes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.codes import Condition
from gradcode.codes.conditioning import affordable, conditions_of, largest, survey
from gradcode.schemes.systems import SOLVING_COST, System, solve_systems

if TYPE_CHECKING:
    from gradcode.schemes.base import GradientCode

__all__ = ["glance", "worst_condition"]

_GLANCE_SETS = 200
_GLANCE_SECONDS = 0.05


def worst_condition(scheme: GradientCode, limit: int | None = None) -> Condition:
    """See `gradcode.GradientCode.worst_condition`."""
    if limit is not None:
        check_int("limit", limit, 1)
    distinct = {id(system.matrix): system for system in scheme.systems if system.enough is None}
    found = [_worst_of_system(s, len(s.workers) - scheme.stragglers, limit) for s in distinct.values()]
    return largest([Condition(1.0), *found])


def _worst_of_system(system: System, survivors: int, limit: int | None) -> Condition:
    conditions: Callable[[npt.NDArray[np.intp]], npt.NDArray[np.float64]]
    n_workers, cost = len(system.workers), affordable(len(system.matrix), survivors)
    if system.targets is None:
        conditions = conditions_of(system.matrix)
    else:
        cost = max(1, cost // SOLVING_COST)

        def conditions(subsets: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
            solutions = solve_systems([(system, columns) for columns in subsets.tolist()])
            return np.array([solution.condition for solution in solutions])

    found = survey(n_workers, survivors, conditions, cost if limit is None else limit)
    return Condition(found.worst, "exact" if found.exhaustive else "lower bound")


def glance(scheme: GradientCode) -> int:
    """Return how many sets of survivors a constructor may look at: the fewer, the larger the systems are."""
    rows, columns = max((len(s.matrix), len(s.workers)) for s in scheme.systems)
    return max(1, min(_GLANCE_SETS, int(_GLANCE_SECONDS * affordable(rows, columns) / SOLVING_COST)))

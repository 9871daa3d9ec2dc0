"""How many digits a scheme may lose: its worst condition, and bounds for random schemes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.codes import Condition
from gradcode.codes.conditioning import affordable, conditions_of, survey
from gradcode.schemes.systems import System, solve_systems

if TYPE_CHECKING:
    from gradcode.schemes.base import GradientCode

__all__ = ["glance", "worst_condition"]

_GLANCE_SETS = 200
_GLANCE_SECONDS = 0.05

# Solving a system takes about this many times as long as its singular values.
_SOLVING = 4


def worst_condition(scheme: GradientCode, limit: int | None = None) -> Condition:
    """See `gradcode.GradientCode.worst_condition`."""
    if limit is not None:
        check_int("limit", limit, 1)
    worst = Condition(1.0)
    seen = set()
    for system in scheme.systems:
        if id(system.matrix) in seen or system.enough is not None:
            continue
        seen.add(id(system.matrix))
        found = _worst_of_system(system, len(system.workers) - scheme.stragglers, limit)
        # One lower bound makes the whole a lower bound, whichever system it comes from.
        kind = "lower bound" if "lower bound" in (worst.kind, found.kind) else found.kind
        worst = Condition(max(worst, found), kind)
    return worst


def _worst_of_system(system: System, survivors: int, limit: int | None) -> Condition:
    conditions: Callable[[npt.NDArray[np.intp]], npt.NDArray[np.float64]]
    n_workers, cost = len(system.workers), affordable(len(system.matrix), survivors)
    if system.targets is None:
        conditions = conditions_of(system.matrix)
    else:
        cost = max(1, cost // _SOLVING)

        def conditions(subsets: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
            solutions = solve_systems([(system, columns) for columns in subsets.tolist()])
            return np.array([solution.condition for solution in solutions])

    found = survey(n_workers, survivors, conditions, cost if limit is None else limit)
    return Condition(found.worst, "exact" if found.exhaustive else "lower bound")


def glance(scheme: GradientCode) -> int:
    """Return how many sets of survivors a constructor may look at: the fewer, the larger the systems are."""
    rows, columns = max((len(s.matrix), len(s.workers)) for s in scheme.systems)
    return max(1, min(_GLANCE_SETS, int(_GLANCE_SECONDS * affordable(rows, columns) / _SOLVING)))

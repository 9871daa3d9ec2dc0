"""When a scheme is so large that its survivors' system takes long to solve."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from gradcode.errors import ScaleWarning

if TYPE_CHECKING:
    from gradcode.schemes.base import GradientCode

__all__ = ["SLOW_SYSTEM", "warn_of_scale"]

# From about this many unknowns on, coefficients and weights together take more than a second (bench/results/stability).
SLOW_SYSTEM = 700


def warn_of_scale(scheme: GradientCode) -> None:
    """Warn if the survivors' system of a scheme is large; called by constructors."""
    largest = max(len(system.matrix) for system in scheme.systems)
    if largest >= SLOW_SYSTEM:
        warnings.warn(
            f"every new set of survivors of {scheme!r} means solving a system of {largest} unknowns, a second or more "
            "each time, and the cube of their number; grouped schemes of any size are solved in milliseconds",
            ScaleWarning,
            stacklevel=3,
        )

"""Which schemes are so large that their survivors' systems take long to solve."""

from __future__ import annotations

import warnings

from gradcode.errors import ScaleWarning
from gradcode.schemes.layout import Layout

__all__ = ["SLOW_SYSTEM", "warn_of_scale"]

# From about this many unknowns on, coefficients and weights together take more than a second (bench/results/stability).
SLOW_SYSTEM = 700


def warn_of_scale(scheme: Layout) -> None:
    """Warn if the survivors' system of a scheme is large; called by constructors."""
    largest = max(len(system.matrix) for system in scheme.systems)
    if largest >= SLOW_SYSTEM:
        warnings.warn(
            f"every new set of survivors of {scheme!r} means solving a system of {largest} unknowns, a second or more "
            "each time, growing with the cube of their number; grouped schemes of any size are solved in milliseconds",
            ScaleWarning,
            stacklevel=3,
        )

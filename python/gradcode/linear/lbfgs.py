"""L-BFGS, which learns the curvature from its last steps and finds their length by a line search."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode.errors import GradCodeError
from gradcode.linear.iteration import (
    Array,
    Callback,
    Minimised,
    Reason,
    ValueAndGradient,
    checked_start,
    largest_component,
)

__all__ = ["lbfgs"]

_MEMORY = 10  # steps from which the curvature is estimated


def lbfgs(
    value_and_gradient: ValueAndGradient,
    w0: npt.ArrayLike,
    *,
    rate: float | None = None,
    iterations: int,
    tolerance: float = 0.0,
    callback: Callback | None = None,
) -> Minimised:
    """Minimise by L-BFGS, which learns the curvature from the last ten steps and finds their length by a line search.

    This is SciPy's L-BFGS-B without bounds. It works in float64 and needs about 45 vectors of float64 beside the
    gradient. The function gets points of the dtype of `w0`. Every gradient counts towards `iterations`, those of a
    line search too. If they run out during a line search, the result is the iterate where that search began.

    Parameters, result and errors are those of `Optimiser`, with two differences: `rate` must be None, and a value or
    gradient that is not finite is an error at every point that is tried.

    Examples
    --------
    >>> import numpy as np
    >>> scales = np.array([1.0, 100.0])
    >>> w, reason = lbfgs(lambda w: (w @ (scales * w) / 2, scales * w), np.ones(2), iterations=50, tolerance=1e-8)
    >>> reason, bool(np.abs(w).max() < 1e-6)
    ('tolerance', True)
    """
    from scipy.optimize import minimize  # takes a fifth of a second, which other ranks need not pay

    start, iterations, _ = checked_start(w0, iterations, tolerance)
    if rate is not None:
        raise ValueError(f"rate must be None with lbfgs, whose line search finds the steps, got {rate!r}")
    if iterations == 0:
        return Minimised(start, "iterations")
    taken = 0
    last: tuple[Array, float, Array] | None = None

    def evaluate(x: npt.NDArray[np.float64]) -> tuple[float, Array]:
        nonlocal taken, last
        if last is not None and np.isnan(x).any() and largest_component(last[2]) < 1:
            raise _Ended("precision")  # products of a tiny gradient underflow; with a huge gradient, NaN is an error
        point = _rounded(x, start.dtype)
        # Points that differ only in float64 are the same point in float32.
        if last is None or not np.array_equal(point, last[0]):
            if taken == iterations:
                raise _Ended("iterations")
            value, gradient = value_and_gradient(point)
            _check_search(value, gradient, taken)
            taken += 1
            last = point, float(value), gradient.astype(np.float64)
        return last[1], last[2].copy()

    w = start.copy()

    def accept(x: npt.NDArray[np.float64]) -> None:
        w[:] = _rounded(x, w.dtype)
        if callback is not None:
            callback(w)

    limit = tolerance * largest_component(evaluate(start.astype(np.float64))[1])
    try:
        found = minimize(
            evaluate,
            start.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=accept,
            # Only a small gradient, rounding, or `evaluate` ends the search.
            options={"maxcor": _MEMORY, "ftol": 0.0, "gtol": limit, "maxiter": sys.maxsize, "maxfun": sys.maxsize},
        )
    except _Ended as end:
        return Minimised(w, end.reason)
    return Minimised(w, "tolerance" if tolerance and largest_component(found.jac) <= limit else "precision")


class _Ended(Exception):
    """Ends the search from within the function that is minimised."""

    def __init__(self, reason: Reason) -> None:
        self.reason: Reason = reason


def _rounded(x: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):  # an infinite parameter makes the value infinite, which is checked
        return x.astype(dtype)


def _check_search(value: float, gradient: Array, taken: int) -> None:
    largest = largest_component(gradient)
    if not (math.isfinite(value) and math.isfinite(largest)):
        raise GradCodeError(
            f"the loss and its gradient must stay finite, got {value} and a largest component of {largest} "
            f"in iteration {taken} of the line search"
        )

"""What all optimisers share: how they are called, what they return, and what is checked on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_dtype, check_int, check_number
from gradcode.errors import GradCodeError

__all__ = [
    "Array",
    "Callback",
    "Minimised",
    "Optimiser",
    "Reason",
    "ValueAndGradient",
    "check_parameters",
    "check_value",
    "checked_start",
    "largest_component",
]

Array: TypeAlias = npt.NDArray[Any]
ValueAndGradient: TypeAlias = Callable[[Array], tuple[float, Array]]
Callback: TypeAlias = Callable[[Array], object]
Reason: TypeAlias = Literal["iterations", "tolerance", "precision"]


class Minimised(NamedTuple):
    """The result of an optimiser.

    Attributes
    ----------
    w : ndarray
        The last iterate, of the dtype of the start. With the reason ``"tolerance"`` it is the point where the gradient
        is small enough.
    reason : {"iterations", "tolerance", "precision"}
        Why it ended: all allowed gradients have been taken; the gradient is small enough; or rounding hides any
        lower value.
    """

    w: Array
    reason: Reason


class Optimiser(Protocol):
    """The signature that all optimisers share.

    Parameters
    ----------
    value_and_gradient : callable
        ``value_and_gradient(w)`` returns the value at `w` and the gradient. It must neither change nor keep `w`.
    w0 : array_like
        Where to start, float32 or float64, which all iterates keep. Not changed.
    rate : float or None
        Step length, above 0; None where a line search finds it. `default_rate` returns one.
    iterations : int
        Most gradients to take, at least 0.
    tolerance : float, optional
        Stop once the largest component of the gradient, in size, is at most this many times that of the first
        gradient. With 0, never stop early. Use 0 for estimated gradients, which may be small by chance.
    callback : callable, optional
        ``callback(w)`` is called with each new iterate. Copy `w` to keep it: its buffer is used again.

    Returns
    -------
    Minimised
        The last iterate, and why it is the last.

    Raises
    ------
    GradCodeError
        If the value or the parameters are no longer finite.
    """

    def __call__(
        self,
        value_and_gradient: ValueAndGradient,
        w0: npt.ArrayLike,
        *,
        rate: float | None,
        iterations: int,
        tolerance: float = 0.0,
        callback: Callback | None = None,
    ) -> Minimised:
        """Minimise, and return the last iterate."""
        ...


def checked_start(w0: npt.ArrayLike, iterations: int, tolerance: float) -> tuple[Array, int, Callable[[Array], bool]]:
    """Check the arguments that all optimisers share.

    Returns
    -------
    x : ndarray
        A copy of `w0`.
    iterations : int
        As given.
    small : callable
        ``small(gradient)`` returns whether a gradient is small enough to stop. Call it first with the first gradient,
        with which it compares the others.
    """
    x = np.array(w0)
    check_dtype("w0.dtype", x.dtype)
    if x.ndim != 1:
        raise ValueError(f"w0 must be one-dimensional, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"w0 must be finite, got {x[~np.isfinite(x)][0]}")
    tolerance = check_number("tolerance", tolerance, 0)
    limit: float | None = None

    def small(gradient: Array) -> bool:
        nonlocal limit
        if not tolerance:
            return False
        largest = largest_component(gradient)
        if limit is None:
            limit = tolerance * largest
        return largest <= limit

    return x, check_int("iterations", iterations, 0), small


def largest_component(gradient: Array) -> float:
    """Return the size of the largest component; NaN if one is NaN."""
    return max(float(gradient.max(initial=0)), -float(gradient.min(initial=0)))


def check_value(value: float, rate: float, iteration: int) -> None:
    """Raise GradCodeError unless the value is finite."""
    if not math.isfinite(value):
        raise GradCodeError(
            f"the loss must stay finite, got {value} in iteration {iteration}: the rate, {rate:g}, is too large"
        )


def check_parameters(x: Array, rate: float, iterations: int) -> Array:
    """Raise GradCodeError unless the last iterate is finite; no further value would reveal it. Return the iterate."""
    if not np.isfinite(x).all():
        raise GradCodeError(
            f"the parameters must stay finite, but are not after iteration {iterations - 1}: "
            f"the rate, {rate:g}, is too large"
        )
    return x

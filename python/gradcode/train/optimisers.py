"""Descent at the master: plain functions of one shape, which know nothing of workers or codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_dtype, check_int, check_number
from gradcode.errors import GradCodeError

__all__ = ["OPTIMISERS", "Optimiser", "gradient_descent", "nesterov"]

Array: TypeAlias = npt.NDArray[Any]
ValueAndGradient: TypeAlias = Callable[[Array], tuple[float, Array]]
Callback: TypeAlias = Callable[[int, Array, float], object]


class Optimiser(Protocol):
    """What the functions of this module have in common."""

    def __call__(
        self,
        value_and_gradient: ValueAndGradient,
        w0: npt.ArrayLike,
        *,
        rate: float,
        iterations: int,
        callback: Callback | None = None,
    ) -> Array:
        """Minimise, and return the last iterate."""
        ...


def gradient_descent(
    value_and_gradient: ValueAndGradient,
    w0: npt.ArrayLike,
    *,
    rate: float,
    iterations: int,
    callback: Callback | None = None,
) -> Array:
    """Minimise by steps of fixed rate along the negative gradient.

    Parameters
    ----------
    value_and_gradient : callable
        ``value_and_gradient(w)`` returns the value at `w` and the gradient. It must neither change nor keep `w`.
    w0 : array_like
        Where to start; float32 stays float32. Not changed.
    rate : float
        Step length, above 0.
    iterations : int
        Number of gradients taken, at least 0.
    callback : callable, optional
        ``callback(iteration, w, value)`` after each update, iterations counting from 0. `w` is the new
        iterate, in a buffer that is used again (copy it to keep it); `value` belongs to the point at which
        the gradient was taken, which for this update was the starting point.

    Returns
    -------
    numpy.ndarray
        The last iterate.

    Raises
    ------
    GradCodeError
        If the value or the parameters are no longer finite.

    Examples
    --------
    >>> import numpy as np
    >>> gradient_descent(lambda w: (float(w @ w) / 2, w), np.array([8.0]), rate=0.5, iterations=3)
    array([1.])
    """
    x, rate, iterations = _check(w0, rate, iterations)
    step = np.empty_like(x)
    for iteration in range(iterations):
        value, gradient = value_and_gradient(x)
        _check_value(value, rate, iteration)
        np.multiply(gradient, rate, out=step)
        x -= step
        if callback is not None:
            callback(iteration, x, value)
    return _check_result(x, rate, iterations)


def nesterov(
    value_and_gradient: ValueAndGradient,
    w0: npt.ArrayLike,
    *,
    rate: float,
    iterations: int,
    callback: Callback | None = None,
) -> Array:
    """Minimise by Nesterov's accelerated gradient method with fixed rate.

    Iteration k takes the gradient at ``y = x + k/(k+3) * (x - x_before)``, a point beyond the iterate, and
    steps from there.

    Parameters
    ----------
    value_and_gradient : callable
        ``value_and_gradient(w)`` returns the value at `w` and the gradient. It must neither change nor keep `w`.
    w0 : array_like
        Where to start; float32 stays float32. Not changed.
    rate : float
        Step length, above 0.
    iterations : int
        Number of gradients taken, at least 0.
    callback : callable, optional
        ``callback(iteration, w, value)`` after each update, iterations counting from 0. `w` is the new
        iterate, in a buffer that is used again (copy it to keep it); `value` belongs to the point at which
        the gradient was taken: y above, and not `w`.

    Returns
    -------
    numpy.ndarray
        The last iterate.

    Raises
    ------
    GradCodeError
        If the value or the parameters are no longer finite.

    Examples
    --------
    >>> import numpy as np
    >>> w = nesterov(lambda w: (float(w @ w) / 2, w), np.array([8.0]), rate=0.5, iterations=20)
    >>> bool(abs(w[0]) < 0.01)
    True
    """
    x, rate, iterations = _check(w0, rate, iterations)
    before, y = x.copy(), np.empty_like(x)
    for k in range(iterations):
        np.subtract(x, before, out=y)
        y *= k / (k + 3)
        y += x
        value, gradient = value_and_gradient(y)
        _check_value(value, rate, k)
        before, x = x, before
        np.multiply(gradient, -rate, out=x)
        x += y
        if callback is not None:
            callback(k, x, value)
    return _check_result(x, rate, iterations)


OPTIMISERS: dict[str, Optimiser] = {"nesterov": nesterov, "gd": gradient_descent}
"""The optimisers by the names under which a user asks for them."""


def _check(w0: npt.ArrayLike, rate: float, iterations: int) -> tuple[Array, float, int]:
    """Return a copy of `w0` and the two numbers, all checked."""
    x = np.array(w0)
    check_dtype("w0.dtype", x.dtype)
    if x.ndim != 1:
        raise ValueError(f"w0 must be one-dimensional, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"w0 must be finite, got {x[~np.isfinite(x)][0]}")
    return x, check_number("rate", rate, 0, strict=True), check_int("iterations", iterations, 0)


def _check_value(value: float, rate: float, iteration: int) -> None:
    if not math.isfinite(value):
        raise GradCodeError(
            f"the loss must stay finite, got {value} in iteration {iteration}: the rate, {rate:g}, is too large"
        )


def _check_result(x: Array, rate: float, iterations: int) -> Array:
    """Return `x`; after the last update no value is taken that would show it."""
    if not np.isfinite(x).all():
        raise GradCodeError(
            f"the parameters must stay finite, but are not after iteration {iterations - 1}: "
            f"the rate, {rate:g}, is too large"
        )
    return x

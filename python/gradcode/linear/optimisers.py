"""Descent at the master: plain functions of one shape, which know nothing of workers or codes."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_dtype, check_int, check_number
from gradcode.errors import GradCodeError

__all__ = [
    "OPTIMISERS",
    "STOCHASTIC",
    "Minimised",
    "Optimiser",
    "adam",
    "default_rate",
    "gradient_descent",
    "lbfgs",
    "nesterov",
    "optimiser_of",
]

Array: TypeAlias = npt.NDArray[Any]
ValueAndGradient: TypeAlias = Callable[[Array], tuple[float, Array]]
Callback: TypeAlias = Callable[[Array], object]
Reason: TypeAlias = Literal["iterations", "tolerance", "precision"]

_MEMORY = 10  # pairs of differences from which L-BFGS knows the curvature
_BETA1, _BETA2 = 0.9, 0.999  # decay of the running means, of the gradient and of its square


class Minimised(NamedTuple):
    """What an optimiser has reached.

    Attributes
    ----------
    w : ndarray
        The last iterate, of the dtype of the start. With the reason ``"tolerance"`` it is the point whose gradient
        was found to be small.
    reason : {"iterations", "tolerance", "precision"}
        Why it ended: all gradients were taken; the gradient is small enough; or rounding left no lower value
        to be found.
    """

    w: Array
    reason: Reason


class Optimiser(Protocol):
    """What the functions of this module have in common.

    Parameters
    ----------
    value_and_gradient : callable
        ``value_and_gradient(w)`` returns the value at `w` and the gradient. It must neither change nor keep `w`.
    w0 : array_like
        Where to start; float32 stays float32. Not changed.
    rate : float or None
        Step length, above 0; None where a line search finds it. `default_rate` returns one.
    iterations : int
        Number of gradients taken at most, at least 0.
    tolerance : float, optional
        Stop once the largest component of the gradient, in size, is at most this many times that of the first
        gradient; with 0, never. A gradient that is an estimate is small by chance, so it says little there.
    callback : callable, optional
        ``callback(w)`` with each new iterate, in a buffer that is used again (copy it to keep it).

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


def gradient_descent(
    value_and_gradient: ValueAndGradient,
    w0: npt.ArrayLike,
    *,
    rate: float | None,
    iterations: int,
    tolerance: float = 0.0,
    callback: Callback | None = None,
) -> Minimised:
    """Minimise by steps of fixed rate along the negative gradient.

    Of a function that estimates the gradient from a batch, this is stochastic gradient descent.
    Parameters, result and errors are those of `Optimiser`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient_descent(lambda w: (float(w @ w) / 2, w), np.array([8.0]), rate=0.5, iterations=3)
    Minimised(w=array([1.]), reason='iterations')
    """
    x, iterations, small = _start(w0, iterations, tolerance)
    rate = check_number("rate", rate, 0, strict=True)
    step = np.empty_like(x)
    for iteration in range(iterations):
        value, gradient = value_and_gradient(x)
        _check_value(value, rate, iteration)
        if small(gradient):
            return Minimised(x, "tolerance")
        np.multiply(gradient, rate, out=step)
        x -= step
        if callback is not None:
            callback(x)
    return Minimised(_finite(x, rate, iterations), "iterations")


def nesterov(
    value_and_gradient: ValueAndGradient,
    w0: npt.ArrayLike,
    *,
    rate: float | None,
    iterations: int,
    tolerance: float = 0.0,
    callback: Callback | None = None,
) -> Minimised:
    """Minimise by Nesterov's accelerated gradient method with fixed rate.

    Iteration k takes the gradient at ``y = x + k/(k+3) * (x - x_before)``, a point beyond the iterate, and
    steps from there. Where the gradient at y is small enough, y is the last iterate.
    Parameters, result and errors are those of `Optimiser`.

    Examples
    --------
    >>> import numpy as np
    >>> w, _ = nesterov(lambda w: (float(w @ w) / 2, w), np.array([8.0]), rate=0.5, iterations=20)
    >>> bool(abs(w[0]) < 0.01)
    True
    """
    x, iterations, small = _start(w0, iterations, tolerance)
    rate = check_number("rate", rate, 0, strict=True)
    before, y = x.copy(), np.empty_like(x)
    for k in range(iterations):
        np.subtract(x, before, out=y)
        y *= k / (k + 3)
        y += x
        value, gradient = value_and_gradient(y)
        _check_value(value, rate, k)
        if small(gradient):
            if callback is not None:
                callback(y)
            return Minimised(y, "tolerance")
        before, x = x, before
        np.multiply(gradient, -rate, out=x)
        x += y
        if callback is not None:
            callback(x)
    return Minimised(_finite(x, rate, iterations), "iterations")


def adam(
    value_and_gradient: ValueAndGradient,
    w0: npt.ArrayLike,
    *,
    rate: float | None,
    iterations: int,
    tolerance: float = 0.0,
    callback: Callback | None = None,
    epsilon: float = 1e-8,
) -> Minimised:
    """Minimise by Adam (Kingma and Ba, arXiv 1412.6980): steps by the mean of the gradient over its size.

    Both are running means of each component, with the published constants 0.9 and 0.999, bias corrected; so no step
    of a component is much longer than `rate`. `epsilon` is what a component must exceed to count as more than noise:
    the published 1e-8 is meant for the gradient of a mean. Parameters, result and errors are those of `Optimiser`.

    Examples
    --------
    >>> import numpy as np
    >>> w, _ = adam(lambda w: (float(w @ w) / 2, w), np.array([8.0, -0.5]), rate=0.25, iterations=1)
    >>> w.round(6)
    array([ 7.75, -0.25])
    """
    x, iterations, small = _start(w0, iterations, tolerance)
    rate, epsilon = check_number("rate", rate, 0, strict=True), check_number("epsilon", epsilon, 0, strict=True)
    mean, square, step = np.zeros_like(x), np.zeros_like(x), np.empty_like(x)
    for iteration in range(iterations):
        value, gradient = value_and_gradient(x)
        _check_value(value, rate, iteration)
        if small(gradient):
            return Minimised(x, "tolerance")
        mean *= _BETA1
        np.multiply(gradient, 1 - _BETA1, out=step)
        mean += step
        square *= _BETA2
        np.multiply(gradient, gradient, out=step)
        step *= 1 - _BETA2
        square += step
        np.divide(square, 1 - _BETA2 ** (iteration + 1), out=step)
        np.sqrt(step, out=step)
        step += epsilon
        np.divide(mean, step, out=step)
        step *= rate / (1 - _BETA1 ** (iteration + 1))
        x -= step
        if callback is not None:
            callback(x)
    return Minimised(_finite(x, rate, iterations), "iterations")


class _Ended(Exception):
    """The search asks for a gradient that is not to be had."""

    def __init__(self, reason: Reason) -> None:
        self.reason: Reason = reason


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

    The search is SciPy's (L-BFGS-B without bounds) and works in float64, at about 45 vectors of float64 beside the
    gradient; the function is given points of the dtype of `w0`. Every gradient counts, those within a line search too:
    where they run out there, the iterate from which it set out is the last. Parameters, result and errors are those of
    `Optimiser`, but `rate` must be None, and a value or gradient that is not finite is an error at any point tried.

    Examples
    --------
    >>> import numpy as np
    >>> scales = np.array([1.0, 100.0])
    >>> w, reason = lbfgs(lambda w: (w @ (scales * w) / 2, scales * w), np.ones(2), iterations=50, tolerance=1e-8)
    >>> reason, bool(np.abs(w).max() < 1e-6)
    ('tolerance', True)
    """
    from scipy.optimize import minimize  # a fifth of a second, which every rank would pay

    start, iterations, _ = _start(w0, iterations, tolerance)
    if rate is not None:
        raise ValueError(f"rate must be None with lbfgs, whose line search finds the steps, got {rate!r}")
    if iterations == 0:
        return Minimised(start, "iterations")
    taken = 0
    last: tuple[Array, float, Array] | None = None

    def evaluate(x: npt.NDArray[np.float64]) -> tuple[float, Array]:
        nonlocal taken, last
        if last is not None and np.isnan(x).any() and _largest(last[2]) < 1:
            raise _Ended("precision")  # products of a tiny gradient have vanished; those of a huge one are an error
        point = _rounded(x, start.dtype)
        # Points that differ in float64 only are one point in float32.
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

    limit = tolerance * _largest(evaluate(start.astype(np.float64))[1])
    try:
        found = minimize(
            evaluate,
            start.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=accept,
            # Nothing but a small gradient, rounding, or `evaluate` ends it.
            options={"maxcor": _MEMORY, "ftol": 0.0, "gtol": limit, "maxiter": sys.maxsize, "maxfun": sys.maxsize},
        )
    except _Ended as end:
        return Minimised(w, end.reason)
    return Minimised(w, "tolerance" if tolerance and _largest(found.jac) <= limit else "precision")


OPTIMISERS: dict[str, Optimiser] = {
    "nesterov": nesterov,
    "gd": gradient_descent,
    "lbfgs": lbfgs,
    "sgd": gradient_descent,
    "adam": adam,
}
"""The optimisers by the names under which a user asks for them."""

STOCHASTIC = frozenset({"sgd", "adam"})
"""Those that may be given estimates of the gradient, from batches."""


def optimiser_of(name: str, n_rows: int) -> Optimiser:
    """Return an optimiser as it suits a sum over `n_rows` rows: Adam's epsilon is that of a mean, times the rows.

    Without it Adam would take the rounding of a large sum for a gradient, in components where there is none.

    Parameters
    ----------
    name : str
        One of `OPTIMISERS`.
    n_rows : int
        Number of rows, at least 1.

    Examples
    --------
    >>> optimiser_of("gd", 1000) is gradient_descent
    True
    """
    if name not in OPTIMISERS:
        raise ValueError(f"name must be one of {', '.join(map(repr, OPTIMISERS))}, got {name!r}")
    n_rows = check_int("n_rows", n_rows, 1)
    return partial(adam, epsilon=1e-8 * n_rows) if name == "adam" else OPTIMISERS[name]


def default_rate(name: str, smoothness: float) -> float | None:
    """Return the rate of an optimiser for which none is asked.

    Parameters
    ----------
    name : str
        Of the optimiser, one of `OPTIMISERS`.
    smoothness : float
        Lipschitz constant of the gradient, regularisation included, above 0.

    Returns
    -------
    float or None
        ``1 / smoothness`` (of all rows, for "sgd" too: least squares on small batches of rows that have little in
        common may need a smaller one); 0.001 for Adam, whose steps do not depend on the scale of the gradient; None for
        L-BFGS, whose line search finds them.

    Examples
    --------
    >>> default_rate("nesterov", 8.0), default_rate("adam", 8.0), default_rate("lbfgs", 8.0)
    (0.125, 0.001, None)
    """
    if name not in OPTIMISERS:
        raise ValueError(f"name must be one of {', '.join(map(repr, OPTIMISERS))}, got {name!r}")
    smoothness = check_number("smoothness", smoothness, 0, strict=True)
    match name:
        case "lbfgs":
            return None
        case "adam":
            return 1e-3
        case _:
            return 1 / smoothness


def _start(w0: npt.ArrayLike, iterations: int, tolerance: float) -> tuple[Array, int, Callable[[Array], bool]]:
    """Return a copy of `w0`, the iterations, and the test for a small gradient, which begins with the first one."""
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
        largest = _largest(gradient)
        if limit is None:
            limit = tolerance * largest
        return largest <= limit

    return x, check_int("iterations", iterations, 0), small


def _largest(gradient: Array) -> float:
    """Return the largest component in size; NaN where one is NaN."""
    return max(float(gradient.max(initial=0)), -float(gradient.min(initial=0)))


def _rounded(x: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):  # an infinite parameter shows in the value
        return x.astype(dtype)


def _check_value(value: float, rate: float, iteration: int) -> None:
    if not math.isfinite(value):
        raise GradCodeError(
            f"the loss must stay finite, got {value} in iteration {iteration}: the rate, {rate:g}, is too large"
        )


def _check_search(value: float, gradient: Array, taken: int) -> None:
    if not (math.isfinite(value) and math.isfinite(_largest(gradient))):
        raise GradCodeError(
            f"the loss and its gradient must stay finite, got {value} and a largest component of {_largest(gradient)} "
            f"in iteration {taken} of the line search"
        )


def _finite(x: Array, rate: float, iterations: int) -> Array:
    """Return `x`; after the last update no value is taken that would show it."""
    if not np.isfinite(x).all():
        raise GradCodeError(
            f"the parameters must stay finite, but are not after iteration {iterations - 1}: "
            f"the rate, {rate:g}, is too large"
        )
    return x

"""First-order methods, whose steps follow from gradients alone: gradient descent, Nesterov's method and Adam."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_number
from gradcode.linear.iteration import (
    Callback,
    Minimised,
    ValueAndGradient,
    check_parameters,
    check_value,
    checked_start,
)

__all__ = ["adam", "gradient_descent", "nesterov"]

_BETA1, _BETA2 = 0.9, 0.999  # decay of Adam's running means, of the gradient and of its square


def gradient_descent(
    value_and_gradient: ValueAndGradient,
    w0: npt.ArrayLike,
    *,
    rate: float | None,
    iterations: int,
    tolerance: float = 0.0,
    callback: Callback | None = None,
) -> Minimised:
    """Minimise by gradient descent with a fixed rate.

    With gradients estimated from batches, this is stochastic gradient descent.
    Parameters, result and errors are those of `Optimiser`.

    Examples
    --------
    >>> import numpy as np
    >>> gradient_descent(lambda w: (float(w @ w) / 2, w), np.array([8.0]), rate=0.5, iterations=3)
    Minimised(w=array([1.]), reason='iterations')
    """
    x, iterations, small = checked_start(w0, iterations, tolerance)
    rate = check_number("rate", rate, 0, strict=True)
    step = np.empty_like(x)
    for iteration in range(iterations):
        value, gradient = value_and_gradient(x)
        check_value(value, rate, iteration)
        if small(gradient):
            return Minimised(x, "tolerance")
        np.multiply(gradient, rate, out=step)
        x -= step
        if callback is not None:
            callback(x)
    return Minimised(check_parameters(x, rate, iterations), "iterations")


def nesterov(
    value_and_gradient: ValueAndGradient,
    w0: npt.ArrayLike,
    *,
    rate: float | None,
    iterations: int,
    tolerance: float = 0.0,
    callback: Callback | None = None,
) -> Minimised:
    """Minimise by Nesterov's accelerated gradient method with a fixed rate.

    Iteration k takes the gradient at ``y = x + k/(k+3) * (x - x_before)``, a point beyond the iterate x, and steps
    from y. If the gradient at y is small enough, y is the last iterate.
    Parameters, result and errors are those of `Optimiser`.

    Examples
    --------
    >>> import numpy as np
    >>> w, _ = nesterov(lambda w: (float(w @ w) / 2, w), np.array([8.0]), rate=0.5, iterations=20)
    >>> bool(abs(w[0]) < 0.01)
    True
    """
    x, iterations, small = checked_start(w0, iterations, tolerance)
    rate = check_number("rate", rate, 0, strict=True)
    before, y = x.copy(), np.empty_like(x)
    for k in range(iterations):
        np.subtract(x, before, out=y)
        y *= k / (k + 3)
        y += x
        value, gradient = value_and_gradient(y)
        check_value(value, rate, k)
        if small(gradient):
            if callback is not None:
                callback(y)
            return Minimised(y, "tolerance")
        before, x = x, before
        np.multiply(gradient, -rate, out=x)
        x += y
        if callback is not None:
            callback(x)
    return Minimised(check_parameters(x, rate, iterations), "iterations")


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
    """Minimise by Adam (Kingma and Ba, arXiv 1412.6980).

    Each component moves by the running mean of its gradients, divided by the root of the running mean of their
    squares. Both means are bias corrected and decay by the published 0.9 and 0.999. No component moves much further
    than `rate` in one step. Components much smaller than `epsilon` count as noise; the published 1e-8 is meant for
    the gradient of a mean over the rows. Parameters, result and errors are those of `Optimiser`.

    Examples
    --------
    >>> import numpy as np
    >>> w, _ = adam(lambda w: (float(w @ w) / 2, w), np.array([8.0, -0.5]), rate=0.25, iterations=1)
    >>> w.round(6)
    array([ 7.75, -0.25])
    """
    x, iterations, small = checked_start(w0, iterations, tolerance)
    rate, epsilon = check_number("rate", rate, 0, strict=True), check_number("epsilon", epsilon, 0, strict=True)
    mean, square, step = np.zeros_like(x), np.zeros_like(x), np.empty_like(x)
    for iteration in range(iterations):
        value, gradient = value_and_gradient(x)
        check_value(value, rate, iteration)
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
    return Minimised(check_parameters(x, rate, iterations), "iterations")

"""The optimisers by name, with the step length that each takes by default."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from gradcode._validate import check_int, check_number
from gradcode.linear.first_order import adam, gradient_descent, nesterov
from gradcode.linear.iteration import Optimiser
from gradcode.linear.lbfgs import lbfgs

__all__ = ["OPTIMISERS", "NamedOptimiser", "default_rate", "optimiser_of"]


class NamedOptimiser(NamedTuple):
    """An optimiser under the name by which a user asks for it.

    Attributes
    ----------
    minimise : Optimiser
        The function.
    rate : callable or None
        ``rate(smoothness)`` is the step length where the user gives none; None where a line search finds it.
    stochastic : bool
        Whether it takes estimates of the gradient, from batches.
    of_sum : callable, optional
        ``of_sum(n_rows)`` is the function adapted to a sum over so many rows, where it depends on them.
    """

    minimise: Optimiser
    rate: Callable[[float], float] | None
    stochastic: bool = False
    of_sum: Callable[[int], Optimiser] | None = None


def _one_over(smoothness: float) -> float:
    return 1 / smoothness


OPTIMISERS: dict[str, NamedOptimiser] = {
    "nesterov": NamedOptimiser(nesterov, _one_over),
    "gd": NamedOptimiser(gradient_descent, _one_over),
    "lbfgs": NamedOptimiser(lbfgs, None),
    "sgd": NamedOptimiser(gradient_descent, _one_over, stochastic=True),
    "adam": NamedOptimiser(
        adam,
        lambda smoothness: 1e-3,  # its steps do not depend on the scale of the gradient
        stochastic=True,
        # Its epsilon is meant for the gradient of a mean. In a sum over many rows, rounding alone exceeds it.
        of_sum=lambda n_rows: partial(adam, epsilon=1e-8 * n_rows),
    ),
}
"""All optimisers, by name."""


def optimiser_of(name: str, n_rows: int) -> Optimiser:
    """Return an optimiser for a sum over `n_rows` rows.

    Parameters
    ----------
    name : str
        One of `OPTIMISERS`.
    n_rows : int
        Number of rows, at least 1.

    Returns
    -------
    Optimiser
        The function. Adam gets an epsilon of 1e-8 times the rows; otherwise it would take the rounding error of
        a large sum for a gradient.

    Raises
    ------
    ValueError
        If there is no optimiser of this name.

    Examples
    --------
    >>> optimiser_of("gd", 1000) is gradient_descent
    True
    """
    optimiser = _named(name)
    n_rows = check_int("n_rows", n_rows, 1)
    return optimiser.minimise if optimiser.of_sum is None else optimiser.of_sum(n_rows)


def default_rate(name: str, smoothness: float) -> float | None:
    """Return the step length that an optimiser takes if the user gives none.

    Parameters
    ----------
    name : str
        One of `OPTIMISERS`.
    smoothness : float
        Lipschitz constant of the gradient, regularisation included, above 0.

    Returns
    -------
    float or None
        ``1 / smoothness``; 0.001 for Adam; None for L-BFGS, whose line search finds it. The smoothness is that of
        all rows. With "sgd" and small batches of rows that have little in common, least squares may need a smaller
        rate.

    Raises
    ------
    ValueError
        If there is no optimiser of this name, or the smoothness is not a finite number above 0.

    Examples
    --------
    >>> default_rate("nesterov", 8.0), default_rate("adam", 8.0), default_rate("lbfgs", 8.0)
    (0.125, 0.001, None)
    """
    optimiser = _named(name)
    smoothness = check_number("smoothness", smoothness, 0, strict=True)
    return None if optimiser.rate is None else optimiser.rate(smoothness)


def _named(name: str) -> NamedOptimiser:
    if name not in OPTIMISERS:
        raise ValueError(f"name must be one of {', '.join(map(repr, OPTIMISERS))}, got {name!r}")
    return OPTIMISERS[name]

"""Estimates of the sum from too few messages: least squares, and by how much it may be wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode.schemes.layout import Layout
from gradcode.schemes.systems import Solution, System

__all__ = ["Estimate", "approximate"]


class Estimate(NamedTuple):
    """An approximation of the sum of all gradients.

    Attributes
    ----------
    gradient : ndarray, shape (gradient_size,)
        The approximation.
    error_factor : float
        The smallest number f such that ``|gradient − sum| <= f · sqrt(Σ_j |g_j|²)`` for all gradients g_j of the
        subsets, in Euclidean norms; 0 if the sum is exact. Rounding is not included.
    """

    gradient: npt.NDArray[Any]
    error_factor: float


def approximate(
    scheme: Layout, system: System, answered: Sequence[int], solution: Solution
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Find the weights that come closest to the sum over one system, and the part of the sum that they miss.

    Parameters
    ----------
    scheme : Layout
        The scheme.
    system : System
        One of its systems.
    answered : sequence of int
        The workers of the system that have answered.
    solution : Solution
        The solution for them.

    Returns
    -------
    weights : ndarray, shape (m, len(answered))
        Those of `solution`, if the system can be decoded. Otherwise those of least squares, which make the residual
        W·C − [I … I] smallest, where C has the survivors' coefficients.
    residual : ndarray, shape (m, subsets of the system times m)
        The residual; shape (m, 0) if the sum is exact.
    """
    parts, weights = scheme.communication, solution.weights
    decodable = math.isfinite(solution.condition)
    if decodable and system.exact:
        return weights, np.empty((parts, 0))
    place: dict[int, int] = {}
    for worker in system.workers:
        for subset in scheme.subsets(worker):
            place.setdefault(subset.index, len(place))
    coefficients = np.zeros((len(answered), len(place), parts))
    for row, worker in zip(coefficients, answered, strict=True):
        for subset, block in zip(scheme.subsets(worker), scheme.coefficients(worker), strict=True):
            row[place[subset.index]] = block
    matrix = coefficients.reshape(len(answered), len(place) * parts)
    wanted = np.tile(np.eye(parts), len(place))
    if not decodable:
        weights = np.ascontiguousarray(np.linalg.lstsq(matrix.T, wanted.T, rcond=None)[0].T)
    return weights, weights @ matrix - wanted

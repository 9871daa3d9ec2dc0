"""The sum as far as too few messages tell it: least squares, and by how much it may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gradcode.schemes.base import GradientCode

__all__ = ["Estimate", "least_squares"]


class Estimate(NamedTuple):
    """An approximation of the sum of all gradients.

    Attributes
    ----------
    gradient : ndarray, shape (gradient_size,)
        The approximation.
    error_factor : float
        The smallest number f with ``|gradient − sum| <= f · sqrt(Σ_j |g_j|²)``, Euclidean norms, for whatever gradients
        g_j of the subsets; 0 where the sum is exact. Rounding comes on top.
    """

    gradient: npt.NDArray[Any]
    error_factor: float


def least_squares(
    scheme: GradientCode,
    system_workers: Sequence[int],
    answered: Sequence[int],
    weights: npt.NDArray[np.float64] | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weights that come closest to the sum over one system, and what they leave out.

    Parameters
    ----------
    scheme : GradientCode
        The scheme.
    system_workers, answered : sequence of int
        The workers of the system, and those whose messages are at hand.
    weights : ndarray, shape (m, len(answered)), optional
        Weights to take instead, whose residual is wanted.

    Returns
    -------
    weights : ndarray, shape (m, len(answered))
        Those of least squares: of all W they make the residual W·C − [I … I] smallest, C being the survivors'
        coefficients.
    residual : ndarray, shape (m, subsets of the system times m)
        What is left of it.
    """
    parts = scheme.communication
    place: dict[int, int] = {}
    for worker in system_workers:
        for subset in scheme.subsets(worker):
            place.setdefault(subset.index, len(place))
    coefficients = np.zeros((len(answered), len(place), parts))
    for row, worker in zip(coefficients, answered, strict=True):
        for subset, block in zip(scheme.subsets(worker), scheme.coefficients(worker), strict=True):
            row[place[subset.index]] = block
    matrix = coefficients.reshape(len(answered), len(place) * parts)
    wanted = np.tile(np.eye(parts), len(place))
    if weights is None:
        weights = np.ascontiguousarray(np.linalg.lstsq(matrix.T, wanted.T, rcond=None)[0].T)
    return weights, weights @ matrix - wanted

"""The logistic loss of a share of the rows, and what the master adds to the sum of all shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.special import expit

from gradcode._validate import check_number
from gradcode.errors import MissingExtra

__all__ = ["auc", "loss_and_gradient", "regularised"]


def loss_and_gradient(w: npt.ArrayLike, X: sp.csr_array, y: npt.NDArray[Any]) -> tuple[float, npt.NDArray[Any]]:
    """Return the logistic loss, summed over the rows, and its gradient.

    The loss is the sum of ``log(1 + exp(-y * (X @ w)))``. Sums over disjoint shares of the rows add up to
    the sum over all rows, which is what gradient coding needs; hence no mean and no regularisation here.

    Parameters
    ----------
    w : array_like
        Parameters, one per column of `X`; cast to the dtype of `X`.
    X : scipy.sparse.csr_array
        Rows; none of them gives zero and zeros.
    y : numpy.ndarray
        Labels, -1 or +1, one per row.

    Returns
    -------
    loss : float
        Accumulated in float64.
    gradient : numpy.ndarray
        Of the dtype of `X`.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> loss, gradient = loss_and_gradient([0.0, 0.0], sp.csr_array([[1.0, 2.0]]), np.array([1.0]))
    >>> round(loss, 4), gradient
    (0.6931, array([-0.5, -1. ]))
    """
    # One type throughout: a mixed product would convert all of X in every call.
    w, y = np.asarray(w, dtype=X.dtype), np.asarray(y, dtype=X.dtype)
    _check_shapes(w, X, y)
    margins = X @ w
    margins *= -y
    loss = np.logaddexp(0, margins).sum(dtype=np.float64)
    pull = expit(margins)
    pull *= -y
    return float(loss), X.T @ pull


def regularised(
    value: float, gradient: npt.NDArray[Any], w: npt.NDArray[Any], regularisation: float
) -> tuple[float, npt.NDArray[Any]]:
    """Return value and gradient with the L2 term added, which happens once, at the master.

    Parameters
    ----------
    value : float
        Loss, summed over all rows.
    gradient : numpy.ndarray
        Its gradient; left as it is.
    w : numpy.ndarray
        Parameters at which both were taken.
    regularisation : float
        λ of the term λ/2·‖w‖², at least 0.

    Returns
    -------
    value : float
        ``value + regularisation / 2 * (w @ w)``.
    gradient : numpy.ndarray
        ``gradient + regularisation * w``, a new array.

    Examples
    --------
    >>> import numpy as np
    >>> regularised(1.0, np.array([0.0, 1.0]), np.array([2.0, 0.0]), 0.5)
    (2.0, array([1., 1.]))
    """
    regularisation = check_number("regularisation", regularisation, 0)
    if gradient.shape != w.shape:
        raise ValueError(f"gradient must have the shape of w, {w.shape}, got {gradient.shape}")
    total = regularisation * w
    total += gradient
    with np.errstate(over="ignore"):  # an infinite value is the optimiser's to report
        return float(value) + regularisation / 2 * float(w @ w), total


def auc(w: npt.ArrayLike, X: sp.csr_array, y: npt.NDArray[Any]) -> float:
    """Return the area under the ROC curve of the scores ``X @ w``.

    Parameters
    ----------
    w : array_like
        Parameters.
    X : scipy.sparse.csr_array
        Test rows.
    y : numpy.ndarray
        Their labels, -1 or +1; both must occur.

    Returns
    -------
    float
        1 for a perfect ranking, 0.5 for chance.

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> auc([1.0], sp.csr_array([[1.0], [2.0], [3.0]]), np.array([-1.0, 1.0, 1.0]))
    1.0
    """
    w, y = np.asarray(w, dtype=X.dtype), np.asarray(y)
    _check_shapes(w, X, y)
    if not ((y == 1).any() and (y == -1).any()):
        raise ValueError(f"y must hold both labels, -1 and +1, got {np.unique(y).tolist()}")
    if not np.isfinite(w).all():
        raise ValueError(f"w must be finite, got {w[~np.isfinite(w)][0]}")
    try:
        from sklearn.metrics import roc_auc_score
    except ImportError as error:
        raise MissingExtra("the test AUC needs scikit-learn", "train") from error
    return float(roc_auc_score(y, X @ w))


def _check_shapes(w: npt.NDArray[Any], X: sp.csr_array, y: npt.NDArray[Any]) -> None:
    if w.shape != (X.shape[1],):
        raise ValueError(f"w must have one element per column of X, {X.shape[1]}, got shape {w.shape}")
    if y.shape != (X.shape[0],):
        raise ValueError(f"y must have one label per row of X, {X.shape[0]}, got shape {y.shape}")

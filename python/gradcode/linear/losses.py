"""The losses of linear models: their values, gradients and test scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.special import expit

from gradcode._validate import check_dtype, check_int, check_number
from gradcode.errors import MissingExtra
from gradcode.linear.objective import sum_of_squares
from gradcode.linear.targets import Target, labels_fit

__all__ = ["LOSSES", "Loss"]

Array: TypeAlias = npt.NDArray[Any]
Rows: TypeAlias = "sp.csr_array | Array"
Scores: TypeAlias = dict[str, float | None]


@dataclass(frozen=True)
class Loss:
    """A loss of linear models, summed over rows. `LOSSES` has them all.

    There is no mean and no regularisation here: gradient coding needs sums over disjoint shares of the rows that add
    up to the sum over all rows.

    Attributes
    ----------
    formula : str
        The sum, as text for reports.
    target : {"binary", "number", "classes"}
        The kind of labels: -1 and +1; finite numbers; or the classes 0, 1, ..., K-1.
    curvature : float
        Upper bound of the second derivative with respect to the scores ``X @ w`` of a row.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> loss, gradient = LOSSES["logistic"].value_and_gradient([0.0, 0.0], sp.csr_array([[1.0, 2.0]]), np.array([1.0]))
    >>> round(loss, 4), gradient
    (0.6931, array([-0.5, -1. ]))

    With three classes and two features, W has shape (2, 3):

    >>> loss, gradient = LOSSES["multinomial"].value_and_gradient(np.zeros(6), np.array([[1.0, 2.0]]), np.array([2.0]))
    >>> round(loss, 4), gradient.reshape(2, 3).round(2)
    (1.0986, array([[ 0.33,  0.33, -0.67],
           [ 0.67,  0.67, -1.33]]))
    """

    formula: str
    target: Target
    curvature: float
    _value_and_gradient: Callable[[Array, Rows, Array], tuple[float, Array]] = field(repr=False)
    _scores: Callable[[Array, Array], Scores] = field(repr=False)

    def n_parameters(self, n_features: int, n_classes: int) -> int:
        """Return the number of parameters, which is also the size of a gradient.

        Parameters
        ----------
        n_features : int
            Columns of the rows, at least 1.
        n_classes : int
            K, at least 2 if `target` is ``"classes"``; ignored otherwise.

        Returns
        -------
        int
            ``n_features * n_classes`` for classes, and otherwise `n_features`.

        Examples
        --------
        >>> LOSSES["multinomial"].n_parameters(2145, 10), LOSSES["squared"].n_parameters(11, 0)
        (21450, 11)
        """
        n_features = check_int("n_features", n_features, 1)
        return n_features * check_int("n_classes", n_classes, 2) if self.target == "classes" else n_features

    def smoothness(self, spectral_norm_squared: float) -> float:
        """Return a Lipschitz constant L of the gradient; the rate 1/L is safe for gradient descent.

        Parameters
        ----------
        spectral_norm_squared : float
            Square of the largest singular value of the matrix of all rows, at least 0.

        Examples
        --------
        >>> [loss.smoothness(8.0) for loss in LOSSES.values()]
        [2.0, 4.0, 8.0]
        """
        return self.curvature * check_number("spectral_norm_squared", spectral_norm_squared, 0)

    def value_and_gradient(self, w: npt.ArrayLike, X: Rows, y: npt.ArrayLike) -> tuple[float, Array]:
        """Return the loss, summed over the rows, and its gradient.

        Parameters
        ----------
        w : array_like, shape (n_parameters,)
            Parameters, cast to the dtype of `X`. For classes the matrix W of shape (n_features, K) in C order,
            flattened; K follows from its size.
        X : scipy.sparse.csr_array or ndarray, shape (n_rows, n_features)
            Rows, float32 or float64. No rows give zero and zeros.
        y : array_like, shape (n_rows,)
            Labels as `target` says, cast to the dtype of `X`.

        Returns
        -------
        loss : float
            Accumulated in float64.
        gradient : ndarray, shape (n_parameters,)
            Of the dtype of `X`.

        Raises
        ------
        ValueError
            If the shapes do not fit, or a label is not one that this loss takes.
        """
        return self._value_and_gradient(*_checked(w, X, y, self.target))

    def scores(self, w: npt.ArrayLike, X: Rows, y: npt.ArrayLike) -> Scores:
        """Return test scores, the most informative one first.

        Parameters
        ----------
        w, X, y
            As for `value_and_gradient`; `w` must be finite.

        Returns
        -------
        dict of str to float or None
            ``auc`` (area under the ROC curve) and ``accuracy`` for binary labels, ``accuracy`` for classes,
            ``r2`` and ``rmse`` (in the units of the labels) for numbers. None if a score is undefined:
            all of them without rows, ``auc`` if one class is missing, ``r2`` if all labels are equal.

        Raises
        ------
        MissingExtra
            If scikit-learn is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> LOSSES["logistic"].scores([1.0], np.array([[-2.0], [1.0], [3.0]]), np.array([-1.0, 1.0, -1.0]))
        {'auc': 0.5, 'accuracy': 0.6666666666666666}
        """
        w, X, y = _checked(w, X, y, self.target)
        if not np.isfinite(w).all():
            raise ValueError(f"w must be finite, got {w[~np.isfinite(w)][0]}")
        return self._scores(X @ (_matrix(w, X) if self.target == "classes" else w), y)


def _logistic(w: Array, X: Rows, y: Array) -> tuple[float, Array]:
    margins = X @ w
    margins *= -y
    loss = np.logaddexp(0, margins).sum(dtype=np.float64)
    pull = expit(margins)
    pull *= -y
    return float(loss), X.T @ pull


def _squared(w: Array, X: Rows, y: Array) -> tuple[float, Array]:
    residual = X @ w
    residual -= y
    return 0.5 * sum_of_squares(residual), X.T @ residual


def _multinomial(w: Array, X: Rows, y: Array) -> tuple[float, Array]:
    scores = X @ _matrix(w, X)  # overwritten below, to save memory
    rows, labels = np.arange(len(y)), y.astype(np.intp)
    best = scores.argmax(axis=1)
    scores -= scores[rows, best][:, np.newaxis]
    loss = -scores[rows, labels].sum(dtype=np.float64)
    np.exp(scores, out=scores)
    # Leave the largest term, 1, out of the sum: log1p adds it without rounding the others away.
    scores[rows, best] = 0
    others = scores.sum(axis=1)
    loss += np.log1p(others).sum(dtype=np.float64)
    scores[rows, best] = 1
    others += 1
    scores /= others[:, np.newaxis]
    scores[rows, labels] -= 1
    return float(loss), np.ravel(X.T @ scores)


def _binary_scores(predictions: Array, y: Array) -> Scores:
    metrics = _metrics()
    auc = float(metrics.roc_auc_score(y, predictions)) if len(np.unique(y)) == 2 else None
    return {"auc": auc, "accuracy": _accuracy(y, np.where(predictions > 0, 1.0, -1.0))}


def _class_scores(predictions: Array, y: Array) -> Scores:
    return {"accuracy": _accuracy(y, predictions.argmax(axis=1))}


def _number_scores(predictions: Array, y: Array) -> Scores:
    metrics = _metrics()
    exact = y.astype(np.float64), predictions.astype(np.float64)
    return {
        "r2": float(metrics.r2_score(*exact)) if len(np.unique(y)) > 1 else None,
        "rmse": float(np.sqrt(metrics.mean_squared_error(*exact))) if len(y) else None,
    }


def _accuracy(y: Array, guess: Array) -> float | None:
    return float(_metrics().accuracy_score(y, guess)) if len(y) else None


def _metrics() -> Any:
    try:
        import sklearn.metrics
    except ImportError as error:
        raise MissingExtra("test scores need scikit-learn", "train") from error
    return sklearn.metrics


def _matrix(w: Array, X: Rows) -> Array:
    return w.reshape(X.shape[1], -1)


def _checked(w: npt.ArrayLike, X: Rows, y: npt.ArrayLike, target: Target) -> tuple[Array, Rows, Array]:
    if not (isinstance(X, np.ndarray) or sp.issparse(X)):
        raise TypeError(f"X must be a NumPy array or a SciPy sparse array, got {type(X).__name__}")
    check_dtype("X.dtype", X.dtype)
    if X.ndim != 2:
        raise ValueError(f"X must be two-dimensional, got shape {X.shape}")
    # Use one type throughout: a product of mixed types would convert all of X in every call.
    w, y = np.asarray(w, dtype=X.dtype), np.asarray(y, dtype=X.dtype)
    n_rows, n_features = X.shape
    n_classes = 1
    if target == "classes":
        n_classes = w.size // n_features if n_features else 0
        if n_classes < 2 or w.shape != (n_features * n_classes,):
            raise ValueError(
                f"w must have K elements per column of X, {n_features}, with K of at least 2, got shape {w.shape}"
            )
    elif w.shape != (n_features,):
        raise ValueError(f"w must have one element per column of X, {n_features}, got shape {w.shape}")
    if y.shape != (n_rows,):
        raise ValueError(f"y must have one label per row of X, {n_rows}, got shape {y.shape}")
    _check_labels(y, target, n_classes)
    return w, X, y


def _check_labels(y: Array, target: Target, n_classes: int) -> None:
    fit = labels_fit(y, target, n_classes)
    if fit.all():
        return
    match target:
        case "binary":
            rule = "-1 or +1"
        case "classes":
            rule = f"classes in 0..{n_classes - 1}"
        case _:
            rule = "finite numbers"
    raise ValueError(f"y must be {rule}, got {y[~fit][0]:g}")


LOSSES: dict[str, Loss] = {
    "logistic": Loss(
        formula="sum over rows of log(1 + exp(-y x.w))",
        target="binary",
        curvature=1 / 4,
        _value_and_gradient=_logistic,
        _scores=_binary_scores,
    ),
    "multinomial": Loss(
        formula="sum over rows of log(sum over k of exp(x.w_k)) - x.w_y",
        target="classes",
        curvature=1 / 2,
        _value_and_gradient=_multinomial,
        _scores=_class_scores,
    ),
    "squared": Loss(
        formula="sum over rows of (x.w - y)^2 / 2",
        target="number",
        curvature=1.0,
        _value_and_gradient=_squared,
        _scores=_number_scores,
    ),
}
"""All losses, by name."""

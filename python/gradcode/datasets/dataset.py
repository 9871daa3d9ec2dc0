"""The training and test rows of one problem, with their labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_args

import numpy.typing as npt
import scipy.sparse as sp

from gradcode._validate import check_dtype
from gradcode.linear.targets import Target, classes_fit, label_rule, labels_fit

__all__ = ["Dataset"]

_PARTS = ("train", "test")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test rows of one problem.

    Parameters
    ----------
    name : str
        Name of the data in reports.
    train_X : scipy.sparse.csr_array
        Training rows, one per sample, float32 or float64.
    train_y : numpy.ndarray
        Their labels, of the dtype of the rows: -1 or +1 (binary), 0..K-1 (classes), or finite numbers.
    test_X : scipy.sparse.csr_array
        Test rows.
    test_y : numpy.ndarray
        Their labels.
    classes : tuple of str, optional
        The original labels that became -1 and +1, or 0, 1, ..., in this order; empty for numbers.
    target : {"binary", "classes", "number"}, optional
        The kind of labels.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> X, y = sp.csr_array(np.eye(2)), np.array([-1.0, 1.0])
    >>> Dataset("two", X, y, X, y, ("no", "yes"))
    Dataset(name='two', classes=('no', 'yes'), target='binary')
    """

    name: str
    train_X: sp.csr_array = field(repr=False)
    train_y: npt.NDArray[Any] = field(repr=False)
    test_X: sp.csr_array = field(repr=False)
    test_y: npt.NDArray[Any] = field(repr=False)
    classes: tuple[str, ...] = ()
    target: Target = "binary"

    def __post_init__(self) -> None:
        """Check all parts, and that they fit each other."""
        if self.target not in get_args(Target):
            raise ValueError(f"target must be one of {', '.join(get_args(Target))}, got {self.target!r}")
        if not classes_fit(len(self.classes), self.target):
            rule = {"binary": "two labels", "classes": "two labels or more", "number": "empty"}[self.target]
            raise ValueError(f"classes must be {rule} with target {self.target}, got {self.classes!r}")
        for part in _PARTS:
            X, y = getattr(self, f"{part}_X"), getattr(self, f"{part}_y")
            if not (sp.issparse(X) and X.format == "csr"):
                raise TypeError(f"{part}_X must be a sparse CSR array, got {type(X).__name__}")
            check_dtype(f"{part}_X.dtype", X.dtype)
            if y.shape != (X.shape[0],) or y.dtype != X.dtype:
                raise ValueError(f"{part}_y must be {X.shape[0]} labels of {X.dtype}, got shape {y.shape} of {y.dtype}")
            fit = labels_fit(y, self.target, len(self.classes))
            if not fit.all():
                raise ValueError(f"{part}_y must be {label_rule(self.target, len(self.classes))}, got {y[~fit][0]}")
        if self.test_X.shape[1] != self.n_features or self.test_X.dtype != self.train_X.dtype:
            raise ValueError(
                f"test_X must have the {self.n_features} columns of {self.train_X.dtype} that train_X has, "
                f"got {self.test_X.shape[1]} of {self.test_X.dtype}"
            )

    @property
    def n_features(self) -> int:
        """Number of columns, the constant one included."""
        return int(self.train_X.shape[1])

"""The split into training and test rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gradcode.datasets.dataset import Dataset
from gradcode.datasets.labels import Labels
from gradcode.datasets.source import Source
from gradcode.errors import DataError

__all__ = ["divided", "partition"]

Indices = npt.NDArray[np.intp]


def partition(labels: Labels, source: Source, n_train: int | None = None) -> tuple[Indices, Indices]:
    """Return which rows are for training, and which for testing.

    Without a test file this is scikit-learn's ``train_test_split`` with the share and the seed of the source. It is
    stratified if the source says so and the target is not a number.

    Parameters
    ----------
    labels : Labels
        The labels of all rows.
    source : Source
        Gives the share, the seed, and the file name for messages.
    n_train : int, optional
        Number of rows of the training file, which come first; None without a test file.

    Returns
    -------
    tuple of numpy.ndarray
        Indices of the training rows and of the test rows.

    Raises
    ------
    DataError
        If there are too few rows, or a part would lack a class that it needs.

    Examples
    --------
    >>> train, test = partition(Labels(np.arange(10.0), ()), Source(target="number"))
    >>> len(train), len(test)
    (8, 2)
    """
    n_rows, share = len(labels.y), source.test_share
    if n_train is not None:
        return np.arange(n_train), np.arange(n_train, n_rows)
    where = source.path or source.name
    if math.ceil(share * n_rows) >= n_rows:
        raise DataError(f"{where}: must hold rows for both parts of a split with test_share={share:g}, got {n_rows}")
    stratify = source.stratify and source.target != "number"
    if stratify:
        enough = math.ceil(1 / min(share, 1 - share))
        for name, count in zip(labels.classes, np.unique(labels.y, return_counts=True)[1], strict=True):
            if count < enough:
                raise DataError(
                    f"{where}: must hold at least {enough} rows of each class to be split with test_share={share:g}, "
                    f"got {count} of class {name}"
                )
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(
        np.arange(n_rows), test_size=share, random_state=source.seed, stratify=labels.y if stratify else None
    )
    # A loss needs every class among the training rows. Scores of two classes need both among the test rows.
    for part, rows, needs in (("training", train, True), ("test", test, source.target == "binary")):
        there = np.unique(labels.y[rows])
        if needs and len(there) < len(labels.classes):
            missing = labels.classes[int(np.isin(np.unique(labels.y), there).argmin())]
            raise DataError(
                f"{where}: the split with test_share={share:g} and seed={source.seed} leaves no row of class {missing} "
                f"in the {part} part; there must be more of them, or a test file"
            )
    return train, test


def divided(X: Any, labels: Labels, source: Source, train: Indices, test: Indices) -> Dataset:
    """Return the training and test rows as a `Dataset`.

    Parameters
    ----------
    X : sparse array
        All rows.
    labels : Labels
        Their labels.
    source : Source
        Gives the name, the target and the dtype.
    train, test : numpy.ndarray of int
        As returned by `partition`.

    Returns
    -------
    Dataset
        Copies of the rows, in the order of the indices.

    Examples
    --------
    >>> labels = Labels(np.array([-1.0, 1.0]), ("no", "yes"))
    >>> divided(sp.csr_array(np.eye(2)), labels, Source(), np.array([1]), np.array([0])).train_X.toarray()
    array([[0., 1.]])
    """
    X, y = sp.csr_array(X, dtype=source.dtype), labels.y.astype(source.dtype)
    return Dataset(source.name, X[train], y[train], X[test], y[test], labels.classes, source.target)

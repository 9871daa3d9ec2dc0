"""Training data: from what a `Source` names to a `Dataset`."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from gradcode.datasets.dataset import Dataset
from gradcode.datasets.labels import Labels, class_labels
from gradcode.datasets.source import Source
from gradcode.datasets.split import divided, partition
from gradcode.datasets.svmlight import read_svmlight
from gradcode.datasets.tables import read_table
from gradcode.errors import MissingExtra

__all__ = ["load"]


def load(source: Source) -> Dataset:
    """Read, check and split the data that `source` names.

    Without a path the data come with scikit-learn; nothing is downloaded. The target decides which:

    - "binary" and "classes": the handwritten digits, odd (+1) against even (-1), or all ten. The 64 pixels, scaled to
      0..1, are expanded to all monomials of degree up to two, the constant included: 1,797 rows of 2,145 columns.
    - "number": the diabetes data, a measure of the disease's progress. The ten measurements are centred and scaled as
      scikit-learn gives them, and a constant column comes last: 442 rows of 11 columns.

    Parameters
    ----------
    source : Source
        The data, and how to make rows of them.

    Returns
    -------
    Dataset
        Training and test rows.

    Raises
    ------
    DataError
        If a file cannot be read or used. The message names the file and, if there is one, the line.
    MissingExtra
        If a library that reads the data is not installed.

    Examples
    --------
    >>> digits = load(Source())
    >>> digits.train_X.shape, digits.test_X.shape, digits.classes
    ((1437, 2145), (360, 2145), ('even', 'odd'))
    >>> load(Source(target="number"))
    Dataset(name='diabetes', classes=(), target='number')
    """
    match source.kind:
        case "libsvm":
            return read_svmlight(source)
        case "csv" | "parquet":
            return read_table(source)
    return _diabetes(source) if source.target == "number" else _digits(source)


def _digits(source: Source) -> Dataset:
    try:
        from sklearn.datasets import load_digits
        from sklearn.preprocessing import PolynomialFeatures
    except ImportError as error:
        raise MissingExtra("reading training data needs scikit-learn", "train") from error

    pixels, digit = load_digits(return_X_y=True)
    X = PolynomialFeatures(degree=2).fit_transform(sp.csr_matrix(pixels / 16.0))
    if source.target == "binary":
        labels = class_labels(digit % 2, ["even", "odd"], source)
    else:
        labels = class_labels(digit, [str(value) for value in range(10)], source)
    return divided(X, labels, source, *partition(labels, source))


def _diabetes(source: Source) -> Dataset:
    try:
        from sklearn.datasets import load_diabetes
    except ImportError as error:
        raise MissingExtra("reading training data needs scikit-learn", "train") from error

    X, progress = load_diabetes(return_X_y=True)
    labels = Labels(progress, ())
    return divided(np.column_stack([X, np.ones(len(X))]), labels, source, *partition(labels, source))

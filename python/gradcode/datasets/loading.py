"""Training data: from what a `Source` names to a `Dataset`."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gradcode._validate import check_dtype
from gradcode.datasets.dataset import Dataset
from gradcode.datasets.labels import Labels, class_labels
from gradcode.datasets.source import Source
from gradcode.datasets.split import divided, partition
from gradcode.datasets.svmlight import read_svmlight
from gradcode.datasets.tables import read_table
from gradcode.errors import MissingExtra
from gradcode.linear.targets import Target

__all__ = ["load", "load_diabetes", "load_digits", "load_svmlight"]


def load(source: Source) -> Dataset:
    """Read, check and split the data that `source` names.

    Without a path they are built in: the digits (`load_digits`), or the diabetes data (`load_diabetes`) where the
    target is a number.

    Parameters
    ----------
    source : Source
        Which data, and how rows are made of them.

    Returns
    -------
    Dataset
        Training and test rows.

    Raises
    ------
    DataError
        If a file cannot be read or used; the text names it and, where it applies, the line.
    MissingExtra
        If a library that reads the data is not installed.

    Examples
    --------
    >>> load(Source(target="number"))
    Dataset(name='diabetes', classes=(), target='number')
    """
    match source.kind:
        case "libsvm":
            return read_svmlight(source)
        case "csv" | "parquet":
            return read_table(source)
    return _diabetes(source) if source.target == "number" else _digits(source)


def load_digits(seed: int = 0, dtype: npt.DTypeLike = "float64", target: Target = "binary") -> Dataset:
    """Return the handwritten digits of scikit-learn: odd (+1) against even (-1), or all ten.

    The 64 pixels, scaled to 0..1, are expanded to all monomials of degree up to two, the constant
    included: 1,797 rows of 2,145 columns. Nothing is downloaded.

    Parameters
    ----------
    seed : int, optional
        Decides which fifth of the rows becomes the test part (the same share of every class).
    dtype : dtype, optional
        ``"float64"`` or ``"float32"``.
    target : {"binary", "classes"}, optional
        Odd against even, or the ten digits as classes 0..9.

    Returns
    -------
    Dataset
        1,437 training and 360 test rows.

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.train_X.shape, digits.test_X.shape, digits.classes
    ((1437, 2145), (360, 2145), ('even', 'odd'))
    >>> load_digits(target="classes").classes
    ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    """
    if target not in ("binary", "classes"):
        raise ValueError(f"target must be binary or classes for the digits, got {target!r}")
    return _digits(Source(target=target, seed=seed, dtype=check_dtype("dtype", dtype).name))


def load_diabetes(seed: int = 0, dtype: npt.DTypeLike = "float64") -> Dataset:
    """Return scikit-learn's diabetes data: the disease's progress, a number, from ten measurements.

    The measurements are as scikit-learn gives them, centred and scaled; a constant column comes last: 442 rows of 11
    columns. Nothing is downloaded.

    Parameters
    ----------
    seed : int, optional
        Decides which fifth of the rows becomes the test part.
    dtype : dtype, optional
        ``"float64"`` or ``"float32"``.

    Returns
    -------
    Dataset
        353 training and 89 test rows.

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> diabetes = load_diabetes()
    >>> diabetes.train_X.shape, diabetes.test_X.shape
    ((353, 11), (89, 11))
    """
    return _diabetes(Source(target="number", seed=seed, dtype=check_dtype("dtype", dtype).name))


def load_svmlight(
    path: str | os.PathLike[str], seed: int = 0, dtype: npt.DTypeLike = "float64", target: Target = "binary"
) -> Dataset:
    r"""Read a file of LIBSVM/SVMlight text: one ``label index:value index:value ...`` per line.

    Indices count from 1, as the format defines, and increase along a line; index 0 is refused rather than
    guessed at. ``# comments``, empty lines and a ``qid:`` field are skipped. A constant column is appended
    as the last one; it is regularised like every other, so a file that has its own needs no care.

    Parameters
    ----------
    path : path-like
        The file; names that end in ``.gz``, ``.bz2``, ``.xz`` or ``.zst`` are decompressed while reading.
    seed : int, optional
        Decides which fifth of the rows becomes the test part (the same share of every class).
    dtype : dtype, optional
        ``"float64"`` or ``"float32"``.
    target : {"binary", "classes", "number"}, optional
        What the labels are.

    Returns
    -------
    Dataset
        Of two labels, the lower became -1 and the higher +1; of classes, the lowest 0, and so on.

    Raises
    ------
    DataError
        If the file cannot be read or used; the text names the file and the first offending line.
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "tiny.svm")
    ...     _ = path.write_text("0 1:0.5 3:2\n1 2:1\n" * 5)
    ...     tiny = load_svmlight(path)
    >>> tiny.train_X.shape, tiny.test_X.shape, tiny.classes
    ((8, 4), (2, 4), ('0', '1'))
    """
    name = check_dtype("dtype", dtype).name
    return read_svmlight(Source(os.fspath(path), format="libsvm", target=target, seed=seed, dtype=name))


def _digits(source: Source) -> Dataset:
    try:
        from sklearn.datasets import load_digits as load
        from sklearn.preprocessing import PolynomialFeatures
    except ImportError as error:
        raise MissingExtra("reading training data needs scikit-learn", "train") from error

    pixels, digit = load(return_X_y=True)
    X = PolynomialFeatures(degree=2).fit_transform(sp.csr_matrix(pixels / 16.0))
    if source.target == "binary":
        labels = class_labels(digit % 2, ["even", "odd"], source)
    else:
        labels = class_labels(digit, [str(value) for value in range(10)], source)
    return divided(X, labels, source, *partition(labels, source))


def _diabetes(source: Source) -> Dataset:
    try:
        from sklearn.datasets import load_diabetes as load
    except ImportError as error:
        raise MissingExtra("reading training data needs scikit-learn", "train") from error

    X, progress = load(return_X_y=True)
    labels = Labels(progress, ())
    return divided(np.column_stack([X, np.ones(len(X))]), labels, source, *partition(labels, source))

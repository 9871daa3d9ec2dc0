"""Two-class training data, read, checked and split into a training and a test part."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from gradcode._validate import check_dtype, check_int
from gradcode.errors import DataError, MissingExtra
from gradcode.train.svmlight import first_fault, unreadable

__all__ = ["Dataset", "lipschitz", "load_data", "load_digits", "load_svmlight"]

_TEST_SHARE = 0.2
_ROWS_PER_CLASS = 5  # from here on, a stratified 80/20 split leaves every class in both parts
_MAX_SEED = 2**32 - 1
_MAX_VALUE = 1e100  # squares of sums of larger values overflow
_PARTS = ("train", "test")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test rows of a problem with two classes.

    Parameters
    ----------
    name : str
        What the data are called in reports.
    train_X, test_X : scipy.sparse.csr_array
        One row per sample, of float32 or float64.
    train_y, test_y : numpy.ndarray
        Labels, -1 or +1, of the dtype of the rows.
    classes : tuple of str
        The original labels that became -1 and +1, in this order.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> X, y = sp.csr_array(np.eye(2)), np.array([-1.0, 1.0])
    >>> Dataset("two", X, y, X, y, ("no", "yes"))
    Dataset(name='two', classes=('no', 'yes'))
    """

    name: str
    train_X: sp.csr_array = field(repr=False)
    train_y: npt.NDArray[Any] = field(repr=False)
    test_X: sp.csr_array = field(repr=False)
    test_y: npt.NDArray[Any] = field(repr=False)
    classes: tuple[str, str]

    def __post_init__(self) -> None:
        """Refuse parts that do not fit each other."""
        if len(self.classes) != 2:
            raise ValueError(f"classes must be two labels, got {self.classes!r}")
        for part in _PARTS:
            X, y = getattr(self, f"{part}_X"), getattr(self, f"{part}_y")
            if not (sp.issparse(X) and X.format == "csr"):
                raise TypeError(f"{part}_X must be a sparse CSR array, got {type(X).__name__}")
            check_dtype(f"{part}_X.dtype", X.dtype)
            if y.shape != (X.shape[0],) or y.dtype != X.dtype:
                raise ValueError(f"{part}_y must be {X.shape[0]} labels of {X.dtype}, got shape {y.shape} of {y.dtype}")
            if not (np.abs(y) == 1).all():
                raise ValueError(f"{part}_y must be labels -1 or +1, got {y[np.abs(y) != 1][0]}")
        if self.test_X.shape[1] != self.n_features or self.test_X.dtype != self.train_X.dtype:
            raise ValueError(
                f"test_X must have the {self.n_features} columns of {self.train_X.dtype} that train_X has, "
                f"got {self.test_X.shape[1]} of {self.test_X.dtype}"
            )

    @property
    def n_features(self) -> int:
        """Number of columns, the constant one included."""
        return int(self.train_X.shape[1])


def load_data(path: str | None, seed: int, dtype: npt.DTypeLike) -> Dataset:
    """Return the file's data (`load_svmlight`), or the digits (`load_digits`) where `path` is None."""
    return load_digits(seed, dtype) if path is None else load_svmlight(path, seed, dtype)


def load_digits(seed: int = 0, dtype: npt.DTypeLike = "float64") -> Dataset:
    """Return the handwritten digits of scikit-learn, odd (+1) against even (-1).

    The 64 pixels, scaled to 0..1, are expanded to all monomials of degree up to two, the constant
    included: 1,797 rows of 2,145 columns. Nothing is downloaded.

    Parameters
    ----------
    seed : int, optional
        Decides which fifth of the rows becomes the test part (the same share of both classes).
    dtype : dtype, optional
        ``"float64"`` or ``"float32"``.

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
    >>> digits.train_X.shape, digits.test_X.shape
    ((1437, 2145), (360, 2145))
    """
    seed, dtype = check_int("seed", seed, 0, _MAX_SEED), check_dtype("dtype", dtype)
    try:
        from sklearn.datasets import load_digits as load
        from sklearn.preprocessing import PolynomialFeatures
    except ImportError as error:
        raise MissingExtra("reading training data needs scikit-learn", "train") from error

    pixels, digit = load(return_X_y=True)
    X = PolynomialFeatures(degree=2).fit_transform(sp.csr_matrix(pixels / 16.0))
    return _split("digits", X, np.where(digit % 2, 1, -1), ("even", "odd"), seed, dtype)


def load_svmlight(path: str | os.PathLike[str], seed: int = 0, dtype: npt.DTypeLike = "float64") -> Dataset:
    r"""Read a file of LIBSVM/SVMlight text: one ``label index:value index:value ...`` per line.

    Indices count from 1, as the format defines, and increase along a line; index 0 is refused rather than
    guessed at. ``# comments``, empty lines and a ``qid:`` field are skipped. A constant column is appended
    as the last one; it is regularised like every other, so a file that has its own needs no care.

    Parameters
    ----------
    path : path-like
        The file; names that end in ``.gz`` or ``.bz2`` are decompressed while reading.
    seed : int, optional
        Decides which fifth of the rows becomes the test part (the same share of both classes).
    dtype : dtype, optional
        ``"float64"`` or ``"float32"``.

    Returns
    -------
    Dataset
        Of the two labels in the file, the lower became -1 and the higher +1.

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
    seed, dtype = check_int("seed", seed, 0, _MAX_SEED), check_dtype("dtype", dtype)
    path = os.fspath(path)
    if not isinstance(path, str):
        raise TypeError(f"path must be a str or a path-like object of str, got {path!r}")
    try:
        from sklearn.datasets import load_svmlight_file
    except ImportError as error:
        raise MissingExtra("reading training data needs scikit-learn", "train") from error

    try:
        # float64 whatever the dtype: the overflow of a narrower type is then found by _usable.
        X, labels = load_svmlight_file(path, dtype=np.float64, zero_based=False)
        fault = None if _usable(X.data, dtype) and _usable(labels, np.dtype(np.float64)) else "non-finite values"
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from None
    except (ValueError, OverflowError, TypeError, IndexError) as error:  # what the parser says of bad text
        fault = str(error)
    if fault is not None:
        # The library's messages have no line number; a second, slower pass finds it.
        raise first_fault(path, dtype) or DataError(f"{path}: cannot be read as LIBSVM text: {fault}")

    if not len(labels):
        raise DataError(f"{path}: must hold at least one row, got an empty file")
    if not X.nnz:
        raise DataError(f"{path}: must hold at least one index:value pair, got {len(labels)} rows of labels alone")
    found = np.unique(labels)
    if len(found) != 2:
        shown = ", ".join(_label(v) for v in found[:5]) + (", ..." if len(found) > 5 else "")
        raise DataError(f"{path}: must hold rows of exactly two classes, got {len(found)}: {shown}")
    classes = (_label(found[0]), _label(found[1]))
    for value, name in zip(found, classes, strict=True):
        if (count := int((labels == value).sum())) < _ROWS_PER_CLASS:
            raise DataError(
                f"{path}: must hold at least {_ROWS_PER_CLASS} rows of each class to be split 80/20, "
                f"got {count} of class {name}"
            )
    X = sp.hstack([X, np.ones((X.shape[0], 1))], format="csr")
    return _split(Path(path).name, X, np.where(labels == found[1], 1, -1), classes, seed, dtype)


def _split(
    name: str, X: Any, y: npt.NDArray[Any], classes: tuple[str, str], seed: int, dtype: np.dtype[Any]
) -> Dataset:
    """Split 80/20, with the same share of both classes in both parts."""
    from sklearn.model_selection import train_test_split

    X, y = sp.csr_array(X, dtype=dtype), y.astype(dtype)
    train_X, test_X, train_y, test_y = train_test_split(X, y, test_size=_TEST_SHARE, random_state=seed, stratify=y)
    return Dataset(name, sp.csr_array(train_X), train_y, sp.csr_array(test_X), test_y, classes)


def _label(value: float) -> str:
    """Return a label as it is commonly written: 1 and not 1.0."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _usable(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    with np.errstate(over="ignore"):  # beyond float32 becomes inf, which is what is asked about
        return bool(np.isfinite(values.astype(dtype, copy=False)).all())


def lipschitz(X: sp.csr_array) -> float:
    """Return the smoothness of the summed logistic loss over the rows of `X`.

    That is the square of the largest singular value over four: gradient descent at rate
    ``1 / (lipschitz(X) + regularisation)`` converges. Computed in float64 (for float32 rows on a copy).

    Parameters
    ----------
    X : scipy.sparse.csr_array
        All training rows.

    Returns
    -------
    float
        Zero where `X` has no non-zero element.

    Raises
    ------
    DataError
        If values are so large that squares overflow.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> lipschitz(sp.csr_array(np.diag([1.0, 2.0])))
    1.0
    """
    X = X.astype(np.float64, copy=False)
    if not X.nnz:
        return 0.0
    largest_value = float(np.abs(X.data).max())
    if largest_value > _MAX_VALUE:
        raise DataError(
            f"the data's values must be at most {_MAX_VALUE:g} in size to be trained on, got {largest_value:g}"
        )
    if 1 in X.shape:  # one singular value, and svds wants at least two
        return float(X.data @ X.data) / 4
    if X.shape[0] * X.shape[1] <= 10_000:  # the iteration would cost more than it saves
        return float(np.linalg.norm(X.toarray(), 2)) ** 2 / 4
    start = np.random.default_rng(0).standard_normal(min(X.shape))  # every run gets the same rate, to the last bit
    largest = float(svds(X, k=1, v0=start, tol=1e-6, return_singular_vectors=False)[0])
    return largest**2 / 4

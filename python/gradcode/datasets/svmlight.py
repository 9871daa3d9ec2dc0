"""Reading LIBSVM text, and finding the line of the first fault for a message."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gradcode.datasets.dataset import Dataset
from gradcode.datasets.labels import Labels, class_labels, label_text
from gradcode.datasets.reading import READ_ERRORS, open_data, unreadable
from gradcode.datasets.source import Source
from gradcode.datasets.split import divided, partition
from gradcode.errors import DataError, MissingExtra

__all__ = ["read_svmlight"]

_MAX_INDEX = 2**31 - 1


def read_svmlight(source: Source) -> Dataset:
    r"""Read LIBSVM/SVMlight text: one ``label index:value index:value ...`` per line.

    Indices count from 1, as the format defines, and increase along a line; index 0 is an error. ``# comments``, empty
    lines and a ``qid:`` field are skipped. A constant column is appended as the last one. With a test file, both parts
    get as many columns as the wider file.

    Parameters
    ----------
    source : Source
        Of the kind ``"libsvm"``.

    Returns
    -------
    Dataset
        Classes are numbered in the order of the labels' values.

    Raises
    ------
    DataError
        If a file cannot be read or used. The message names the file and the first bad line.
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "tiny.svm")
    ...     _ = path.write_text("0.5 1:0.5 3:2\n1.5 2:1\n" * 5)
    ...     tiny = read_svmlight(Source(path, target="number"))
    >>> tiny.train_X.shape, sorted(set(tiny.train_y.tolist()))
    ((8, 4), [0.5, 1.5])
    """
    assert source.path is not None
    dtype = np.dtype(source.dtype)
    # Labels that are numbers have the dtype of the rows; labels of classes are only names.
    label_dtype = dtype if source.target == "number" else np.dtype(np.float64)
    paths = [source.path] if source.test is None else [source.path, source.test]
    parts = [_read(path, dtype, label_dtype) for path in paths]
    n_train = None if source.test is None else len(parts[0][1])

    n_columns = max(X.shape[1] for X, _ in parts)
    for X, _ in parts:
        X.resize((X.shape[0], n_columns))
    X = parts[0][0] if len(parts) == 1 else sp.vstack([X for X, _ in parts], format="csr")
    values = np.concatenate([values for _, values in parts])
    parts.clear()

    if source.target == "number":
        labels = Labels(values, ())
    else:
        found, codes = np.unique(values, return_inverse=True)
        labels = class_labels(codes, [label_text(value) for value in found], source, n_train)
    train, test = partition(labels, source, n_train)
    return divided(sp.hstack([X, np.ones((X.shape[0], 1))], format="csr"), labels, source, train, test)


def _read(path: str, dtype: np.dtype[Any], label_dtype: np.dtype[Any]) -> tuple[Any, npt.NDArray[np.float64]]:
    """Return the rows of one file, without the constant column, and their labels, both in float64."""
    try:
        from sklearn.datasets import load_svmlight_file
    except ImportError as error:
        raise MissingExtra("reading training data needs scikit-learn", "train") from error

    try:
        # Read float64 in any case: _usable then finds an overflow of the narrower type.
        with open_data(path) as file:
            X, labels = load_svmlight_file(file, dtype=np.float64, zero_based=False)
        fault = None if _usable(X.data, dtype) and _usable(labels, label_dtype) else "non-finite values"
    except READ_ERRORS as error:
        raise unreadable(path, error) from None
    except (ValueError, OverflowError, TypeError, IndexError) as error:  # how the parser reports bad text
        fault = str(error)
    if fault is not None:
        # The parser gives no line number; a second, slower pass finds it.
        raise _first_fault(path, dtype, label_dtype) or DataError(f"{path}: cannot be read as LIBSVM text: {fault}")
    if not len(labels):
        raise DataError(f"{path}: must hold at least one row, got an empty file")
    if not X.nnz:
        raise DataError(f"{path}: must hold at least one index:value pair, got {len(labels)} rows of labels alone")
    return X, labels


def _usable(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    with np.errstate(over="ignore"):  # a value beyond float32 becomes inf
        return bool(np.isfinite(values.astype(dtype, copy=False)).all())


def _first_fault(path: str, dtype: np.dtype[Any], label_dtype: np.dtype[Any]) -> DataError | None:
    """Return the error for the first bad line, or None if all lines are well-formed."""
    try:
        with open_data(path) as lines:
            for number, line in enumerate(lines, 1):
                fault = _line_fault(line.split(b"#", 1)[0].split(), dtype, label_dtype)
                if fault:
                    return DataError(f"{path}:{number}: {fault}")
    except READ_ERRORS as error:
        return unreadable(path, error)
    return None


def _line_fault(fields: list[bytes], dtype: np.dtype[Any], label_dtype: np.dtype[Any]) -> str | None:
    """Return what is wrong with the fields of one line, or None; messages count fields from 1."""
    if not fields:
        return None
    label = _number(fields[0], label_dtype)
    if label is None or not np.isfinite(label):
        return f"field 1 {_quote(fields[0])} must be a finite number, the label"
    previous = 0
    for position, text in enumerate(fields[1:], 2):
        if position == 2 and text.startswith(b"qid:"):
            continue
        name = f"field {position} {_quote(text)}"
        left, colon, right = text.partition(b":")
        index, value = _integer(left), _number(right, dtype)
        if not colon or index is None or value is None or not np.isfinite(value):
            return f"{name} must be a finite number in an index:value pair ({dtype})"
        if not 1 <= index <= _MAX_INDEX:
            return f"{name} must have an index in 1..{_MAX_INDEX} (indices count from 1)"
        if index <= previous:
            return f"{name} must have an index above the one before it, {previous}"
        previous = index
    return None


def _number(text: bytes, dtype: np.dtype[Any]) -> float | None:
    try:
        with np.errstate(over="ignore"):
            return float(dtype.type(float(text)))
    except ValueError:
        return None


def _integer(text: bytes) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _quote(text: bytes, limit: int = 40) -> str:
    shown = text[:limit].decode("utf-8", "backslashreplace")
    return repr(shown + "..." if len(text) > limit else shown)

"""Prepared data on disk; each worker reads only its own rows.

`save` writes a `Dataset` as plain ``.npy`` files. `open_prepared` maps them, so a worker copies only the bytes of its
share.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, get_args

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gradcode._files import replacing
from gradcode._validate import check_int
from gradcode.datasets.dataset import Dataset
from gradcode.errors import DataError
from gradcode.linear.spectrum import spectral_norm_squared
from gradcode.linear.targets import Target, classes_fit, label_rule, labels_fit

__all__ = ["FORMAT", "Prepared", "open_prepared", "save"]

_META = "meta.json"
FORMAT = {"format": "gradcode-dataset", "version": 2}
_PARTS = ("train", "test")
_FIELDS = ("data", "indices", "indptr", "labels")


def save(dataset: Dataset, directory: str | os.PathLike[str]) -> None:
    """Write `dataset` into `directory` for `open_prepared`.

    Every file is written under another name and then renamed, so a process that has mapped the old content keeps it.
    `open_prepared` needs ``meta.json``, which is removed first and written last.

    Parameters
    ----------
    dataset : Dataset
        The data.
    directory : path-like
        The directory. It is created if needed; files of an earlier `save` are replaced.

    Raises
    ------
    DataError
        If a file cannot be written. The message names it.

    Examples
    --------
    >>> import tempfile
    >>> from gradcode.datasets.loading import load
    >>> from gradcode.datasets.source import Source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(load(Source()), folder)
    ...     open_prepared(folder)
    Prepared('digits', n_train=1437, n_test=360, n_features=2145, dtype='float64')
    """
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _META).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from error

    arrays = {}
    digest = hashlib.blake2b(digest_size=16)
    for part in _PARTS:
        X = getattr(dataset, f"{part}_X")
        for what, values in zip(_FIELDS, (X.data, X.indices, X.indptr, getattr(dataset, f"{part}_y")), strict=True):
            arrays[f"{part}_{what}"] = {"dtype": values.dtype.name, "shape": list(values.shape)}
            _replace(folder / f"{part}_{what}.npy", partial(np.save, arr=values))
            if what == "data":  # standardised values may differ between machines in the last bit: round them away
                with np.errstate(over="ignore"):
                    values = values.astype(np.float32)
            digest.update(np.ascontiguousarray(values).data)
    meta = {
        **FORMAT,
        "name": dataset.name,
        "target": dataset.target,
        "classes": list(dataset.classes),
        "n_features": dataset.n_features,
        "spectral_norm_squared": spectral_norm_squared(dataset.train_X),
        "digest": digest.hexdigest(),
        "arrays": arrays,
    }
    _replace(folder / _META, lambda file: file.write(json.dumps(meta, indent=1).encode()))


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    try:
        with replacing(path) as file:
            write(file)
            # Even if the machine crashes, meta.json must not be complete before the rows are.
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


class Prepared:
    """Training data on disk. Rows are read on demand; `open_prepared` makes it.

    Attributes
    ----------
    name : str
        Name of the data in reports.
    n_train, n_test, n_features : int
        Numbers of training rows, of test rows and of columns.
    digest : str
        Equal for equal rows, on every machine.
    spectral_norm_squared : float
        The square of the largest singular value of all training rows (`gradcode.linear.spectrum`).
    dtype : numpy.dtype
        Element type of rows and labels.
    target : {"binary", "classes", "number"}
        The kind of labels.
    classes : tuple of str
        The original labels that became -1 and +1, or 0, 1, ...; empty for numbers.
    """

    def __init__(self, directory: Path, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.directory = directory
        self.name: str = meta["name"]
        self.target: Target = meta["target"]
        self.classes: tuple[str, ...] = tuple(meta["classes"])
        self.n_features: int = meta["n_features"]
        self.spectral_norm_squared: float = meta["spectral_norm_squared"]
        self.digest: str = meta["digest"]
        self.n_train = len(arrays["train_labels"])
        self.n_test = len(arrays["test_labels"])
        self.dtype: np.dtype[Any] = arrays["train_data"].dtype
        self._arrays = arrays

    def __repr__(self) -> str:
        """Return the name and the sizes."""
        return (
            f"Prepared({self.name!r}, n_train={self.n_train}, n_test={self.n_test}, "
            f"n_features={self.n_features}, dtype={self.dtype.name!r})"
        )

    def rows(self, start: int, stop: int) -> tuple[sp.csr_array, npt.NDArray[Any]]:
        """Return a copy of training rows `start` to `stop` (exclusive) and their labels.

        Parameters
        ----------
        start, stop : int
            With 0 <= start <= stop <= n_train.

        Returns
        -------
        tuple
            The rows, as a CSR array, and the labels.

        Raises
        ------
        DataError
            If these rows are damaged on disk. The message names the file.
        """
        stop = check_int("stop", stop, 0, self.n_train)
        start = check_int("start", start, 0, stop, context=f"stop={stop}")
        return self._read("train", start, stop)

    def test(self) -> tuple[sp.csr_array, npt.NDArray[Any]]:
        """Return a copy of all test rows and their labels."""
        return self._read("test", 0, self.n_test)

    def _read(self, part: str, start: int, stop: int) -> tuple[sp.csr_array, npt.NDArray[Any]]:
        data, indices, indptr, labels = (self._arrays[f"{part}_{what}"] for what in _FIELDS)
        # Check the indices: damaged ones would make the sparse product access memory outside its arrays.
        offsets = np.array(indptr[start : stop + 1])
        low, high = int(offsets[0]), int(offsets[-1])
        if low < 0 or high > len(data) or (np.diff(offsets) < 0).any():
            raise self._damaged(part, "indptr", f"increase within 0..{len(data)}")
        columns, values, y = np.array(indices[low:high]), np.array(data[low:high]), np.array(labels[start:stop])
        if len(columns) and (columns.min() < 0 or columns.max() >= self.n_features):
            raise self._damaged(part, "indices", f"be in 0..{self.n_features - 1}")
        if not np.isfinite(values).all():
            raise self._damaged(part, "data", "be finite")
        if not labels_fit(y, self.target, len(self.classes)).all():
            raise self._damaged(part, "labels", f"be {label_rule(self.target, len(self.classes))}")
        return sp.csr_array((values, columns, offsets - low), shape=(stop - start, self.n_features)), y

    def _damaged(self, part: str, what: str, rule: str) -> DataError:
        return DataError(f"{self.directory / f'{part}_{what}.npy'}: its values must {rule}; the file is damaged")


def open_prepared(directory: str | os.PathLike[str]) -> Prepared:
    """Open what `save` wrote, without reading the rows.

    This checks sizes and types of all files. Values are checked when rows are read.

    Parameters
    ----------
    directory : path-like
        The directory that was given to `save`.

    Returns
    -------
    Prepared
        The data, mapped read-only.

    Raises
    ------
    DataError
        If a file is missing, truncated or not as ``meta.json`` says. The message names it.

    Examples
    --------
    >>> import tempfile
    >>> from gradcode.datasets.loading import load
    >>> from gradcode.datasets.source import Source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(load(Source()), folder)
    ...     X, y = open_prepared(folder).rows(100, 110)
    >>> X.shape, y.shape
    ((10, 2145), (10,))
    """
    folder = Path(directory)
    meta = _read_meta(folder / _META)
    arrays = {name: _map(folder / f"{name}.npy", about) for name, about in meta["arrays"].items()}
    for part in _PARTS:
        data, indices, indptr, labels = (arrays[f"{part}_{what}"] for what in _FIELDS)
        if not (
            data.dtype == labels.dtype == arrays["train_data"].dtype
            and data.dtype.name in ("float32", "float64")
            and indices.dtype == indptr.dtype
            and indices.dtype.name in ("int32", "int64")
            and data.ndim == indptr.ndim == labels.ndim == 1
            and indices.shape == data.shape
            and len(indptr) == len(labels) + 1
        ):
            raise DataError(f"{folder / _META}: the sizes and types of the {part} arrays do not fit each other")
    return Prepared(folder, meta, arrays)


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: not found; the directory is not a prepared data set, or not a complete one") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: must be JSON: {error}") from None
    if not isinstance(meta, dict) or any(meta.get(key) != value for key, value in FORMAT.items()):
        raise DataError(f"{path}: must describe a data set of format {FORMAT['format']} {FORMAT['version']}")
    target: Any = meta.get("target")
    classes, arrays, n_features, norm = (
        meta.get(key) for key in ("classes", "arrays", "n_features", "spectral_norm_squared")
    )
    names = {f"{part}_{what}" for part in _PARTS for what in _FIELDS}
    if not (
        isinstance(meta.get("name"), str)
        and isinstance(meta.get("digest"), str)
        and target in get_args(Target)
        and isinstance(classes, list)
        and classes_fit(len(classes), target)
        and all(isinstance(label, str) for label in classes)
        and type(n_features) is int
        and n_features >= 1
        and isinstance(norm, float)
        and 0 <= norm < math.inf
        and isinstance(arrays, dict)
        and arrays.keys() == names
        and all(isinstance(about, dict) for about in arrays.values())
    ):
        raise DataError(
            f"{path}: must hold name, target, its classes, n_features of at least 1, spectral_norm_squared "
            "and the arrays; it is damaged"
        )
    return meta


def _map(path: Path, about: dict[str, Any]) -> npt.NDArray[Any]:
    """Map an array read-only, after checking that its file has the type, shape and size in meta.json."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        size = path.stat().st_size
    except FileNotFoundError:
        raise DataError(f"{path}: not found, though {_META} lists it") from None
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: must be a complete .npy file: {error}") from None
    if not isinstance(array, np.memmap):
        raise DataError(f"{path}: must be a plain .npy file")
    if array.dtype.name != about.get("dtype") or not array.dtype.isnative or list(array.shape) != about.get("shape"):
        raise DataError(
            f"{path}: must be {about.get('dtype')} of shape {about.get('shape')} as {_META} says, "
            f"got {array.dtype} of shape {list(array.shape)}"
        )
    if size != array.offset + array.nbytes:
        raise DataError(f"{path}: must have {array.offset + array.nbytes} bytes, got {size}")
    # Return a plain view: slices of a memmap object are slower.
    return array.view(np.ndarray)

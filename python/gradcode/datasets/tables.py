"""CSV and Parquet files as training rows: one column for each value of a category, and numbers standardised."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gradcode.datasets.dataset import Dataset
from gradcode.datasets.frames import place_of, read_frame, with_test_rows
from gradcode.datasets.labels import Labels, class_labels, shown
from gradcode.datasets.source import Source
from gradcode.datasets.split import divided, partition
from gradcode.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]

_MAX_NUMBER = 1e100  # squares of sums of larger numbers overflow
_MAX_SHOWN = 50
# Common ways to write a missing number.
_ABSENT = {"", "na", "nan", "n/a", "null", "none"}


def read_table(source: Source) -> Dataset:
    r"""Read a CSV or Parquet file.

    All values are read as text, so categories are exactly as in the file. An empty cell (in Parquet a null) is a
    category of its own. Without a test file, the categories are those of the whole file; with one, those of the
    training file, and a category that occurs only in the test file gives zeros. The columns of a category are sorted
    by its values, as text.

    Parameters
    ----------
    source : Source
        Of the kind ``"csv"`` or ``"parquet"``.

    Returns
    -------
    Dataset
        Classes are numbered in the order of the labels: as numbers if all of them are numbers, otherwise as text.

    Raises
    ------
    DataError
        If a file cannot be read or used. The message names the file and, if there is one, the line or row.
    MissingExtra
        If a library that reads the file is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "shop.csv")
    ...     _ = path.write_text("colour,size,sold\n" + "red,1,yes\nblue,3,no\n" * 5)
    ...     shop = read_table(Source(path, label="sold", numeric=["size"]))
    >>> shop.classes, shop.train_X[[0]].toarray(), shop.train_y[0]  # blue, red, size, constant
    (('no', 'yes'), array([[1., 0., 1., 1.]]), np.float64(-1.0))
    """
    assert source.path is not None and source.label is not None
    frame = read_frame(source.path, source)
    _check_names(frame.columns, source)
    n_train = None
    if source.test is not None:
        n_train = len(frame)
        frame = with_test_rows(frame, read_frame(source.test, source), source)

    columns = [name for name in frame.columns if name != source.label and name not in source.drop]
    if not columns:
        raise DataError(
            f"{source.path}: must have a column beside the label {source.label!r}, got no other to learn from"
        )
    categorical = [name for name in columns if name not in source.numeric]
    pairs = _pairs(categorical, source)
    _check_memory(len(frame), len(columns) + len(pairs) + 1, source)

    labels = _labels(frame, source, n_train)
    codes = {name: _category_codes(frame[name], name, source) for name in categorical}
    numbers = {name: _numbers(frame[name], f"numeric column {name!r}", source, n_train) for name in source.numeric}
    del frame
    train, test = partition(labels, source, n_train)
    known = slice(n_train)  # these rows decide which categories get a column
    blocks = [
        _one_hot(codes[name], known, source.dtype)
        if name in codes
        else _standardised(numbers[name], train, source.dtype)
        for name in columns
    ]
    for first, second in pairs:
        both = codes[first] * (int(codes[second].max()) + 1) + codes[second]
        blocks.append(_one_hot(both, known, source.dtype))
    blocks.append(sp.csr_array(np.ones((len(labels.y), 1), source.dtype)))
    X = sp.hstack(blocks, format="csr")
    blocks.clear()
    return divided(X, labels, source, train, test)


# --- what the columns are ---------------------------------------------------------------------------------------------


def _check_names(columns: Sequence[str], source: Source) -> None:
    excluded = tuple(itertools.chain(*source.exclude_interactions))
    for field in ("label", "numeric", "categorical", "drop", "exclude_interactions"):
        value = excluded if field == "exclude_interactions" else getattr(source, field)
        for name in (value,) if isinstance(value, str) else value:
            if name not in columns:
                raise DataError(
                    f"{source.path}: {field} must name columns of the file, got {name!r}; "
                    f"they are {shown(list(columns), _MAX_SHOWN)}"
                )


def _pairs(categorical: list[str], source: Source) -> list[tuple[str, str]]:
    if not source.interactions:
        return []
    if len(categorical) < 2:
        raise DataError(f"{source.path}: interactions needs at least two categorical columns, got {len(categorical)}")
    excluded = {frozenset(pair) for pair in source.exclude_interactions}
    return [pair for pair in itertools.combinations(categorical, 2) if frozenset(pair) not in excluded]


def _check_memory(n_rows: int, n_blocks: int, source: Source) -> None:
    """Refuse data that cannot fit into memory, where every row has an element in every block."""
    # The peak holds the blocks, each with its row pointers, and the rows stacked from them: two values and three
    # indices of four bytes for every element.
    need = n_rows * n_blocks * (2 * np.dtype(source.dtype).itemsize + 12)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if need > memory:
        raise DataError(
            f"{source.path}: {n_rows} rows of {n_blocks} elements need at least {need / 1e9:.3g} GB to prepare, and "
            f"this machine has {memory / 1e9:.3g} GB; drop columns, or do without some interactions"
        )


def _labels(frame: pd.DataFrame, source: Source, n_train: int | None) -> Labels:
    import pandas as pd

    column, what = frame[source.label], f"label column {source.label!r}"
    if source.target == "number":
        return Labels(_numbers(column, what, source, n_train), ())
    empty = (column == "").to_numpy()
    if empty.any():
        raise DataError(
            f"{place_of(source, n_train, int(empty.argmax()))}: {what} must hold a label, got an empty cell"
        )
    codes, names = pd.factorize(column)
    names = np.asarray(names, dtype=object)
    values = pd.to_numeric(pd.Series(names, dtype=object), errors="coerce").to_numpy(np.float64)
    # Two ways to write the same number are two classes; their text decides the order.
    order = np.lexsort((names.astype(str), values if np.isfinite(values).all() else np.zeros(len(names))))
    return class_labels(np.argsort(order)[codes], names[order].tolist(), source, n_train)


def _numbers(column: pd.Series, what: str, source: Source, n_train: int | None) -> npt.NDArray[np.float64]:
    import pandas as pd

    values: npt.NDArray[np.float64] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    limit = min(_MAX_NUMBER, float(np.finfo(source.dtype).max))
    bad = ~(np.abs(values) <= limit)  # true for NaN as well
    if bad.any():
        row = int(bad.argmax())
        text = column.iloc[row]
        got = repr(text[:40]) if text else "an empty cell"
        raise DataError(
            f"{place_of(source, n_train, row)}: {what} must hold numbers of at most {limit:.3g} in size, got {got}"
        )
    return values


def _category_codes(column: pd.Series, name: str, source: Source) -> npt.NDArray[np.int64]:
    """Return the number of each row's category, in the order of the categories' text."""
    import pandas as pd

    codes, values = pd.factorize(column, sort=True)
    if name not in source.categorical:
        numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(np.float64)
        there = np.array([value.strip().lower() not in _ABSENT for value in values])
        fractions = there & np.isfinite(numbers) & (numbers != np.floor(numbers))
        if fractions.any() and not (there & np.isnan(numbers)).any():
            raise DataError(
                f"{source.path}: column {name!r} holds numbers with a fraction, got {values[fractions.argmax()]!r}: "
                "numeric must name it to take them as they are, categorical to make a category of each, "
                "or drop to leave it out"
            )
    return np.asarray(codes, np.int64)


# --- making columns ---------------------------------------------------------------------------------------------------


def _one_hot(codes: npt.NDArray[np.int64], known: slice, dtype: str) -> Any:
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown="ignore", dtype=np.dtype(dtype))
    encoder.fit(codes[known].reshape(-1, 1))
    return encoder.transform(codes.reshape(-1, 1))


def _standardised(values: npt.NDArray[np.float64], train: npt.NDArray[np.intp], dtype: str) -> Any:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values[train].reshape(-1, 1))
    return sp.csr_array(scaler.transform(values.reshape(-1, 1)).astype(dtype))

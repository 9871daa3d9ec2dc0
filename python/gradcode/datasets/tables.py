"""CSV and Parquet files: categories into one column for each value, numbers standardised."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gradcode.datasets.dataset import Dataset
from gradcode.datasets.labels import Labels, class_labels, shown
from gradcode.datasets.reading import READ_ERRORS, open_data, plain_suffix, unreadable
from gradcode.datasets.source import Source
from gradcode.datasets.split import divided, partition
from gradcode.errors import DataError, MissingExtra

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]

_MAX_NUMBER = 1e100  # squares of sums of larger numbers overflow
_MAX_SHOWN = 50
# How the absence of a number is commonly written.
_ABSENT = {"", "na", "nan", "n/a", "null", "none"}


def read_table(source: Source) -> Dataset:
    r"""Read a CSV or Parquet file.

    Every value is taken as text, so that categories are those of the file to the letter, and an empty cell (in
    Parquet a null) is a category of its own. With a test file the categories are those of the training file, and a
    category that only the test file has gives zeros; otherwise they are those of the whole file. The columns
    of a category are in the order of its values' text.

    Parameters
    ----------
    source : Source
        Of the kind ``"csv"`` or ``"parquet"``.

    Returns
    -------
    Dataset
        Classes are numbered in the order of the labels: that of numbers if all of them are, otherwise of text.

    Raises
    ------
    DataError
        If a file cannot be read or used; the text names it and, where it applies, the line or the row.
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
    frame = _read(source.path, source)
    _check_names(frame.columns, source)
    n_train = None
    if source.test is not None:
        n_train = len(frame)
        frame = _with_test_rows(frame, _read(source.test, source), source)

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
    known = slice(n_train)  # the rows whose categories have a column
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


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(path: str, source: Source) -> pd.DataFrame:
    """Return the file's columns as text, under names that are all different; at least one row."""
    try:
        import pandas  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingExtra("reading CSV and Parquet files needs pandas and scikit-learn", "train") from error
    frame = _read_csv(path) if source.kind == "csv" else _read_parquet(path)
    names = [str(name) for name in frame.columns]
    for position, name in enumerate(names, 1):
        if names.index(name) < position - 1:
            raise DataError(f"{path}: must have column names that are all different, got {name!r} twice")
    if not len(frame):
        raise DataError(f"{path}: must hold at least one row, got column names alone")
    frame.columns = names
    return frame


def _read_csv(path: str) -> pd.DataFrame:
    import pandas as pd

    separator = _separator(path)
    try:
        with open_data(path) as file:
            # The names are read as a row, because pandas would rename a second column of the same name.
            frame = pd.read_csv(
                file, sep=separator, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
            )
    except READ_ERRORS as error:
        raise unreadable(path, error) from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: must hold a line of column names, got an empty file") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise _first_fault(path) or DataError(f"{path}: cannot be read as CSV: {str(error).strip()}") from None
    # pandas fills a row that is too short; such a row ends in an empty cell.
    if (frame.iloc[:, -1] == "").any() and (fault := _first_fault(path)):
        raise fault
    names, frame = frame.iloc[0].tolist(), frame.iloc[1:].reset_index(drop=True)
    for position, name in enumerate(names, 1):
        if not name:
            raise DataError(
                f"{path}: must have a name for every column, got none for column {position} of {len(names)}"
            )
    frame.columns = names
    return frame


def _separator(path: str) -> str:
    return "\t" if plain_suffix(path) == ".tsv" else ","


def _first_fault(path: str) -> DataError | None:
    """Return the error that names the first line that is no UTF-8, or the first row that is too short or too long."""
    try:
        with open_data(path) as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    return DataError(f"{path}:{number}: must be UTF-8 text, got the byte {line[error.start]:#04x}")
        n_columns = None
        for number, row in _csv_rows(path):
            if n_columns is None:
                n_columns = len(row)
            if len(row) != n_columns:
                return DataError(
                    f"{path}:{number}: must have {n_columns} fields, as the first line has, got {len(row)}"
                )
    except READ_ERRORS as error:
        return unreadable(path, error)
    except csv.Error:  # such as a field beyond the module's limit: pandas' own message is as good
        return None
    return None


def _csv_rows(path: str) -> Any:
    """Yield the rows that pandas reads, each with the number of the line on which it ends."""
    with open_data(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=_separator(path))
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                yield reader.line_num, row


def _read_parquet(path: str) -> pd.DataFrame:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra("reading Parquet files needs pyarrow", "parquet") from error
    import pandas as pd

    try:
        # An open file and not its name, which pandas might take for an address.
        with Path(path).open("rb") as file:
            frame = pd.read_parquet(file, engine="pyarrow", dtype_backend="pyarrow")
    except OSError as error:
        raise unreadable(path, error) from None
    except (pyarrow.ArrowException, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None
    text = {}
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        try:
            text[name] = column.astype(pd.ArrowDtype(pyarrow.string())).fillna("").astype(str)
        except (pyarrow.ArrowException, UnicodeError) as error:
            raise DataError(
                f"{path}: column {str(name)!r} must hold values that can be written as text, "
                f"got {column.dtype.pyarrow_dtype}: {error}"
            ) from None
    return pd.DataFrame(text).reset_index(drop=True)


def _with_test_rows(frame: pd.DataFrame, test: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Return the rows of both files, with the columns of the first."""
    import pandas as pd

    wanted = [name for name in frame.columns if name not in source.drop]
    lacking = [name for name in wanted if name not in test.columns]
    extra = [name for name in test.columns if name not in frame.columns]
    if lacking or extra:
        what = f"lacks {shown(lacking)}" if lacking else f"also has {shown(extra)}"
        raise DataError(f"{source.test}: must have the columns of {source.path}, but {what}")
    return pd.concat([frame[wanted], test[wanted]], ignore_index=True)


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
    """Refuse, before it is tried, what cannot be held: every row has an element in every block."""
    # At the peak there are the blocks, each with its row pointers, and the rows stacked from them: two values and
    # three indices of four bytes for every element.
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
        raise DataError(f"{_place(source, n_train, int(empty.argmax()))}: {what} must hold a label, got an empty cell")
    codes, names = pd.factorize(column)
    names = np.asarray(names, dtype=object)
    values = pd.to_numeric(pd.Series(names, dtype=object), errors="coerce").to_numpy(np.float64)
    # Text decides between two ways to write one number: they remain two classes, as they stand in the file.
    order = np.lexsort((names.astype(str), values if np.isfinite(values).all() else np.zeros(len(names))))
    return class_labels(np.argsort(order)[codes], names[order].tolist(), source, n_train)


def _numbers(column: pd.Series, what: str, source: Source, n_train: int | None) -> npt.NDArray[np.float64]:
    import pandas as pd

    values: npt.NDArray[np.float64] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    limit = min(_MAX_NUMBER, float(np.finfo(source.dtype).max))
    bad = ~(np.abs(values) <= limit)  # also where it is not a number
    if bad.any():
        row = int(bad.argmax())
        text = column.iloc[row]
        got = repr(text[:40]) if text else "an empty cell"
        raise DataError(
            f"{_place(source, n_train, row)}: {what} must hold numbers of at most {limit:.3g} in size, got {got}"
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


def _place(source: Source, n_train: int | None, row: int) -> str:
    """Return the file and line (in Parquet the row, from 1) of a row of the training and test rows together."""
    path = source.path
    if n_train is not None and row >= n_train:
        path, row = source.test, row - n_train
    assert path is not None
    if source.kind == "parquet":
        return f"{path}: row {row + 1}"
    # The first row that was read holds the names.
    number, _ = next(itertools.islice(_csv_rows(path), row + 1, None))
    return f"{path}:{number}"


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

"""Reading CSV and Parquet files into columns of text, and naming the line of a fault."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gradcode.datasets.labels import shown
from gradcode.datasets.reading import READ_ERRORS, open_data, plain_suffix, unreadable
from gradcode.datasets.source import Source
from gradcode.errors import DataError, MissingExtra

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["place_of", "read_frame", "with_test_rows"]


def read_frame(path: str, source: Source) -> pd.DataFrame:
    """Read a file of `source`, of the kind that it says.

    Returns
    -------
    pandas.DataFrame
        Columns of text, with distinct names, and at least one row. An empty cell is an empty text.

    Raises
    ------
    DataError
        If the file cannot be read or used.
    MissingExtra
        If a library that reads it is not installed.
    """
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


def with_test_rows(frame: pd.DataFrame, test: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Return the training rows `frame` and then the rows `test`, with the columns of the training file.

    Raises
    ------
    DataError
        If the files have different columns.
    """
    import pandas as pd

    wanted = [name for name in frame.columns if name not in source.drop]
    lacking = [name for name in wanted if name not in test.columns]
    extra = [name for name in test.columns if name not in frame.columns]
    if lacking or extra:
        what = f"lacks {shown(lacking)}" if lacking else f"also has {shown(extra)}"
        raise DataError(f"{source.test}: must have the columns of {source.path}, but {what}")
    return pd.concat([frame[wanted], test[wanted]], ignore_index=True)


def place_of(source: Source, n_train: int | None, row: int) -> str:
    """Return the file and line of a row, as text for a message; for Parquet the row, counted from 1.

    Parameters
    ----------
    source : Source
        The files.
    n_train : int or None
        Number of rows of the training file; None without a test file.
    row : int
        Index among the rows of the training file and then those of the test file.
    """
    path = source.path
    if n_train is not None and row >= n_train:
        path, row = source.test, row - n_train
    assert path is not None
    if source.kind == "parquet":
        return f"{path}: row {row + 1}"
    # The first row holds the column names.
    number, _ = next(itertools.islice(_csv_rows(path), row + 1, None))
    return f"{path}:{number}"


def _read_csv(path: str) -> pd.DataFrame:
    import pandas as pd

    separator = _separator(path)
    try:
        with open_data(path) as file:
            # Read the names as a row: pandas would rename a second column of the same name.
            frame = pd.read_csv(
                file, sep=separator, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
            )
    except READ_ERRORS as error:
        raise unreadable(path, error) from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: must hold a line of column names, got an empty file") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise _first_fault(path) or DataError(f"{path}: cannot be read as CSV: {str(error).strip()}") from None
    # pandas pads a row that is too short with empty cells.
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
    """Return the error for the first line that is not UTF-8, or the first row that is too short or too long."""
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
    except csv.Error:  # such as a field beyond the module's limit: the message of pandas will do
        return None
    return None


def _csv_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that pandas reads, each after the number of the line where it ends."""
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
        # Pass an open file: pandas might take a name for a URL.
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

"""Which data a run trains on, and how to make rows of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from gradcode._options import Option
from gradcode._validate import check_dtype, check_int, check_number
from gradcode.datasets.reading import plain_suffix
from gradcode.linear.targets import Target

__all__ = ["DATA_PANEL", "TABLE_FIELDS", "Format", "Kind", "Source"]

Format = Literal["auto", "libsvm", "csv", "parquet"]
Kind = Literal["built-in", "libsvm", "csv", "parquet"]

_MAX_SEED = 2**32 - 1
_SUFFIXES: dict[str, Kind] = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
TABLE_FIELDS = ("label", "numeric", "categorical", "drop", "interactions", "exclude_interactions")
"""The fields that describe the columns of CSV and Parquet files."""

DATA_PANEL = "Data"
"""Heading of the options for data."""


def _pair(text: str) -> tuple[str, str]:
    """Return the two columns of A:B, as the option has them."""
    columns = text.split(":")
    if len(columns) != 2 or not all(columns):
        raise ValueError(f"exclude-interaction must be two columns with a colon between them, got {text!r}")
    return columns[0], columns[1]


@dataclass(frozen=True)
class Source:
    """Which data to train on, and how to make rows of them.

    In CSV and Parquet files, every column is a category unless it is the label, dropped or `numeric`. A category
    becomes one column for each of its values. Columns keep the order of the file; pairs follow, and a constant column
    comes last.

    Parameters
    ----------
    path : path-like or None, optional
        The file; None for data that come with scikit-learn.
    format : {"auto", "libsvm", "csv", "parquet"}, optional
        With ``"auto"``, names in .csv and .tsv are CSV, names in .parquet and .pq are Parquet, and all others are
        LIBSVM. CSV and LIBSVM files may be compressed (.gz, .bz2, .xz, .zst).
    label : str or None, optional
        The column of labels. CSV and Parquet need it.
    numeric : sequence of str, optional
        Columns of numbers. They are scaled to mean 0 and variance 1 over the training rows; a column that is constant
        there becomes 0.
    categorical : sequence of str, optional
        Columns of numbers with a fraction that are categories all the same. Such a column must be named here, or as
        `numeric` or `drop`.
    drop : sequence of str, optional
        Columns to leave out.
    interactions : bool, optional
        Add a category for every pair of categorical columns.
    exclude_interactions : sequence of pairs of str, optional
        Pairs that get no category, in either order.
    test : path-like or None, optional
        A file of the same format with the test rows; None to hold out some rows of `path`.
    test_share : float, optional
        Share of the rows to hold out if there is no `test`, between 0 and 1.
    target : {"binary", "classes", "number"}, optional
        The kind of labels: two classes, which become -1 and +1; two or more, which become 0, 1, ...; real numbers.
    stratify : bool, optional
        Hold out the same share of every class. Ignored if the target is a number.
    seed : int, optional
        Determines which rows are held out.
    dtype : {"float64", "float32"}, optional
        Element type of the rows.

    Raises
    ------
    ValueError, TypeError
        Naming the field, the rule and the value.

    Examples
    --------
    >>> Source("employees.csv.gz", label="ACTION").kind
    'csv'
    >>> Source("a9a", label="ACTION")
    Traceback (most recent call last):
        ...
    ValueError: label must be left out for libsvm data, which have no named columns, got 'ACTION'
    """

    path: Annotated[
        str | None,
        Option(
            "LIBSVM or CSV (.csv, .tsv), also as .gz or .bz2, or Parquet.",
            DATA_PANEL,
            default="data that comes with scikit-learn: digits, odd or even; with --loss multinomial, the ten digits; "
            "with squared, diabetes",
            name="data",
            type=Path,
            read=str,
        ),
    ] = None
    format: Annotated[Format, Option("Format of the data. auto goes by the name of the file.", DATA_PANEL)] = "auto"
    label: Annotated[
        str | None, Option("Column of labels, in CSV and Parquet files.", DATA_PANEL, metavar="COLUMN")
    ] = None
    numeric: Annotated[
        tuple[str, ...],
        Option("Column of numbers, to be standardised. Repeatable.", DATA_PANEL, metavar="COLUMN"),
    ] = ()
    categorical: Annotated[
        tuple[str, ...],
        Option("Column of decimal numbers that are categories. Repeatable.", DATA_PANEL, metavar="COLUMN"),
    ] = ()
    drop: Annotated[tuple[str, ...], Option("Column to leave out. Repeatable.", DATA_PANEL, metavar="COLUMN")] = ()
    interactions: Annotated[bool, Option("Add a category for every pair of categorical columns.", DATA_PANEL)] = False
    exclude_interactions: Annotated[
        tuple[tuple[str, str], ...],
        Option(
            "Pair of columns that gets no category. Repeatable.",
            DATA_PANEL,
            name="exclude_interaction",
            metavar="A:B",
            read=_pair,
        ),
    ] = ()
    test: Annotated[
        str | None,
        Option("File of test rows, in the same format.", DATA_PANEL, default="a part of the data", type=Path, read=str),
    ] = None
    test_share: Annotated[
        float, Option("Share of the data that is held out, without --test.", DATA_PANEL, default="{default:g}")
    ] = 0.2
    target: Target = "binary"
    stratify: bool = True
    seed: int = 0
    dtype: Annotated[
        str,
        Option(
            "Type of data, parameters, gradients and, without --wire-dtype, messages.",
            "Optimisation",
            default="{default}, or float32 with --wire-dtype",
            choices=("float32", "float64"),
            after="seed",
        ),
    ] = "float64"

    def __post_init__(self) -> None:
        """Check every field, and that they fit each other."""
        for name in ("path", "test"):
            self._set(name, _as_path(name, getattr(self, name)))
        for name in ("numeric", "categorical", "drop"):
            self._set(name, _as_names(name, getattr(self, name)))
        self._set("exclude_interactions", _as_pairs("exclude_interactions", self.exclude_interactions))
        for name, allowed in (("format", get_args(Format)), ("target", get_args(Target))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        for name in ("interactions", "stratify"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if self.label is not None and not (isinstance(self.label, str) and self.label):
            raise TypeError(f"label must be the name of a column, got {self.label!r}")
        self._set("seed", check_int("seed", self.seed, 0, _MAX_SEED))
        self._set("dtype", check_dtype("dtype", self.dtype).name)
        self._set("test_share", check_number("test_share", self.test_share, 0, strict=True))
        if self.test_share >= 1:
            raise ValueError(f"test_share must be below 1, got {self.test_share!r}")
        self._check_files()
        self._check_columns()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_files(self) -> None:
        if self.path is None:
            for name, default in (("format", "auto"), ("test", None)):
                if getattr(self, name) != default:
                    raise ValueError(f"{name} must be left out for built-in data, got {getattr(self, name)!r}")
        elif self.test is not None and self.format == "auto" and _kind(self.test) != self.kind:
            raise ValueError(
                f"test must be a file of the format of path, {self.kind}, got {self.test!r}, "
                f"which is {_kind(self.test)} by its name; format decides for both"
            )

    def _check_columns(self) -> None:
        if self.kind not in ("csv", "parquet"):
            for name in TABLE_FIELDS:
                if getattr(self, name):
                    raise ValueError(
                        f"{name} must be left out for {self.kind} data, which have no named columns, "
                        f"got {getattr(self, name)!r}"
                    )
            return
        if self.label is None:
            raise ValueError(f"label must name the column of labels of a {self.kind} file, got None")
        roles = {"label": (self.label,), "numeric": self.numeric, "categorical": self.categorical, "drop": self.drop}
        for first, second in itertools.combinations(roles, 2):
            for name in roles[first]:
                if name in roles[second]:
                    raise ValueError(f"{first} and {second} must not name the same column, got {name!r}")
        if self.exclude_interactions and not self.interactions:
            raise ValueError(f"exclude_interactions needs interactions, got {self.exclude_interactions!r} without")
        for pair in self.exclude_interactions:
            for name in pair:
                for role in ("label", "numeric", "drop"):
                    if name in roles[role]:
                        raise ValueError(
                            f"exclude_interactions must name categorical columns, got {name!r}, which {role} names"
                        )

    @property
    def kind(self) -> Kind:
        """Format of `path`, as `format` or the name says."""
        if self.path is None:
            return "built-in"
        return _kind(self.path) if self.format == "auto" else self.format

    @property
    def name(self) -> str:
        """Name of the data in reports.

        Examples
        --------
        >>> Source("/some/where/a9a.bz2").name, Source().name, Source(target="number").name
        ('a9a.bz2', 'digits', 'diabetes')
        """
        if self.path is None:
            return "diabetes" if self.target == "number" else "digits"
        return Path(self.path).name


def _kind(path: str) -> Kind:
    return _SUFFIXES.get(plain_suffix(path), "libsvm")


def _as_path(name: str, value: Any) -> str | None:
    if value is None:
        return None
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(path, str):
        raise TypeError(f"{name} must be a str or a path-like object of str, got {path!r}")
    if not path:
        raise ValueError(f"{name} must be the name of a file, got ''")
    return path


def _as_names(name: str, value: Any) -> tuple[str, ...]:
    rule = f"{name} must be a sequence of column names"
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(f"{rule}, got {value!r}")
    names = tuple(value)
    for column in names:
        if not (isinstance(column, str) and column):
            raise TypeError(f"{rule}, got {column!r}")
        if names.count(column) > 1:
            raise ValueError(f"{name} must not name a column twice, got {column!r}")
    return names


def _as_pairs(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    rule = f"{name} must be a sequence of pairs of column names"
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(f"{rule}, got {value!r}")
    pairs = []
    for pair in value:
        names = _as_names(name, pair)
        if len(names) != 2:
            raise ValueError(f"{rule}, got {pair!r}")
        pairs.append((names[0], names[1]))
    return tuple(pairs)

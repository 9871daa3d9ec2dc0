"""Preparing data for the ranks, with all checks that are possible before the ranks start."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gradcode.datasets.cache import cached
from gradcode.datasets.loading import load
from gradcode.datasets.prepared import open_prepared, save
from gradcode.datasets.source import Source
from gradcode.errors import DataError

__all__ = ["prepare"]


def prepare(
    source: Source,
    directory: str | os.PathLike[str],
    *,
    shares: int,
    chunks: int = 1,
    use_cache: bool = True,
    cache: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Read, check and split the data of `source`, and write them to disk for the ranks.

    Parameters
    ----------
    source : Source
        The data.
    directory : path-like
        Where to write data that are not cached: built-in data, and all data without `use_cache`.
    shares : int
        Number of shares of the training rows; each needs a row.
    chunks : int, optional
        Number of parts in which a share is computed; each needs a row.
    use_cache : bool, optional
        Use data that an earlier run prepared, and keep them for later runs.
    cache : Path, optional
        The directory of the cache; by default `default_cache`.
    say : callable, optional
        Called with one line of text about the current step.

    Returns
    -------
    Path
        The directory for `open_prepared`: `directory`, or one in the cache.

    Raises
    ------
    DataError, ValueError
        If a file does not exist, cannot be used or has too few rows. Nothing is written to `directory` then.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_prepared(prepare(Source(), folder, shares=6))
    Prepared('digits', n_train=1437, n_test=360, n_features=2145, dtype='float64')
    """
    for name, path in (("data", source.path), ("test", source.test)):
        if path is not None and not Path(path).is_file():
            rule = "a file, got a directory" if Path(path).is_dir() else "a file that exists"
            raise DataError(f"{name} must be {rule}: {path}")
    if use_cache and source.path is not None:
        folder = cached(source, cache, say)
        _check_rows(open_prepared(folder).n_train, shares, chunks)
        return folder
    if say is not None:
        say(f"preparing {source.name}")
    dataset = load(source)
    _check_rows(dataset.train_X.shape[0], shares, chunks)
    save(dataset, directory)
    return Path(directory)


def _check_rows(n_train: int, shares: int, chunks: int) -> None:
    rows = n_train // shares
    if rows < 1:
        raise DataError(f"data must have a training row for each of {shares} shares, got {n_train}")
    if chunks > rows:
        raise ValueError(f"chunks must be at most the {rows} rows of a share, got {chunks}")

"""Prepared data kept between runs, found again by what they were made from."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from gradcode._version import __version__
from gradcode.datasets.loading import load
from gradcode.datasets.prepared import FORMAT, open_prepared, save
from gradcode.datasets.reading import unreadable
from gradcode.datasets.source import Source
from gradcode.errors import DataError

__all__ = ["cached", "default_cache"]

# More attempts than this would mean that somebody keeps damaging the directory.
_ATTEMPTS = 5


def cached(source: Source, directory: Path | None = None, say: Callable[[str], None] | None = None) -> Path:
    """Return the directory of the prepared data of `source`, and make it if it is not there.

    It is found by the content and the names of the files and all other fields of `source`, so that a file which has
    changed is prepared again. It appears in one step; of several processes that make it at once, the first wins and
    the others use what it made. One that does not open is replaced.

    Parameters
    ----------
    source : Source
        With a path; built-in data are not cached.
    directory : Path, optional
        The cache; by default `default_cache`. Made if need be.
    say : callable, optional
        Gets one line of text: what is being done, and where.

    Returns
    -------
    Path
        To be opened with `open_prepared`.

    Raises
    ------
    DataError
        If the data cannot be read or used, or the cache cannot be written.
    MissingExtra
        If a library that reads the data is not installed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "tiny.svm")
    ...     _ = path.write_text(("0 1:0.5 3:2" + chr(10) + "1 2:1" + chr(10)) * 5)
    ...     first = cached(Source(path), Path(folder, "cache"))
    ...     open_prepared(first), cached(Source(path), Path(folder, "cache")) == first
    (Prepared('tiny.svm', n_train=8, n_test=2, n_features=4, dtype='float64'), True)
    """
    files = [path for path in (source.path, source.test) if path is not None]
    if not files:
        raise ValueError(f"source must name a file to be cached, got {source!r}")
    say = say or (lambda _: None)
    root = default_cache() if directory is None else Path(directory)
    before = [_state(path) for path in files]
    folder = root / _key(source, files)
    if _opens(folder):
        say(f"reading the prepared data in {folder}")
        return folder
    say(f"preparing {source.name}, kept in {folder}")
    passing = root / f".{folder.name}.{uuid.uuid4().hex}"
    try:
        _make(passing)
        save(load(source), passing)
        for path, state in zip(files, before, strict=True):
            if _state(path) != state:
                raise DataError(f"{path}: must not change while it is read; it did, so start again")
        _publish(passing, folder)
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    return folder


def default_cache() -> Path:
    """Return $GRADCODE_CACHE, else $XDG_CACHE_HOME/gradcode, else ~/.cache/gradcode.

    Examples
    --------
    >>> default_cache().is_absolute()
    True
    """
    try:
        if own := os.environ.get("GRADCODE_CACHE"):
            return Path(own).expanduser().absolute()
        # The standard says that a relative path is to be ignored.
        shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (shared if shared.is_absolute() else Path("~/.cache").expanduser()) / "gradcode"
    except RuntimeError as error:  # there is no home directory
        raise DataError(f"the cache needs a directory: {error}; name one in GRADCODE_CACHE, or do without") from None


def _key(source: Source, files: list[str]) -> str:
    """Return what distinguishes the data, as a name for a directory."""
    values = dataclasses.asdict(source) | {"format": source.kind}
    del values["path"], values["test"]
    # Names are shown in reports; where a file lies is not.
    contents = [[Path(path).name, _digest(path)] for path in files]
    text = json.dumps([FORMAT, __version__, values, contents], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _digest(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, hashlib.blake2b).hexdigest()
    except OSError as error:
        raise unreadable(path, error) from None


def _state(path: str) -> tuple[int, ...]:
    try:
        about = Path(path).stat()
    except OSError as error:
        raise unreadable(path, error) from None
    return about.st_ino, about.st_size, about.st_mtime_ns


def _opens(folder: Path) -> bool:
    try:
        open_prepared(folder)
    except DataError:
        return False
    return True


def _make(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as error:
        raise _unwritable(folder.parent, error) from None


def _publish(passing: Path, folder: Path) -> None:
    """Rename `passing` to `folder`, unless another process has been faster."""
    for _ in range(_ATTEMPTS):
        try:
            passing.rename(folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise _unwritable(folder.parent, error) from None
        if _opens(folder):
            return
        # Renamed first: whoever looks meanwhile finds either the damaged directory or none.
        damaged = passing.with_name(f"{passing.name}.damaged")
        try:
            folder.rename(damaged)
        except FileNotFoundError:  # somebody else was about to do the same
            continue
        except OSError as error:
            raise _unwritable(folder.parent, error) from None
        if damaged.is_dir():
            shutil.rmtree(damaged, ignore_errors=True)
        else:
            damaged.unlink(missing_ok=True)
    raise DataError(f"{folder}: cannot be replaced, though it is damaged; remove it")


def _unwritable(root: Path, error: OSError) -> DataError:
    return DataError(
        f"the cache directory {root} cannot be written: {error.strerror or error}; "
        "name another one in GRADCODE_CACHE, or do without the cache"
    )

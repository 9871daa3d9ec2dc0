"""A cache of prepared data, found by the content of the files from which they were made."""

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

# Give up after this many attempts: something keeps damaging the directory.
_ATTEMPTS = 5


def cached(source: Source, directory: Path | None = None, say: Callable[[str], None] | None = None) -> Path:
    """Return the directory of the prepared data of `source`, and prepare them if it does not exist.

    The directory is found by the content and the names of the files and by all other fields of `source`, so a file
    that has changed is prepared again. The directory appears in one step. If several processes prepare the same data,
    the first wins and the others use its directory. A damaged directory is replaced.

    Parameters
    ----------
    source : Source
        Must have a path: built-in data are not cached.
    directory : Path, optional
        The cache; by default `default_cache`. It is created if needed.
    say : callable, optional
        Called with one line of text about the current step.

    Returns
    -------
    Path
        The directory for `open_prepared`.

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
    temporary = root / f".{folder.name}.{uuid.uuid4().hex}"
    try:
        _make(temporary)
        save(load(source), temporary)
        for path, state in zip(files, before, strict=True):
            if _state(path) != state:
                raise DataError(f"{path}: must not change while it is read; it did, so start again")
        _publish(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
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
        # The standard says to ignore a relative path.
        shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (shared if shared.is_absolute() else Path("~/.cache").expanduser()) / "gradcode"
    except RuntimeError as error:  # no home directory
        raise DataError(f"the cache needs a directory: {error}; name one in GRADCODE_CACHE, or do without") from None


def _key(source: Source, files: list[str]) -> str:
    """Return the name of the directory for these data: a digest of all that they are made from."""
    values = dataclasses.asdict(source) | {"format": source.kind}
    del values["path"], values["test"]
    # Reports show the names of files, but not their directories.
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


def _publish(temporary: Path, folder: Path) -> None:
    """Rename `temporary` to `folder`, unless another process was faster."""
    for _ in range(_ATTEMPTS):
        try:
            temporary.rename(folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise _unwritable(folder.parent, error) from None
        if _opens(folder):
            return
        # Rename before removing: other processes see either the whole damaged directory or none.
        damaged = temporary.with_name(f"{temporary.name}.damaged")
        try:
            folder.rename(damaged)
        except FileNotFoundError:  # another process has just done the same
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

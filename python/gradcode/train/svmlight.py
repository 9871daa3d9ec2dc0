"""Finding the first fault in a file of LIBSVM text, for a message with its line number."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gradcode.errors import DataError

__all__ = ["first_fault", "unreadable"]

_MAX_INDEX = 2**31 - 1


def unreadable(path: str, error: Exception) -> DataError:
    """Return the error that says why a file cannot be read."""
    if Path(path).is_dir():
        return DataError(f"{path}: must be a file, got a directory")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError(f"{path}: cannot be read: {reason}")


def _open_text(path: str) -> Any:
    """Open as the reader of the first pass does, so that both see the same lines."""
    opener: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open}
    return opener.get(Path(path).suffix, open)(path, "rb")


def first_fault(path: str, dtype: np.dtype[Any]) -> DataError | None:
    """Return the error that names the first offending line, or None where every line is well-formed."""
    try:
        with _open_text(path) as lines:
            for number, line in enumerate(lines, 1):
                fault = _line_fault(line.split(b"#", 1)[0].split(), dtype)
                if fault:
                    return DataError(f"{path}:{number}: {fault}")
    except (OSError, EOFError, zlib.error) as error:
        return unreadable(path, error)
    return None


def _line_fault(fields: list[bytes], dtype: np.dtype[Any]) -> str | None:
    """Return what is wrong with the fields of one line, counting them from 1."""
    if not fields:
        return None
    label = _number(fields[0], np.dtype(np.float64))
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

"""Argument checks; their error messages name the argument, the rule and the value."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_array", "as_generator_matrix", "check_dtype", "check_int", "check_number", "check_workers"]

_DTYPES = ("float32", "float64")
_NATIVE = tuple(np.dtype(name) for name in _DTYPES)


def check_int(name: str, value: Any, low: int, high: int | None = None, context: str = "") -> int:
    """Return `value` as an int in low..high (no upper limit where `high` is None)."""
    rule = f"an integer of at least {low}" if high is None else f"an integer in {low}..{high}"
    suffix = f" with {context}" if context else ""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {rule}, got {value!r}{suffix}")
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be {rule}, got {value!r}{suffix}") from None
    if result < low or (high is not None and result > high):
        raise ValueError(f"{name} must be {rule}, got {result}{suffix}")
    return result


def check_number(name: str, value: Any, low: float, *, strict: bool = False) -> float:
    """Return `value` as a finite float of at least `low`; with `strict`, above `low`."""
    rule = f"a finite number {'above' if strict else 'of at least'} {low:g}"
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise TypeError(f"{name} must be {rule}, got {value!r}")
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be {rule}, got {value!r}") from None
    except OverflowError:
        result = np.inf
    if not np.isfinite(result) or result < low or (strict and result == low):
        raise ValueError(f"{name} must be {rule}, got {result!r}")
    return result


def check_dtype(name: str, value: Any) -> np.dtype[Any]:
    """Return `value` as one of the element types that the kernels take."""
    try:
        dtype: np.dtype[Any] = np.dtype(value)
    except TypeError:
        raise TypeError(f"{name} must be one of {', '.join(_DTYPES)}, got {value!r}") from None
    if dtype not in _NATIVE:  # a swapped byte order is another type
        got = dtype.name if dtype.isnative else dtype.str
        raise TypeError(f"{name} must be one of {', '.join(_DTYPES)}, got {got}")
    return dtype


def check_workers(name: str, workers: Iterable[Any], n_workers: int, limit: str = "n_workers") -> tuple[int, ...]:
    """Return `workers` as a tuple of distinct ints in 0..n_workers-1, in the order given."""
    result = []
    if not isinstance(workers, Iterable):
        raise TypeError(f"{name} must be several integers in 0..{n_workers - 1}, got {workers!r}")
    for worker in workers:
        try:
            index = operator.index(worker)
        except TypeError:
            raise TypeError(f"{name} must be integers in 0..{n_workers - 1}, got {worker!r}") from None
        if not 0 <= index < n_workers:
            raise ValueError(f"{name} must be in 0..{n_workers - 1}, got {index} with {limit}={n_workers}")
        result.append(index)
    if len(set(result)) != len(result):
        twice = next(w for w in result if result.count(w) > 1)
        raise ValueError(f"{name} must be distinct, got {twice} twice")
    return tuple(result)


def as_array(name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return `value` as a rectangular array."""
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be a rectangular array, got rows of different lengths") from None


def as_generator_matrix(name: str, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a float64 copy of a real, finite, two-dimensional array."""
    array = as_array(name, value)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must be a non-empty two-dimensional array, got shape {array.shape}")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}")
    result = np.array(array, dtype=np.float64, order="C")
    if not np.isfinite(result).all():
        raise ValueError(f"{name} must be finite, got {result[~np.isfinite(result)][0]}")
    return result

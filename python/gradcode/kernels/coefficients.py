"""The small tables of coefficients and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_table", "rounded"]


def as_table(name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return coefficients as a non-empty array of real numbers in one or two dimensions."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, got a MaskedArray, whose mask would be lost")
    try:
        table = np.asarray(value)
    except Exception as error:  # another library may raise anything
        raise TypeError(f"{name} must be an array of real numbers, got {type(value).__name__}: {error}") from error
    if table.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got dtype {table.dtype}")
    if table.ndim not in (1, 2) or table.size == 0:
        raise ValueError(f"{name} must be a non-empty array of one or two dimensions, got shape {table.shape}")
    return table


def rounded(name: str, table: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a table in the type of the buffers; refuse numbers that are too large for it."""
    if table.dtype == dtype:
        result: npt.NDArray[Any] = table if table.flags.c_contiguous else np.ascontiguousarray(table)
    else:
        with np.errstate(over="ignore"):
            result = np.ascontiguousarray(table, dtype=dtype)
    if not np.logical_and.reduce(np.isfinite(result), axis=None):  # the method `all` takes twice as long
        value = table[~np.isfinite(result)][0]
        raise ValueError(f"{name} must be finite in {dtype}, got {value}")
    return result

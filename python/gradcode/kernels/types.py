"""Element types: float32 and float64, and the 16-bit types of messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_dtype

__all__ = ["FLOAT32", "NATIVE", "WIRE", "message_dtype", "roundoff", "type_name", "widened", "wire_name"]

FLOAT32: np.dtype[Any] = np.dtype(np.float32)
NATIVE: tuple[np.dtype[Any], ...] = (FLOAT32, np.dtype(np.float64))

# What holds messages of 16 bits: NumPy has no bfloat16.
WIRE: dict[str, np.dtype[Any]] = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(np.uint16)}
# By how much rounding to one of them changes a number at most: relatively, or, of tiny ones, absolutely.
_ROUNDOFF = {"float16": (2.0**-11, 2.0**-25), "bfloat16": (2.0**-8, 2.0**-134)}


def wire_name(wire_dtype: Any, dtype: npt.DTypeLike) -> str | None:
    """Return the name of the 16-bit type of messages, None if they have the type of the gradients.

    Parameters
    ----------
    wire_dtype : {None, "float16", "bfloat16"} or dtype
        The type, also as ``np.float16``, ``ml_dtypes.bfloat16``, ``torch.bfloat16`` and the like.
    dtype : dtype
        Element type of the gradients, float32 or float64.

    Raises
    ------
    ValueError, TypeError
        If it is another type, or the gradients are not float32.

    Examples
    --------
    >>> import numpy as np
    >>> wire_name(np.float16, "float32")
    'float16'
    >>> wire_name("bfloat16", "float64")
    Traceback (most recent call last):
        ...
    ValueError: wire_dtype must be None with dtype float64, got bfloat16: 16-bit messages are of float32 gradients
    """
    dtype = check_dtype("dtype", dtype)
    if wire_dtype is None:
        return None
    if isinstance(wire_dtype, (bool, int, float, complex)):
        raise TypeError(f"wire_dtype must be None, float16 or bfloat16, got {wire_dtype!r}")
    name = type_name(wire_dtype)
    if name not in WIRE or getattr(wire_dtype, "isnative", True) is False:
        raise ValueError(f"wire_dtype must be None, float16 or bfloat16, got {wire_dtype!r}")
    if dtype != FLOAT32:
        raise ValueError(
            f"wire_dtype must be None with dtype {dtype.name}, got {name}: 16-bit messages are of float32 gradients"
        )
    return name


def message_dtype(dtype: npt.DTypeLike, wire_dtype: Any = None) -> np.dtype[Any]:
    """Return the NumPy element type of a buffer for a message.

    Parameters
    ----------
    dtype : dtype
        Element type of the gradients, float32 or float64.
    wire_dtype : {None, "float16", "bfloat16"} or dtype
        See `wire_name`.

    Returns
    -------
    dtype
        `dtype` itself; or float16, or uint16 for the bits of bfloat16.

    Examples
    --------
    >>> message_dtype("float32"), message_dtype("float32", "bfloat16")
    (dtype('float32'), dtype('uint16'))
    """
    name = wire_name(wire_dtype, dtype)
    return check_dtype("dtype", dtype) if name is None else WIRE[name]


def type_name(dtype: Any) -> str:
    """Return the name of an element type of any library."""
    if isinstance(dtype, str):
        return dtype
    if isinstance(dtype, type):
        return dtype.__name__
    name = getattr(dtype, "name", None)
    return name if isinstance(name, str) else str(dtype).rpartition(".")[2]  # torch.float32


def roundoff(wire: str) -> tuple[float, float]:
    """Return the largest relative error of rounding to a 16-bit type, and the largest error of tiny numbers."""
    return _ROUNDOFF[wire]


def widened(message: npt.NDArray[Any], wire: str | None) -> npt.NDArray[Any]:
    """Return a message, or a part of one, in float32 where it is of 16 bits."""
    if wire is None:
        return message
    if wire == "float16":
        return message.astype(np.float32)
    return (message.astype(np.uint32) << 16).view(np.float32)

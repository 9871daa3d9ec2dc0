"""The four element types of messages: their names, buffers, precision and condition limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_dtype

__all__ = [
    "BFLOAT16",
    "FLOAT32",
    "MESSAGE_TYPES",
    "MessageType",
    "message_dtype",
    "message_type",
    "type_name",
    "wire_name",
]


@dataclass(frozen=True)
class MessageType:
    """The element type of messages.

    Attributes
    ----------
    name : str
        "float64", "float32", "float16" or "bfloat16".
    gradient : dtype
        NumPy type of the gradients that are encoded, and of the sum that is decoded: float64 or float32.
    buffer : dtype
        NumPy type of a buffer for messages; uint16 for bfloat16, which NumPy lacks.
    roundoff : float
        The largest relative error of rounding a number to this type.
    tiny : float
        The largest absolute error of rounding a number near zero, where the relative error can be larger.
    digits : int
        Decimal digits that a number keeps, rounded down.
    condition_limit : float
        The largest condition number that leaves about half of the digits. Decoders wait for more survivors above it.
    """

    name: str
    gradient: np.dtype[Any]
    buffer: np.dtype[Any]
    roundoff: float
    tiny: float
    digits: int
    condition_limit: float

    @cached_property
    def wire(self) -> str | None:
        """The name, if messages have another type than the gradients: float16 or bfloat16; else None."""
        return None if self.buffer == self.gradient else self.name

    def widen(self, message: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a message, or a part of one, in the type of the gradients; not a copy if it has that type.

        Examples
        --------
        >>> MESSAGE_TYPES["bfloat16"].widen(np.array([0x3F80], np.uint16))
        array([1.], dtype=float32)
        """
        if self.name == "bfloat16":
            return (message.astype(np.uint32) << 16).view(np.float32)
        return message.astype(self.gradient, copy=False)


MESSAGE_TYPES = {
    row[0]: MessageType(row[0], np.dtype(row[1]), np.dtype(row[2]), *row[3:])
    for row in (
        ("float64", np.float64, np.float64, 2.0**-53, 2.0**-1074, 15, 1e8),
        ("float32", np.float32, np.float32, 2.0**-24, 2.0**-150, 7, 1e4),
        ("float16", np.float32, np.float16, 2.0**-11, 2.0**-25, 3, 45.0),
        ("bfloat16", np.float32, np.uint16, 2.0**-8, 2.0**-134, 2, 16.0),
    )
}
FLOAT32, BFLOAT16 = MESSAGE_TYPES["float32"], MESSAGE_TYPES["bfloat16"]


def message_type(dtype: npt.DTypeLike, wire_dtype: Any = None) -> MessageType:
    """Return the type of messages.

    Parameters
    ----------
    dtype : dtype
        Element type of the gradients, float32 or float64.
    wire_dtype : {None, "float16", "bfloat16"} or dtype
        Type of messages of 16 bits, also as ``np.float16``, ``ml_dtypes.bfloat16``, ``torch.bfloat16`` and the like.

    Raises
    ------
    ValueError, TypeError
        If no messages have these types.

    Examples
    --------
    >>> message_type("float32", "bfloat16").buffer, message_type("float64").condition_limit
    (dtype('uint16'), 100000000.0)
    """
    return MESSAGE_TYPES[wire_name(wire_dtype, dtype) or np.dtype(dtype).name]


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
    return message_type(dtype, wire_dtype).buffer


def wire_name(wire_dtype: Any, dtype: npt.DTypeLike) -> str | None:
    """Return the name of the 16-bit type of messages; None if they have the type of the gradients.

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
    if name not in MESSAGE_TYPES or MESSAGE_TYPES[name].wire is None or getattr(wire_dtype, "isnative", True) is False:
        raise ValueError(f"wire_dtype must be None, float16 or bfloat16, got {wire_dtype!r}")
    if dtype != FLOAT32.gradient:
        raise ValueError(
            f"wire_dtype must be None with dtype {dtype.name}, got {name}: 16-bit messages are of float32 gradients"
        )
    return name


def type_name(dtype: Any) -> str:
    """Return the name of an element type of any library."""
    if isinstance(dtype, str):
        return dtype
    if isinstance(dtype, type):
        return dtype.__name__
    name = getattr(dtype, "name", None)
    return name if isinstance(name, str) else str(dtype).rpartition(".")[2]  # torch.float32

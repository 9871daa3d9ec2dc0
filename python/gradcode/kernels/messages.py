"""The four types of messages, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode.kernels.types import wire_name

__all__ = ["MESSAGE_TYPES", "MessageType", "message_type"]


@dataclass(frozen=True)
class MessageType:
    """The element type of messages.

    Attributes
    ----------
    name : str
        "float64", "float32", "float16" or "bfloat16".
    gradient : dtype
        NumPy type of the gradients that enter, and of the sum that is decoded: float64 or float32.
    buffer : dtype
        NumPy type of a buffer for messages; uint16 where they are of bfloat16, which NumPy lacks.
    roundoff : float
        The largest relative error of rounding a number to this type.
    tiny : float
        The largest absolute error of rounding a number that is too small for that.
    digits : int
        Decimal digits that a number keeps, rounded down.
    condition_limit : float
        Survivors with a larger condition number would lose more than about half of the digits.
    """

    name: str
    gradient: np.dtype[Any]
    buffer: np.dtype[Any]
    roundoff: float
    tiny: float
    digits: int
    condition_limit: float

    @property
    def wire(self) -> str | None:
        """The name where messages have another type than the gradients: float16 or bfloat16; else None."""
        return None if self.buffer == self.gradient else self.name


MESSAGE_TYPES = {
    row[0]: MessageType(row[0], np.dtype(row[1]), np.dtype(row[2]), *row[3:])
    for row in (
        ("float64", np.float64, np.float64, 2.0**-53, 2.0**-1074, 15, 1e8),
        ("float32", np.float32, np.float32, 2.0**-24, 2.0**-150, 7, 1e4),
        ("float16", np.float32, np.float16, 2.0**-11, 2.0**-25, 3, 45.0),
        ("bfloat16", np.float32, np.uint16, 2.0**-8, 2.0**-134, 2, 16.0),
    )
}


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
        If there are no such messages.

    Examples
    --------
    >>> message_type("float32", "bfloat16").buffer, message_type("float64").condition_limit
    (dtype('uint16'), 100000000.0)
    """
    return MESSAGE_TYPES[wire_name(wire_dtype, dtype) or np.dtype(dtype).name]

"""The sizes of messages and blocks."""

from __future__ import annotations

import numpy.typing as npt

from gradcode._validate import check_dtype, check_int

__all__ = ["block_size", "message_size"]

# From this size on, blocks start at multiples of a cache line, so that the rows of a decoded gradient are aligned.
_ALIGNED_BLOCK_BYTES = 64 * 1024
_CACHE_LINE_BYTES = 64


def message_size(gradient_size: int, parts: int, dtype: npt.DTypeLike) -> int:
    """Return the number of elements L in a message, which is the same for messages of 16 bits.

    Parameters
    ----------
    gradient_size : int
        Number of elements l of a gradient, at least 1.
    parts : int
        Number of blocks m into which a gradient is cut, at least 1.
    dtype : dtype
        Element type of the gradients, float32 or float64.

    Returns
    -------
    int
        l / m rounded up; where a block has 64 KiB or more, rounded up further to a multiple of 64 bytes.

    Examples
    --------
    >>> message_size(10, 4, "float32")
    3
    >>> message_size(2_000_001, 4, "float32")
    500016
    """
    gradient_size = check_int("gradient_size", gradient_size, 1)
    parts = check_int("parts", parts, 1)
    return block_size(gradient_size, parts, check_dtype("dtype", dtype).itemsize)


def block_size(gradient_size: int, parts: int, itemsize: int) -> int:
    """Return `message_size` of arguments that have been checked."""
    size = -(-gradient_size // parts)
    if size * itemsize >= _ALIGNED_BLOCK_BYTES:
        line = _CACHE_LINE_BYTES // itemsize
        size = -(-size // line) * line
    return size

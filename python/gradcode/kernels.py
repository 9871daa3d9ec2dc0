"""Encode and decode on NumPy arrays: the one door to the compiled kernels.

A gradient of l elements is cut into m contiguous blocks of L elements, L being the `message_size`; the last
blocks may be short or empty and count as padded with zeros. A message is a linear combination of blocks, a
decoded gradient a linear combination of messages.

No array is copied or cast: one that the kernels cannot take as it is (contiguous, aligned, native float32 or
float64) is refused. The small coefficient and weight tables are rounded to the type of the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import gc_core
from gc_core import solve
from gradcode._validate import check_dtype, check_int

__all__ = ["decode", "encode", "message_size", "solve"]

Array = npt.NDArray[np.floating[Any]]

# From this size on, blocks start at multiples of a cache line, so that the rows of a decoded gradient are aligned.
_ALIGNED_BLOCK_BYTES = 64 * 1024
_CACHE_LINE_BYTES = 64

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def message_size(gradient_size: int, parts: int, dtype: npt.DTypeLike) -> int:
    """Return the number of elements L in a message.

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
    return _block_size(gradient_size, parts, check_dtype("dtype", dtype).itemsize)


def encode(
    coefficients: npt.ArrayLike,
    gradients: Array | Sequence[Array],
    out: Array | None = None,
    *,
    accumulate: bool = False,
) -> Array:
    """Combine the blocks of one or several gradients into one message.

    ``out[t]`` is the sum over j and u of ``coefficients[j, u] * gradients[j][u*L + t]``.

    Parameters
    ----------
    coefficients : array_like, shape (k, m) or (m,)
        Coefficients of the m blocks of each of the k gradients, rounded to the type of the gradients. A zero
        skips its block, which is then not read.
    gradients : list or tuple of ndarray, shape (l,); or ndarray, shape (l,)
        The gradients; a single array if `coefficients` has one dimension.
    out : ndarray, shape (message_size(l, m, dtype),), optional
        Where the message goes; by default a new array.
    accumulate : bool, default False
        Add the message to `out` instead of overwriting it.

    Returns
    -------
    ndarray
        The message: `out`, if it was given.

    Examples
    --------
    Cut a gradient in two and send the sum of the halves, the second one doubled:

    >>> import numpy as np
    >>> gradient = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> message = encode([1, 2], gradient)
    >>> message
    array([ 9., 12.,  3.])

    A second gradient, added to the same message:

    >>> encode([[1, 0]], [np.ones(5)], message, accumulate=True)
    array([10., 13.,  4.])
    """
    table = _table("coefficients", coefficients)
    held: list[Array] | tuple[Array, ...]
    if table.ndim == 1:
        if not isinstance(gradients, np.ndarray):
            raise TypeError(
                f"gradients must be one array where coefficients have one dimension, got {type(gradients).__name__}"
            )
        table, held = table[np.newaxis], (gradients,)
    else:
        held = _held("gradients", gradients)
    parts = table.shape[1]
    if not held:
        raise ValueError("gradients must hold at least one array, got none")
    dtype = _check_vector("gradients" if isinstance(gradients, np.ndarray) else "gradients[0]", held[0])
    size = _block_size(held[0].size, parts, dtype.itemsize)
    if out is None:
        out = _new(size, dtype, accumulate)
    elif isinstance(out, np.ndarray) and out.size != size:
        raise ValueError(
            f"out must have {size} elements, message_size({held[0].size}, {parts}, {dtype}), got {out.size}"
        )
    return gc_core.encode(_rounded("coefficients", table, dtype), held, out, accumulate)


def decode(
    weights: npt.ArrayLike,
    messages: Sequence[Array],
    gradient_size: int,
    out: Array | None = None,
    *,
    accumulate: bool = False,
) -> Array:
    """Combine messages into the blocks of a gradient.

    ``out[u*L + t]`` is the sum over i of ``weights[u, i] * messages[i][t]``, for all elements of `out`.

    Parameters
    ----------
    weights : array_like, shape (m, S)
        Row u holds the weights of the messages in block u, rounded to the type of the messages. A zero skips its
        message for that block.
    messages : list or tuple of ndarray, shape (message_size(gradient_size, m, dtype),)
        The messages, in separate buffers.
    gradient_size : int
        Number of elements l of the gradient.
    out : ndarray, shape (l,), optional
        Where the gradient goes; by default a new array.
    accumulate : bool, default False
        Add the gradient to `out` instead of overwriting it. It is completed first and then added.

    Returns
    -------
    ndarray
        The gradient: `out`, if it was given.

    Examples
    --------
    The sum and the difference of two blocks give the blocks back:

    >>> import numpy as np
    >>> gradient = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> messages = [encode([1, 1], gradient), encode([1, -1], gradient)]
    >>> decode([[0.5, 0.5], [0.5, -0.5]], messages, 5)
    array([1., 2., 3., 4., 5.])
    """
    table = _table("weights", weights)
    if table.ndim != 2:
        raise ValueError(f"weights must have 2 dimensions, got {table.ndim}")
    gradient_size = check_int("gradient_size", gradient_size, 1)
    held = _held("messages", messages)
    if not held:
        raise ValueError("messages must hold at least one array, got none")
    dtype = _check_vector("messages[0]", held[0])
    size = _block_size(gradient_size, table.shape[0], dtype.itemsize)
    if held[0].size != size:
        raise ValueError(
            f"messages[0] must have {size} elements, message_size({gradient_size}, {table.shape[0]}, {dtype}), "
            f"got {held[0].size}"
        )
    if out is None:
        out = _new(gradient_size, dtype, accumulate)
    elif isinstance(out, np.ndarray) and out.size != gradient_size:
        raise ValueError(f"out must have {gradient_size} elements, gradient_size, got {out.size}")
    return gc_core.decode(_rounded("weights", table, dtype), held, out, accumulate)


def _block_size(gradient_size: int, parts: int, itemsize: int) -> int:
    """Return `message_size` of arguments that have been checked."""
    size = -(-gradient_size // parts)
    if size * itemsize >= _ALIGNED_BLOCK_BYTES:
        line = _CACHE_LINE_BYTES // itemsize
        size = -(-size // line) * line
    return size


def _table(name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return coefficients as a non-empty array of real numbers in one or two dimensions."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, got a MaskedArray, whose mask would be lost")
    table = np.asarray(value)
    if table.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got dtype {table.dtype}")
    if table.ndim not in (1, 2) or table.size == 0:
        raise ValueError(f"{name} must be a non-empty array of one or two dimensions, got shape {table.shape}")
    return table


def _rounded(name: str, table: npt.NDArray[Any], dtype: np.dtype[Any]) -> Array:
    """Return a table in the type of the buffers; one that is too large for it is refused."""
    if table.dtype == dtype:
        result: Array = np.ascontiguousarray(table)
    else:
        with np.errstate(over="ignore"):
            result = np.ascontiguousarray(table, dtype=dtype)
    if not np.isfinite(result).all():
        value = table[~np.isfinite(result)][0]
        raise ValueError(f"{name} must be finite in {dtype}, got {value}")
    return result


def _held(name: str, arrays: object) -> list[Array] | tuple[Array, ...]:
    """Return a list or tuple of arrays as it is; gc_core checks the arrays."""
    if not isinstance(arrays, (list, tuple)):
        raise TypeError(f"{name} must be a list or tuple of numpy.ndarray, got {type(arrays).__name__}")
    return arrays


def _check_vector(name: str, array: Any) -> np.dtype[Any]:
    """Return the type of the array that decides sizes and type of all others; gc_core checks the rest of it."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a numpy.ndarray, got {type(array).__name__}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have 1 dimension, got {array.ndim}")
    if array.size == 0:
        raise ValueError(f"{name} must have at least one element, got 0")
    # Comparing types is quick; only a message about a refused one needs its name, which is slow to make.
    return array.dtype if array.dtype in _DTYPES else check_dtype(f"{name}.dtype", array.dtype)


def _new(size: int, dtype: np.dtype[Any], accumulate: bool) -> Array:
    """Return a new output buffer."""
    if accumulate:
        raise ValueError("out must be given where accumulate is True, got None")
    return np.empty(size, dtype)

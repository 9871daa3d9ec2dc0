"""Linear combinations of blocks and of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import gc_core
from gradcode._validate import check_dtype, check_int
from gradcode.kernels import elsewhere
from gradcode.kernels.arrays import check_library, is_elsewhere, like, new, view_out, views, wire_of
from gradcode.kernels.coefficients import as_table, rounded
from gradcode.kernels.messages import BFLOAT16, FLOAT32, MESSAGE_TYPES, MessageType, message_type
from gradcode.kernels.sizes import block_size

__all__ = ["decode", "encode"]

# Messages of the type of the gradients, by that type.
_NATIVE = {kind.gradient: kind for kind in MESSAGE_TYPES.values() if kind.wire is None}


def encode(
    coefficients: npt.ArrayLike,
    gradients: Any,
    out: Any = None,
    *,
    accumulate: bool = False,
    wire_dtype: Any = None,
    num_threads: int | None = None,
) -> Any:
    """Combine the blocks of one or several gradients into one message.

    ``out[t]`` is the sum over j and u of ``coefficients[j, u] * gradients[j][u*L + t]``.

    Parameters
    ----------
    coefficients : array_like, shape (k, m) or (m,)
        Coefficients of the m blocks of each of the k gradients, rounded to the type of the gradients. A zero
        skips its block, which is then not read.
    gradients : list or tuple of array, shape (l,); or array, shape (l,)
        The gradients; a single array if `coefficients` has one dimension. NumPy arrays, or arrays with DLPack (of
        PyTorch, JAX and others), or buffers (``array.array``, ``memoryview``); float32 or float64, contiguous.
    out : array, shape (message_size(l, m, dtype),), optional
        Where the message goes; by default a new array.
    accumulate : bool, default False
        Add the message to `out` instead of overwriting it; not in 16 bits, since such a message is rounded once.
    wire_dtype : {None, "float16", "bfloat16"} or dtype, optional
        16-bit type of the message of float32 gradients, in NumPy float16, or uint16 for bfloat16. By default that of
        `out`, if that is a floating type of 16 bits, and otherwise the type of the gradients.
    num_threads : int, optional
        The most threads to use; by default the number of `set_num_threads`.

    Returns
    -------
    array
        The message: `out`, if it was given; otherwise of the kind of the first gradient, a NumPy array for buffers.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used; the message names argument, rule and value. Nothing has been written then.

    Notes
    -----
    Arrays on another device are combined there, by their own library. They must all be there, `out` included.

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

    A message in half precision, rounded once it is complete:

    >>> encode([1, 2], gradient.astype("float32"), wire_dtype="float16")
    array([ 9., 12.,  3.], dtype=float16)
    """
    table = as_table("coefficients", coefficients)
    held: list[Any] | tuple[Any, ...]
    if table.ndim == 1:
        if isinstance(gradients, (list, tuple)):
            raise TypeError(
                f"gradients must be one array where coefficients have one dimension, got {type(gradients).__name__}"
            )
        table, held, name = table[np.newaxis], (gradients,), "gradients"
    else:
        held, name = _held("gradients", gradients), "gradients[0]"
    if not held:
        raise ValueError("gradients must hold at least one array, got none")
    first = held[0]
    if type(first) is not np.ndarray and is_elsewhere(first):
        _no_threads(num_threads)
        return elsewhere.encode(table, held, out, accumulate, wire_dtype)

    parts = table.shape[1]
    arrays = views("gradients", held)
    kind = _check_vector(name, arrays[0], first)
    target, dtype = out, kind.gradient
    if wire_dtype is not None or not (out is None or (type(out) is np.ndarray and out.dtype == dtype)):
        target = None if out is None else view_out(out)
        kind = _type_of_message(wire_dtype, dtype, out, target)
    if accumulate and kind.wire is not None:
        raise ValueError(f"accumulate must be False with messages of {kind.name}: those of 16 bits are rounded once")
    size = block_size(arrays[0].size, parts, dtype.itemsize)
    if target is None:
        check_library(first, kind)
        target = _new(size, kind.buffer, accumulate, first)
    elif target.dtype != kind.buffer:
        raise TypeError(f"out must be {dtype} as gradients are, got {target.dtype}")
    elif target.size != size:
        raise ValueError(
            f"out must have {size} elements, message_size({arrays[0].size}, {parts}, {dtype}), got {target.size}"
        )
    gc_core.encode(rounded("coefficients", table, dtype), arrays, target, accumulate, num_threads)
    if out is not None:
        return out
    return target if type(first) is np.ndarray else like(target, first)


def decode(
    weights: npt.ArrayLike,
    messages: Sequence[Any],
    gradient_size: int,
    out: Any = None,
    *,
    accumulate: bool = False,
    wire_dtype: Any = None,
    num_threads: int | None = None,
) -> Any:
    """Combine messages into the blocks of a gradient.

    ``out[u*L + t]`` is the sum over i of ``weights[u, i] * messages[i][t]``, for all elements of `out`.

    Parameters
    ----------
    weights : array_like, shape (m, S)
        Row u holds the weights of the messages in block u, rounded to the type of the gradient. A zero skips its
        message for that block.
    messages : list or tuple of array, shape (message_size(gradient_size, m, dtype),)
        The messages, in separate buffers: any that `encode` takes as gradients.
    gradient_size : int
        Number of elements l of the gradient.
    out : array, shape (l,), optional
        Where the gradient goes; by default a new array.
    accumulate : bool, default False
        Add the gradient to `out` instead of overwriting it. It is completed first and then added.
    wire_dtype : {None, "float16", "bfloat16"} or dtype, optional
        16-bit type of the messages of a float32 gradient; by default that of the arrays. It must be given for arrays of
        uint16, which hold bfloat16.
    num_threads : int, optional
        The most threads to use; by default the number of `set_num_threads`.

    Returns
    -------
    array
        The gradient: `out`, if it was given; otherwise of the kind of the first message, a NumPy array for buffers.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used; the message names argument, rule and value. Nothing has been written then.

    Notes
    -----
    Arrays on another device are combined there, by their own library. They must all be there, `out` included.

    Examples
    --------
    The sum and the difference of two blocks give the blocks back:

    >>> import numpy as np
    >>> gradient = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> messages = [encode([1, 1], gradient), encode([1, -1], gradient)]
    >>> decode([[0.5, 0.5], [0.5, -0.5]], messages, 5)
    array([1., 2., 3., 4., 5.])
    """
    table = as_table("weights", weights)
    if table.ndim != 2:
        raise ValueError(f"weights must have 2 dimensions, got {table.ndim}")
    gradient_size = check_int("gradient_size", gradient_size, 1)
    held = _held("messages", messages)
    if not held:
        raise ValueError("messages must hold at least one array, got none")
    first = held[0]
    if type(first) is not np.ndarray and is_elsewhere(first):
        _no_threads(num_threads)
        return elsewhere.decode(table, held, gradient_size, out, accumulate, wire_dtype)

    arrays = views("messages", held)
    dtype = _check_messages(arrays[0], first, wire_dtype).gradient
    size = block_size(gradient_size, table.shape[0], dtype.itemsize)
    if arrays[0].size != size:
        raise ValueError(
            f"messages[0] must have {size} elements, message_size({gradient_size}, {table.shape[0]}, {dtype}), "
            f"got {arrays[0].size}"
        )
    target = out if out is None or type(out) is np.ndarray else view_out(out)
    if target is None:
        target = _new(gradient_size, dtype, accumulate, first)
    elif target.dtype != dtype:
        raise TypeError(f"out must be {dtype} as the gradient is, got {target.dtype}")
    elif target.size != gradient_size:
        raise ValueError(f"out must have {gradient_size} elements, gradient_size, got {target.size}")
    gc_core.decode(rounded("weights", table, dtype), arrays, target, accumulate, num_threads)
    if out is not None:
        return out
    return target if type(first) is np.ndarray else like(target, first)


def _held(name: str, arrays: Any) -> list[Any] | tuple[Any, ...]:
    """Return a list or tuple of arrays as it is."""
    if not isinstance(arrays, (list, tuple)):
        raise TypeError(f"{name} must be a list or tuple of numpy.ndarray, got {type(arrays).__name__}")
    return arrays


def _no_threads(num_threads: int | None) -> None:
    if num_threads is not None:
        raise ValueError(f"num_threads must be None for arrays on another device, got {num_threads!r}")


def _check_vector(name: str, array: npt.NDArray[Any], given: Any) -> MessageType:
    """Return the type of the first array, which all others must have; gc_core checks the others.

    `array` is the memory of `given`, the caller's array.
    """
    _check_shape(name, array)
    if (kind := _NATIVE.get(array.dtype)) is not None:
        return kind
    if (told := wire_of(given)) is not None and name.startswith("gradients"):
        raise TypeError(
            f"{name}.dtype must be one of float32, float64, got {told.name}: only messages may have 16 bits"
        )
    if array.dtype == BFLOAT16.buffer:
        raise TypeError(
            f"{name}.dtype must be one of float32, float64, got uint16; messages of bfloat16 need wire_dtype='bfloat16'"
        )
    return _NATIVE[check_dtype(f"{name}.dtype", array.dtype)]


def _check_shape(name: str, array: npt.NDArray[Any]) -> None:
    if array.ndim != 1:
        raise ValueError(f"{name} must have 1 dimension, got {array.ndim}")
    if array.size == 0:
        raise ValueError(f"{name} must have at least one element, got 0")


def _type_of_message(wire_dtype: Any, dtype: np.dtype[Any], out: Any, target: npt.NDArray[Any] | None) -> MessageType:
    """Return the type of a message to be written to `target`, the memory of `out`."""
    told = wire_of(out)
    if wire_dtype is not None:
        kind = message_type(dtype, wire_dtype)
    elif target is None or target.dtype in _NATIVE:
        return _NATIVE[dtype]
    else:
        kind = told if told is not None and dtype == told.gradient else _NATIVE[dtype]
    if kind.wire is None and target is not None and target.dtype.itemsize == 2:
        raise TypeError(
            f"out must be {dtype} as gradients are, or wire_dtype must say what it holds, got {target.dtype}"
        )
    if kind.wire is not None and target is not None and (target.dtype != kind.buffer or told not in (None, kind)):
        got = target.dtype if told is None else told.name
        raise TypeError(f"out must be {kind.buffer} where wire_dtype is {kind.name}, got {got}")
    return kind


def _check_messages(array: npt.NDArray[Any], first: Any, wire_dtype: Any) -> MessageType:
    """Return the type of messages like this array, which is the memory of `first`."""
    told = wire_of(first)
    if wire_dtype is None and told is None:
        return _check_vector("messages[0]", array, first)
    kind = told if wire_dtype is None else message_type(FLOAT32.gradient, wire_dtype)
    assert kind is not None
    _check_shape("messages[0]", array)
    if array.dtype != kind.buffer or told not in (None, kind):
        got = array.dtype if told is None else told.name
        raise TypeError(f"messages[0] must be {kind.buffer} where wire_dtype is {kind.name}, got {got}")
    return kind


def _new(size: int, dtype: np.dtype[Any], accumulate: bool, model: Any) -> npt.NDArray[Any]:
    """Return a new output buffer."""
    if accumulate:
        raise ValueError("out must be given where accumulate is True, got None")
    return new(size, dtype, model)

"""Conversion without a copy: the memory of other libraries' arrays as NumPy arrays, and results as their arrays.

No library is imported here: a caller that has an array has imported its library.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode.kernels.messages import BFLOAT16, MESSAGE_TYPES, MessageType, type_name

__all__ = ["check_library", "is_elsewhere", "like", "namespace", "new", "view", "view_out", "views", "where", "wire_of"]

Array = npt.NDArray[Any]

# Device types of DLPack that are memory of the host: its own, and pinned for CUDA and ROCm.
_HOST = (1, 3, 11)
# JAX takes memory as it is only at such addresses.
_ALIGNMENT = 64
# NumPy before 2.1 marks every array from DLPack as read-only.
_ALL_READ_ONLY = np.lib.NumpyVersion(np.__version__) < "2.1.0"


def is_elsewhere(array: Any) -> bool:
    """Return whether an array is not in the memory of the host, or not in one piece."""
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack_device__"):
        return False
    try:
        return array.__dlpack_device__()[0] not in _HOST
    except Exception:  # a library may raise anything if it cannot tell where its memory is
        return True


def where(array: Any) -> str:
    """Return type and device of an array, for error messages."""
    return f"{type(array).__name__} on {getattr(array, 'device', 'another device')}"


def view(name: str, array: Any) -> Array:
    """Return the memory of an array on the host as a NumPy array; the bits of bfloat16 as uint16.

    Parameters
    ----------
    name : str
        Its name in error messages.
    array : ndarray, or object with DLPack or the buffer protocol
        The array; a NumPy array is returned as it is.
    """
    if isinstance(array, np.ndarray):
        return array.view(np.uint16) if wire_of(array) is BFLOAT16 else array
    if hasattr(array, "__dlpack__"):
        return _imported(name, array)
    try:
        return np.asarray(memoryview(array))
    except TypeError:
        raise TypeError(
            f"{name} must be a numpy.ndarray, got {type(array).__name__}, "
            "which supports neither DLPack nor the buffer protocol"
        ) from None


def views(name: str, arrays: list[Any] | tuple[Any, ...]) -> list[Array] | tuple[Array, ...]:
    """Return `view` of each array; the sequence itself, if all are NumPy arrays already."""
    # Counting is faster than a loop. The bfloat16 of other libraries has kind V.
    if list(map(type, arrays)).count(np.ndarray) == len(arrays) and arrays[0].dtype.kind != "V":
        return arrays
    return [view(f"{name}[{i}]", array) for i, array in enumerate(arrays)]


def view_out(out: Any) -> Array:
    """Return `view` of an array to write to."""
    result = view("out", out)
    if result is not out and not result.flags.writeable:
        raise ValueError(
            f"out must be writeable, got a read-only {type(out).__name__}; without out, a new array is returned"
        )
    return result


def wire_of(array: Any) -> MessageType | None:
    """Return the 16-bit type that an array says it has; None if it has another."""
    dtype = getattr(array, "dtype", None)
    if isinstance(dtype, np.dtype):
        # Asking for the name is slow. NumPy does not know bfloat16, which therefore has kind V.
        if dtype.itemsize != 2 or dtype.kind not in "fV":
            return None
    elif dtype is None:
        return MESSAGE_TYPES["float16"] if getattr(array, "format", None) == "e" else None  # a memoryview
    kind = MESSAGE_TYPES.get(type_name(dtype))
    return None if kind is None or kind.wire is None else kind


def new(size: int, dtype: np.dtype[Any], model: Any) -> Array:
    """Return a new buffer, at an address that the library of `model` can take."""
    if isinstance(model, np.ndarray):
        return np.empty(size, dtype)
    memory = np.empty(size * dtype.itemsize + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size * dtype.itemsize].view(dtype)


def check_library(model: Any, kind: MessageType) -> None:
    """Refuse a type of messages that the library of `model` does not have."""
    library = None if kind.wire is None else _library_of_results(model)
    if library is not None and not hasattr(library, kind.name):
        raise ValueError(
            f"wire_dtype must be a type of {library.__name__}, got {kind.name}; a NumPy array can be given as out"
        )


def like(result: Array, model: Any) -> Any:
    """Return a result of ours as an array of the library of `model`, if it is of one: the same memory."""
    library = _library_of_results(model)
    if library is None:
        return result
    if result.dtype == BFLOAT16.buffer:
        return library.from_dlpack(result.view(np.int16)).view(library.bfloat16)
    return library.from_dlpack(result)


def namespace(array: Any) -> Any:
    """Return the library of an array: the module that has its functions."""
    library = _library(array)
    if library is None:
        raise TypeError(f"arrays must be of a library with a from_dlpack, got {type(array).__module__}")
    return library


def _library(array: Any) -> Any:
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    for base in type(array).__mro__:
        library = sys.modules.get(base.__module__.partition(".")[0])
        if hasattr(library, "from_dlpack"):
            return library
    return None


def _library_of_results(array: Any) -> Any:
    """Return the library that results must be of; None for NumPy, which buffers of no library get too."""
    return None if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack__") else _library(array)


def _imported(name: str, array: Any) -> Array:
    """Return the memory of an array through DLPack."""
    if getattr(array, "requires_grad", False) is True:
        raise ValueError(
            f"{name} must not require a gradient, got a {type(array).__name__} that does: pass {name}.detach()"
        )
    try:
        if wire_of(array) is not BFLOAT16:
            return _memory(array)
        # NumPy takes no bfloat16 through DLPack. Arrays of JAX become NumPy arrays by ``__array__``, PyTorch's do not.
        library = namespace(array)
        if hasattr(array, "__array_namespace__"):
            return np.asarray(array).view(np.uint16)
        return _memory(array.view(library.int16)).view(np.uint16)
    except Exception as error:  # a library may raise anything if it cannot share its memory
        raise TypeError(f"{name} must be readable through DLPack, got {where(array)}: {error}") from error


def _memory(array: Any) -> Array:
    memory = np.from_dlpack(array)
    if _ALL_READ_ONLY and hasattr(array, "__array__"):
        own = np.asarray(array)
        return own if own.ctypes.data == memory.ctypes.data else memory
    return memory

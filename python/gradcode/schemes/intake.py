"""Checks of the messages and outputs that a decoder takes, and their memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode.kernels.arrays import is_elsewhere, view, view_out, where, wire_of
from gradcode.kernels.messages import MessageType

__all__ = ["message_memory", "out_memory"]


def message_memory(message: Any, kind: MessageType, size: int) -> npt.NDArray[Any]:
    """Return the memory of a message on the host; refuse another type or shape."""
    plain = type(message) is np.ndarray and message.dtype == kind.buffer
    memory = message if plain else _memory_of(message, kind)
    if memory.shape != (size,) or not memory.flags.c_contiguous:
        raise ValueError(
            f"message must be contiguous with shape ({size},), got shape {memory.shape} and strides {memory.strides}"
        )
    return memory


def _memory_of(message: Any, kind: MessageType) -> npt.NDArray[Any]:
    if is_elsewhere(message):
        raise TypeError(
            f"message must be in the memory of the host, got {where(message)}; "
            "gradcode.kernels.decode takes messages that are not"
        )
    wanted = "uint16 (bfloat16)" if kind.name == "bfloat16" else kind.name
    try:
        memory = view("message", message)
    except TypeError as error:
        raise TypeError(f"message must be a NumPy array of {wanted}, got {type(message).__name__}") from error
    if memory.dtype != kind.buffer or wire_of(message) not in (None, kind):
        raise TypeError(f"message must be a NumPy array of {wanted}, got {getattr(message, 'dtype', memory.dtype)}")
    return memory


def out_memory(out: Any, dtype: np.dtype[Any], size: int, messages: Mapping[int, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the memory of an output on the host; refuse one that a decoder cannot write to."""
    wanted = f"a {dtype.name} array of shape ({size},)"
    if is_elsewhere(out):
        raise ValueError(f"out must be {wanted} in the memory of the host, got {where(out)}")
    try:
        memory = view_out(out)
    except TypeError as error:
        raise ValueError(f"out must be {wanted}, got {type(out).__name__}") from error
    if memory.dtype != dtype or memory.shape != (size,):
        raise ValueError(f"out must be {wanted}, got {memory.dtype} {memory.shape}")
    if not (memory.flags.c_contiguous and memory.flags.writeable):
        got = "read-only memory" if memory.flags.c_contiguous else f"strides {memory.strides}"
        raise ValueError(f"out must be contiguous and writeable, got {got}")
    for worker, message in messages.items():
        if np.may_share_memory(memory, message):
            raise ValueError(f"out must not overlap any message, but it overlaps that of worker {worker}")
    return memory

"""Agreement before the first round: all ranks go on together, or none does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from mpi4py import MPI

from gradcode.errors import ConfigMismatch, GradCodeError, ProtocolError

__all__ = ["agree", "gather_texts", "together"]

_MAX_TEXT_BYTES = 2**20

Value = TypeVar("Value")


def gather_texts(comm: MPI.Comm, text: str) -> list[str]:
    """Return the texts of all ranks, on every rank. A text is cut after 1 MiB."""
    data = np.frombuffer(text.encode(errors="backslashreplace")[:_MAX_TEXT_BYTES], np.uint8)
    sizes = np.empty(comm.size, np.int64)
    comm.Allgather(np.array([data.size], np.int64), sizes)
    if sizes.min() < 0 or sizes.max() > _MAX_TEXT_BYTES:
        raise ProtocolError(f"a rank's text must have 0..{_MAX_TEXT_BYTES} bytes, got sizes {sizes.tolist()}")
    received = np.empty(int(sizes.sum()), np.uint8)
    comm.Allgatherv(data, [received, sizes.tolist()])
    ends = np.cumsum(sizes)
    return [
        received[end - size : end].tobytes().decode(errors="replace") for end, size in zip(ends, sizes, strict=True)
    ]


def together(comm: MPI.Comm, step: Callable[[], Value]) -> Value:
    """Call `step` on every rank; return its value if it raised on no rank.

    Otherwise every rank raises, so that no rank waits for one that has left. A rank on which `step` raised raises the
    same exception. The others raise a GradCodeError that says which rank it was, and why.
    """
    error: Exception | None = None
    value: Value | None = None
    try:
        value = step()
    except Exception as raised:
        error = raised
    texts = gather_texts(comm, "" if error is None else f"{type(error).__name__}: {error}")
    if error is not None:
        raise error
    for rank, text in enumerate(texts):
        if text:
            raise GradCodeError(f"rank {rank} cannot go on: {text}")
    return value  # type: ignore[return-value]  # it was set, since nothing was raised


def agree(comm: MPI.Comm, configuration: str) -> None:
    """Raise `ConfigMismatch` on every rank unless all ranks have the same configuration, a JSON object."""
    gathered = gather_texts(comm, configuration)
    for rank, text in enumerate(gathered):
        if text != gathered[0]:
            first, other = json.loads(gathered[0]), json.loads(text)
            differing = sorted(key for key in {*first, *other} if first.get(key) != other.get(key))
            raise ConfigMismatch(rank, {key: (first.get(key), other.get(key)) for key in differing})

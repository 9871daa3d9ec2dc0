"""Before the first round: all ranks agree on what they run."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from mpi4py import MPI

from gradcode.errors import ConfigMismatch, ProtocolError

__all__ = ["agree", "gather_texts"]

_MAX_TEXT_BYTES = 2**20


def gather_texts(comm: MPI.Comm, text: str) -> list[str]:
    """Every rank's text, on every rank."""
    data = np.frombuffer(text.encode(), np.uint8)
    if data.size > _MAX_TEXT_BYTES:
        raise ValueError(f"a rank's text must have at most {_MAX_TEXT_BYTES} bytes, got {data.size}")
    sizes = np.empty(comm.size, np.int64)
    comm.Allgather(np.array([data.size], np.int64), sizes)
    if sizes.min() < 0 or sizes.max() > _MAX_TEXT_BYTES:
        raise ProtocolError(f"a rank's text must have 0..{_MAX_TEXT_BYTES} bytes, got sizes {sizes.tolist()}")
    received = np.empty(int(sizes.sum()), np.uint8)
    comm.Allgatherv(data, [received, sizes.tolist()])
    ends = np.cumsum(sizes)
    return [received[end - size : end].tobytes().decode() for end, size in zip(ends, sizes, strict=True)]


def agree(comm: MPI.Comm, configuration: Mapping[str, object]) -> None:
    """Raise `ConfigMismatch` on every rank unless all ranks have the same configuration (JSON values)."""
    gathered = [json.loads(text) for text in gather_texts(comm, json.dumps(configuration, sort_keys=True))]
    first = gathered[0]
    for rank, other in enumerate(gathered):
        if other != first:
            differing = sorted(key for key in {*first, *other} if first.get(key) != other.get(key))
            raise ConfigMismatch(rank, {key: (first.get(key), other.get(key)) for key in differing})

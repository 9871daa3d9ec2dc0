"""The wire format: the header of every message, and the pieces into which long messages are cut.

A message is one or more pieces. Each piece is a *note* and then a payload of at most `PIECE_BYTES`. A note is a header
of 64 bytes; in the first piece of a result the scalars follow it. A note is small, so MPI sends it at once (eagerly).
The receiver checks the note, and only then receives the payload that the note announces. All numbers are
little-endian. Nothing is ever unpickled.
"""

from __future__ import annotations

import enum
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode.errors import ProtocolError
from gradcode.rounds.share import MAX_SCALARS, NAME_BYTES

__all__ = [
    "HEADER_BYTES",
    "MASTER",
    "MAX_TRACEBACK_BYTES",
    "PIECE_BYTES",
    "TAG_RING",
    "VERSION",
    "Header",
    "Kind",
    "note_capacity",
    "pack_note",
    "piece_count",
    "piece_span",
    "tag_of",
    "unpack_note",
]

VERSION = 3
MASTER = 0  # the master's rank
PIECE_BYTES = 64 * 2**20
# Each rank has at most one message under way, so a few tags suffice to tell neighbouring rounds apart.
TAG_RING = 4
MAX_TRACEBACK_BYTES = 64 * 2**10

_MAGIC = b"GRCD"
_HEADER = struct.Struct("<4sHHqIIQQQHHQ4x")
_SCALAR = struct.Struct(f"<{NAME_BYTES}sIxxxxd")
HEADER_BYTES = _HEADER.size

# NumPy has no bfloat16: these messages are arrays of uint16.
_DTYPE_CODES: dict[np.dtype[Any], int] = {
    np.dtype(np.uint8): 0,
    np.dtype(np.float32): 1,
    np.dtype(np.float64): 2,
    np.dtype(np.float16): 3,
    np.dtype(np.uint16): 4,
}
_DTYPES = {code: dtype for dtype, code in _DTYPE_CODES.items()}

# Payloads are the bytes of the arrays, without any conversion.
assert sys.byteorder == "little", "gradcode.mpi needs a little-endian machine"
assert HEADER_BYTES == 64


class Kind(enum.IntEnum):
    """What a note says."""

    MODEL = 1  # master: the parameters of a round
    STOP = 2  # master: no further round
    CLOSE = 3  # master, control channel: this round is over
    JOIN = 4  # worker: data loaded
    RESULT = 5  # worker: the message of a round
    ABANDON = 6  # worker: work for a round given up; no further piece follows
    FAILED = 7  # worker: the user's code raised; the payload is the traceback
    BYE = 8  # worker: leaving


class Header(NamedTuple):
    """The fields in the first 64 bytes of every note."""

    kind: Kind
    round: int = 0
    piece: int = 0
    pieces: int = 0
    length: int = 0  # bytes of the whole payload
    piece_length: int = 0  # bytes of this piece's payload
    compute_ns: int = 0
    dtype: np.dtype[Any] = np.dtype(np.uint8)
    scalars: int = 0
    peak_memory: int = 0  # the most bytes that the sender has held resident; 0 where unknown


def tag_of(round_: int) -> int:
    """Return the MPI tag of the messages of a round."""
    return round_ % TAG_RING


def piece_count(length: int) -> int:
    """Return the number of pieces of a payload of `length` bytes."""
    return -(-length // PIECE_BYTES)


def piece_span(length: int, piece: int) -> slice:
    """Return which bytes of a payload of `length` bytes are in `piece`: none if there is no such piece."""
    return slice(min(piece * PIECE_BYTES, length), min((piece + 1) * PIECE_BYTES, length))


def note_capacity(held: int) -> int:
    """Return the size in bytes of the longest note of a worker that holds `held` subsets."""
    return HEADER_BYTES + held * MAX_SCALARS * _SCALAR.size


def pack_note(header: Header, scalars: Sequence[Mapping[str, float]] = ()) -> bytes:
    """Return the bytes of a note; `scalars` has one mapping for each subset that the worker holds."""
    records = []
    for position, mapping in enumerate(scalars):
        for name, value in mapping.items():
            records.append(_SCALAR.pack(name.encode(), position, value))
    packed = _HEADER.pack(
        _MAGIC,
        VERSION,
        header.kind,
        header.round,
        header.piece,
        header.pieces,
        header.length,
        header.piece_length,
        header.compute_ns,
        _DTYPE_CODES[header.dtype],
        len(records),
        header.peak_memory,
    )
    return packed + b"".join(records)


def unpack_note(note: npt.NDArray[np.uint8] | bytes, held: int = 0) -> tuple[Header, tuple[dict[str, float], ...]]:
    """Return the header and the scalars of a note from a worker that holds `held` subsets.

    Raises
    ------
    ProtocolError
        If a field is wrong, naming the field, the rule and the value.
    """
    data = bytes(note)
    if len(data) < HEADER_BYTES:
        raise ProtocolError(f"a note must have at least {HEADER_BYTES} bytes, got {len(data)}")
    fields = _HEADER.unpack_from(data)
    magic, version, kind, round_, piece, pieces, length, piece_length, ns, code, count, memory = fields
    if magic != _MAGIC:
        raise ProtocolError(f"magic must be {_MAGIC!r}, got {magic!r}")
    if version != VERSION:
        raise ProtocolError(f"version must be {VERSION}, got {version}")
    if kind not in Kind.__members__.values():
        raise ProtocolError(f"kind must be one of {[k.value for k in Kind]}, got {kind}")
    if code not in _DTYPES:
        raise ProtocolError(f"dtype must be one of {sorted(_DTYPES)}, got {code}")
    if len(data) != HEADER_BYTES + count * _SCALAR.size or len(data) > note_capacity(held):
        raise ProtocolError(f"a note with {count} scalars for {held} subsets has a wrong size of {len(data)} bytes")
    span = piece_span(length, piece)
    expected = (piece_count(length), span.stop - span.start)
    if (pieces, piece_length) != expected or piece >= max(1, pieces):
        raise ProtocolError(
            f"piece {piece} of a payload of {length} bytes must be one of {expected[0]} and have {expected[1]} bytes, "
            f"got one of {pieces} with {piece_length} bytes"
        )
    scalars: tuple[dict[str, float], ...] = tuple({} for _ in range(held))
    for index in range(count):
        name, position, value = _SCALAR.unpack_from(data, HEADER_BYTES + index * _SCALAR.size)
        if position >= held:
            raise ProtocolError(f"a scalar's subset must be in 0..{held - 1}, got {position}")
        try:
            scalars[position][name.rstrip(b"\0").decode()] = value
        except UnicodeDecodeError:
            raise ProtocolError(f"a scalar's name must be UTF-8, got {name!r}") from None
    header = Header(Kind(kind), round_, piece, pieces, length, piece_length, ns, _DTYPES[code], count, memory)
    return header, scalars

"""The wire format: what is packed comes back, and nothing else is believed."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcode.errors import ProtocolError
from gradcode.mpi import wire
from gradcode.mpi.wire import (
    HEADER_BYTES,
    PIECE_BYTES,
    Header,
    Kind,
    pack_note,
    piece_count,
    piece_span,
    unpack_note,
)
from gradcode.rounds.share import MAX_SCALARS, NAME_BYTES

F64 = np.dtype(np.float64)
NAMES = st.text(min_size=1).filter(lambda name: len(name.encode()) <= NAME_BYTES and "\0" not in name)


@given(
    round_=st.integers(-(2**62), 2**62),
    length=st.integers(0, 2**40),
    ns=st.integers(0, 2**63),
    memory=st.integers(0, 2**63),
    dtype=st.sampled_from(["float32", "float64", "uint8", "float16", "uint16"]),
    scalars=st.lists(st.dictionaries(NAMES, st.floats(allow_nan=False), max_size=MAX_SCALARS), max_size=3),
    data=st.data(),
)
def test_what_is_packed_comes_back(round_, length, ns, memory, dtype, scalars, data):
    pieces = piece_count(length)
    piece = data.draw(st.integers(0, max(0, pieces - 1)))
    span = piece_span(length, piece)
    assert span.start == piece * PIECE_BYTES and span.stop == min(length, span.start + PIECE_BYTES)
    assert pieces == 0 or span.start < span.stop
    count = sum(map(len, scalars))
    header = Header(
        Kind.RESULT, round_, piece, pieces, length, span.stop - span.start, ns, np.dtype(dtype), count, memory
    )
    note = pack_note(header, scalars)
    assert len(note) <= wire.note_capacity(len(scalars))
    assert unpack_note(note, held=len(scalars)) == (header, tuple(scalars))


def test_nan_and_infinite_scalars_come_through():
    _, (scalars,) = unpack_note(pack_note(Header(Kind.RESULT), [{"loss": math.nan, "worst": -math.inf}]), held=1)
    assert math.isnan(scalars["loss"]) and scalars["worst"] == -math.inf


GOOD = pack_note(Header(Kind.RESULT, 3, 0, 1, 80, 80, 5, F64))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda n: n[:63], "at least 64 bytes, got 63"),
        (lambda n: b"", "at least 64 bytes, got 0"),
        (lambda n: b"HTTP" + n[4:], "magic must be b'GRCD', got b'HTTP'"),
        (lambda n: n[:4] + struct.pack("<H", 1) + n[6:], "version must be 3, got 1"),
        (lambda n: n[:6] + struct.pack("<H", 99) + n[8:], "kind must be one of .*, got 99"),
        (lambda n: n[:48] + struct.pack("<H", 7) + n[50:], "dtype must be one of .*, got 7"),
        (lambda n: n + b"\0", "wrong size of 65 bytes"),
        (lambda n: n[:50] + struct.pack("<H", 1) + n[52:], "a note with 1 scalars for 0 subsets"),
        (lambda n: n[:24] + struct.pack("<Q", 2**60) + n[32:], "piece 0 of a payload of"),
        (lambda n: n[:32] + struct.pack("<Q", 81) + n[40:], "have 80 bytes, got one of 1 with 81 bytes"),
        (
            lambda n: n[:16] + struct.pack("<I", 1) + n[20:],
            "piece 1 of a payload of 80 bytes must be one of 1 and have 0 bytes",
        ),
    ],
)
def test_a_broken_header_is_refused_with_the_reason(change, text):
    with pytest.raises(ProtocolError, match=text):
        unpack_note(change(GOOD))


def test_scalars_of_subsets_that_the_worker_does_not_hold_are_refused():
    note = pack_note(Header(Kind.RESULT), [{}, {"loss": 1.0}])
    with pytest.raises(ProtocolError, match=r"a scalar's subset must be in 0..0, got 1"):
        unpack_note(note, held=1)
    broken = pack_note(Header(Kind.RESULT), [{"loss": 1.0}]).replace(b"loss", b"\xff\xfe\xfd\xfc")
    with pytest.raises(ProtocolError, match="a scalar's name must be UTF-8"):
        unpack_note(broken, held=1)


@given(st.binary(max_size=300), st.integers(0, 3))
def test_arbitrary_bytes_never_do_more_than_be_refused(data, held):
    for note in (data, GOOD[:8] + data, data[:64].ljust(HEADER_BYTES, b"\0")):
        try:
            header, scalars = unpack_note(note, held)
        except ProtocolError:
            continue
        assert isinstance(header, Header) and len(scalars) == held


def test_a_huge_length_costs_no_memory():
    note = GOOD[:24] + struct.pack("<Q", 2**63) + GOOD[32:]
    with pytest.raises(ProtocolError, match=r"a payload of 9223372036854775808 bytes .*, got one of 1 with 80 bytes"):
        unpack_note(note)

"""The cases to measure: shapes, sizes and types, with the least bytes and operations that each needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gradcode.kernels import message_size

# (blocks m, messages S), and (gradients k, blocks m).
DECODE_SHAPES = [(2, 2), (4, 4), (2, 10), (3, 12), (4, 20), (8, 8), (8, 32), (16, 16), (1, 20)]
ENCODE_SHAPES = [(1, 2), (1, 4), (5, 2), (10, 3), (4, 4)]

TINY, SMALL, L2, L3, DRAM, HUGE = 16, 1_000, 100_000, 1_000_000, 10_000_000, 100_000_000
L1 = 10_000

# A case of fewer bytes stays in a cache between two calls. At more than twice as many, caches no longer matter.
RESIDENT_BYTES = 48_000_000


class Case(NamedTuple):
    """One encode or decode."""

    kind: str  # "encode" or "decode"
    inputs: int  # gradients or messages
    parts: int
    size: int  # elements of a gradient, before rounding up to whole blocks
    dtype: str = "float32"
    wire: str | None = None  # "float16" or "bfloat16" messages
    accumulate: bool = False  # decode: add to the output; encode: one gradient at a time

    @property
    def stride(self) -> int:
        """Elements of a block and of a message."""
        return message_size(self.size, self.parts, self.dtype)

    @property
    def length(self) -> int:
        """Elements of a gradient: whole blocks, because the other libraries need them."""
        return self.parts * self.stride

    @property
    def itemsize(self) -> int:
        """Bytes of an element of a gradient."""
        return 4 if self.dtype == "float32" else 8

    @property
    def n_read(self) -> int:
        """Bytes that must be read."""
        if self.kind == "decode":
            messages = self.inputs * self.stride * (2 if self.wire else self.itemsize)
            return messages + self.accumulate * self.length * self.itemsize
        again = (self.inputs - 1) * self.stride * self.itemsize
        return self.inputs * self.length * self.itemsize + self.accumulate * again

    @property
    def n_written(self) -> int:
        """Bytes that must be written."""
        if self.kind == "decode":
            return self.length * self.itemsize
        return self.stride * (2 if self.wire else self.itemsize) * (self.inputs if self.accumulate else 1)

    @property
    def n_bytes(self) -> int:
        """Bytes that must be moved."""
        return self.n_read + self.n_written

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.inputs * self.parts * self.stride

    @property
    def resident(self) -> bool:
        """Whether all of it stays in a cache."""
        return self.n_bytes < RESIDENT_BYTES

    @property
    def shape(self) -> str:
        """(m, S) of a decode, (k, m) of an encode."""
        first, second = (self.parts, self.inputs) if self.kind == "decode" else (self.inputs, self.parts)
        return f"({first}, {second})"

    @property
    def name(self) -> str:
        """The case in a few words."""
        way = "" if not self.accumulate else " accumulating" if self.kind == "decode" else " one by one"
        types = f"{self.dtype}, {self.wire} messages" if self.wire else self.dtype
        return f"{self.kind}{way} {self.shape} l={power(self.size)} {types}"


def power(size: int) -> str:
    """Write powers of ten from 1,000 on as 1e3, and other numbers with commas."""
    digits = str(size)
    return f"1e{len(digits) - 1}" if digits.rstrip("0") == "1" and size >= 1000 else f"{size:,}"


def decode(shape: tuple[int, int], size: int, dtype: str = "float32", **more: object) -> Case:
    """Return a decode of shape (m, S)."""
    return Case("decode", shape[1], shape[0], size, dtype, **more)  # type: ignore[arg-type]


def encode(shape: tuple[int, int], size: int, dtype: str = "float32", **more: object) -> Case:
    """Return an encode of shape (k, m)."""
    return Case("encode", shape[0], shape[1], size, dtype, **more)  # type: ignore[arg-type]


def full() -> Iterator[Case]:
    """Yield all cases, for the fastest level."""
    for size in (DRAM, L3, L2, L1):
        yield from (decode(shape, size) for shape in DECODE_SHAPES)
    for size in (DRAM, L3, L2, L1):
        yield from (encode(shape, size) for shape in ENCODE_SHAPES if shape[0] == 1 or size != L2)
    for size in (DRAM, L2):
        yield from (decode(shape, size, "float64") for shape in [(2, 2), (4, 20), (8, 32)])
        yield encode((1, 4), size, "float64")
        for wire in ("bfloat16", "float16"):
            yield from (decode(shape, size, wire=wire) for shape in [(2, 2), (4, 20)])
            yield encode((1, 4), size, wire=wire)
        yield from (decode(shape, size, accumulate=True) for shape in [(2, 2), (4, 20)])
        yield from (encode(shape, size, accumulate=True) for shape in [(5, 2), (10, 3)])
    for size in (TINY, SMALL):
        yield encode((1, 4), size)
        yield from (decode(shape, size) for shape in [(2, 2), (4, 20), (8, 32)])
    yield encode((1, 4), HUGE)
    yield decode((4, 20), HUGE)


def short() -> Iterator[Case]:
    """Yield fewer cases, for the other levels."""
    for size in (DRAM, L2):
        yield from (decode(shape, size) for shape in DECODE_SHAPES)
        yield from (encode(shape, size) for shape in [(1, 2), (1, 4), (10, 3)])
        yield decode((4, 20), size, "float64")
        for wire in ("bfloat16", "float16"):
            yield decode((4, 20), size, wire=wire)
            yield encode((1, 4), size, wire=wire)


def quick() -> Iterator[Case]:
    """Yield a few cases of each kind, for a quick check."""
    yield from (decode(shape, L2) for shape in DECODE_SHAPES)
    yield from (decode(shape, L3) for shape in [(2, 2), (4, 20)])
    yield from (encode(shape, L2) for shape in ENCODE_SHAPES)
    yield decode((4, 20), L2, "float64")
    for wire in ("bfloat16", "float16"):
        yield decode((4, 20), L2, wire=wire)
        yield encode((1, 4), L2, wire=wire)
    yield decode((4, 20), L2, accumulate=True)
    yield encode((5, 2), L2, accumulate=True)
    yield encode((1, 4), SMALL)
    yield decode((4, 20), TINY)

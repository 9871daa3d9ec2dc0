"""Time adding a decoded gradient to a sum, and building a message from one gradient at a time."""

import pytest

from bench.kernels import cases

DECODE_NAMES = ["gradcode", "gc_core", "numpy fresh", "numpy list", "torch list", "scipy packed", "torch packed"]
ENCODE_NAMES = ["gradcode", "gradcode at once", "numpy list", "torch list"]


@pytest.mark.parametrize("name", DECODE_NAMES)
@pytest.mark.parametrize("shape", [(2, 2), (4, 20)], ids=lambda s: f"m{s[0]}S{s[1]}")
def bench_decode_accumulate(contend, size, shape, name):
    contend(cases.decode(shape, size, accumulate=True), name)


@pytest.mark.parametrize("name", ENCODE_NAMES)
@pytest.mark.parametrize("shape", [(5, 2), (10, 3)], ids=lambda s: f"k{s[0]}m{s[1]}")
def bench_encode_one_by_one(contend, size, shape, name):
    contend(cases.encode(shape, size, accumulate=True), name)

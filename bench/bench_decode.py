"""Time the decode of one gradient from messages in separate buffers, against other libraries on the same data."""

import pytest

from bench.kernels import cases

NAMES = [
    *("gradcode", "gc_core", "numpy fresh", "numpy list", "torch list"),
    *("numpy packed", "scipy packed", "torch packed", "numba packed"),
]
WIRE_NAMES = [
    *("gradcode", "gradcode float32", "gc_core", "numpy list", "ml_dtypes list", "torch list"),
    *("ml_dtypes packed", "torch packed", "torch all 16-bit"),
]
SHAPES = [(shape, "float32") for shape in cases.DECODE_SHAPES] + [((2, 2), "float64"), ((4, 20), "float64")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape, dtype", SHAPES, ids=lambda x: x if isinstance(x, str) else f"m{x[0]}S{x[1]}")
def bench_decode(contend, size, shape, dtype, name):
    contend(cases.decode(shape, size, dtype), name)


@pytest.mark.parametrize("name", WIRE_NAMES)
@pytest.mark.parametrize("wire", ["float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(2, 2), (4, 20)], ids=lambda s: f"m{s[0]}S{s[1]}")
def bench_decode_wire(contend, size, shape, wire, name):
    contend(cases.decode(shape, size, wire=wire), name)

"""Time the encode of one message from gradients in separate buffers, against other libraries on the same data."""

import pytest

from bench.kernels import cases

NAMES = [
    *("gradcode", "gc_core", "numpy fresh", "numpy list", "torch list"),
    *("numpy packed", "scipy packed", "torch packed", "numba packed"),
]
WIRE_NAMES = ["gradcode", "gradcode float32", "gc_core", "numpy packed", "ml_dtypes packed", "torch packed"]
SHAPES = [(shape, "float32") for shape in cases.ENCODE_SHAPES] + [((1, 4), "float64")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape, dtype", SHAPES, ids=lambda x: x if isinstance(x, str) else f"k{x[0]}m{x[1]}")
def bench_encode(contend, size, shape, dtype, name):
    contend(cases.encode(shape, size, dtype), name)


@pytest.mark.parametrize("name", WIRE_NAMES)
@pytest.mark.parametrize("wire", ["float16", "bfloat16"])
def bench_encode_wire(contend, size, wire, name):
    contend(cases.encode((1, 4), size, wire=wire), name)

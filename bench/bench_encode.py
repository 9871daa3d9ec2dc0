"""Encode: one message from gradients in separate buffers, beside NumPy on the same data."""

import numpy as np
import pytest

import gc_core
from gradcode import kernels

# (gradients, blocks): one gradient of a grouped worker, several of a cyclic one
SHAPES = [(1, 2), (1, 4), (5, 2), (4, 4)]


def encode_gradcode(coefficients, gradients, out, scratch):
    return gc_core.encode(coefficients, gradients, out)


def encode_numpy_out(coefficients, gradients, out, scratch):
    """One matrix-vector product per gradient, into buffers that are used again."""
    parts = coefficients.shape[1]
    np.matmul(coefficients[0], gradients[0].reshape(parts, -1), out=out)
    for row, gradient in zip(coefficients[1:], gradients[1:], strict=True):
        np.matmul(row, gradient.reshape(parts, -1), out=scratch)
        np.add(out, scratch, out=out)
    return out


def encode_numpy_naive(coefficients, gradients, out, scratch):
    """Write it the shortest way."""
    return coefficients.ravel() @ np.stack(gradients).reshape(coefficients.size, -1)


@pytest.mark.parametrize("contender", [encode_gradcode, encode_numpy_out, encode_numpy_naive], ids=lambda c: c.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"k{s[0]}m{s[1]}")
def bench_encode(measure, rng, size, shape, dtype, contender):
    n_gradients, parts = shape
    stride = kernels.message_size(size, parts, dtype)
    gradients = [rng.standard_normal(parts * stride).astype(dtype) for _ in range(n_gradients)]
    coefficients = rng.standard_normal(shape).astype(dtype)
    out, scratch = np.empty(stride, dtype), np.empty(stride, dtype)
    n_bytes = sum(g.nbytes for g in gradients) + out.nbytes
    result = measure(
        f"encode k={n_gradients} m={parts} l={size} {dtype}",
        lambda: contender(coefficients, gradients, out, scratch),
        n_bytes,
    )
    expected = encode_numpy_naive(coefficients, gradients, None, None)
    tolerance = 2 * coefficients.size * np.finfo(dtype).eps * np.abs(coefficients).sum()
    bound = tolerance * max(np.abs(g).max() for g in gradients)
    assert np.abs(result - expected).max() <= bound

"""Decode: one gradient from messages in separate buffers, beside NumPy on the same data."""

import numpy as np
import pytest

import gc_core
from gradcode import kernels

# (blocks, messages)
SHAPES = [(1, 1), (2, 2), (4, 4), (2, 10), (4, 20), (8, 32)]


def decode_gradcode(weights, messages, out, packed):
    return gc_core.decode(weights, messages, out)


def decode_numpy_out(weights, messages, out, packed):
    """Stack and multiply into buffers that are used again: the messages arrive in buffers of their own."""
    np.stack(messages, out=packed)
    np.matmul(weights, packed, out=out.reshape(weights.shape[0], -1))
    return out


def decode_numpy_packed(weights, messages, out, packed):
    """Multiply alone: as if the messages had arrived stacked already."""
    np.matmul(weights, packed, out=out.reshape(weights.shape[0], -1))
    return out


def decode_numpy_naive(weights, messages, out, packed):
    """Write it the shortest way."""
    return (weights @ np.stack(messages)).ravel()


CONTENDERS = [decode_gradcode, decode_numpy_out, decode_numpy_packed, decode_numpy_naive]


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"m{s[0]}S{s[1]}")
def bench_decode(measure, rng, size, shape, dtype, contender):
    parts, n_messages = shape
    stride = kernels.message_size(size, parts, dtype)
    messages = [rng.standard_normal(stride).astype(dtype) for _ in range(n_messages)]
    weights = rng.standard_normal(shape).astype(dtype)
    out, packed = np.empty(parts * stride, dtype), np.stack(messages)
    result = measure(
        f"decode m={parts} S={n_messages} l={size} {dtype}",
        lambda: contender(weights, messages, out, packed),
        packed.nbytes + out.nbytes,
    )
    expected = decode_numpy_naive(weights, messages, None, None)
    bound = 2 * n_messages * np.finfo(dtype).eps * np.abs(weights).sum(axis=1).max() * np.abs(packed).max()
    assert np.abs(result - expected).max() <= bound

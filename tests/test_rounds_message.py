"""The message of a worker: what one encode of all gradients gives, rounded once where it has 16 bits."""

from __future__ import annotations

import numpy as np
import pytest

from gradcode import CyclicRepetition, Uncoded, YeAbbe, design, kernels
from gradcode.rounds import RunPlan
from gradcode.rounds.message import Message

SIZE = 37


def plan_of(scheme, dtype, wire_dtype, gradient_size=SIZE):
    return RunPlan(
        main=print,
        scheme=scheme,
        gradient=print,
        gradient_size=gradient_size,
        data=None,
        dtype=dtype,
        wire_dtype=wire_dtype,
        chunks=1,
        seed=0,
        goodbye_seconds=0.0,
        patience=2.0,
    )


def built(message, gradients, chunks):
    """What the message is when each gradient comes as so many equal parts."""
    message.buffer.fill(1)  # of the round before
    for position, gradient in enumerate(gradients):
        for chunk in range(chunks):
            message.add(position, gradient / chunks, accumulate=position + chunk > 0)
    message.complete()
    return message.buffer


@pytest.mark.parametrize("chunks", [1, 4])
@pytest.mark.parametrize(
    ("dtype", "wire_dtype"),
    [("float64", None), ("float32", None), ("float32", "float16"), ("float32", "bfloat16"), ("float32", np.float16)],
)
@pytest.mark.parametrize(
    "scheme", [Uncoded(2), design(6, 1, 2), CyclicRepetition(5, 2), YeAbbe(6, 4, 2, 2, "harmonic")], ids=repr
)
def test_a_message_is_the_sum_of_its_parts_rounded_once(scheme, dtype, wire_dtype, chunks, rng):
    for worker in range(scheme.n_workers):
        held = len(scheme.subsets(worker))
        message = Message(plan_of(scheme, dtype, wire_dtype), worker, parts=held * chunks)
        for _ in range(2):  # a second round starts afresh
            gradients = rng.integers(-8, 8, (held, SIZE)).astype(dtype)  # quarters of which are exact
            buffer = built(message, list(gradients), chunks)
            assert buffer is message.buffer and buffer.dtype == kernels.message_dtype(dtype, wire_dtype)
            # The same products in the same order: only where chunks are added up may more be rounded.
            parts = np.empty(scheme.message_size(SIZE, dtype), dtype)
            for position, gradient in enumerate(gradients):
                for chunk in range(chunks):
                    row = scheme.coefficients(worker)[position]
                    kernels.encode(row, gradient / chunks, parts, accumulate=position + chunk > 0)
            expected = (
                parts
                if wire_dtype is None
                else kernels.encode([1.0], parts, np.empty(len(parts), buffer.dtype), wire_dtype=wire_dtype)
            )
            np.testing.assert_array_equal(buffer, expected)


def test_large_gradients_have_blocks_that_are_longer_than_they_must_be():
    scheme = design(6, stragglers=1, communication=2)
    size = 40_001
    plan = plan_of(scheme, "float32", "float16", size)
    gradient = np.arange(size, dtype=np.float32) % 7
    message = Message(plan, 0, parts=2)
    message.add(0, gradient, accumulate=False)
    message.add(0, gradient, accumulate=True)
    message.complete()
    exact = scheme.encode(0, 2.0 * gradient.astype(np.float64))
    assert message.buffer.shape == (scheme.message_size(size, "float32"),)
    half = message.buffer[: len(exact)].astype(np.float64)
    np.testing.assert_allclose(half, exact[: len(half)], rtol=2.0**-11 + 1e-6, atol=1e-5)

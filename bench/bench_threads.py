"""Time the same decode with one thread and with two, below and above the size from which the kernels use two."""

import os

import numpy as np
import pytest
import threadpoolctl

from gc_core import cpu
from gradcode import kernels

MEGABYTES = (1, 4, 8, 16, 32, 64)
SHAPE = (4, 8)


@pytest.mark.skipif(not cpu.threads_available() or (os.cpu_count() or 1) < 2, reason="only one thread is available")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("megabytes", MEGABYTES)
def bench_threads(measure, rng, megabytes, threads):
    """Below eight megabytes both rows run one thread, because the kernels start no second one there."""
    parts, n_messages = SHAPE
    stride = int(megabytes * 2**20) // 4 // (parts + n_messages) // 16 * 16
    messages = [rng.standard_normal(stride, dtype=np.float32) for _ in range(n_messages)]
    weights = rng.standard_normal(SHAPE).astype(np.float32)
    out = np.empty(parts * stride, np.float32)
    plan = kernels.DecodePlan(weights, out.size, stride, np.float32, num_threads=threads)
    with threadpoolctl.threadpool_limits(threads):
        measure(f"decode m=4 S=8, {megabytes:g} MB", lambda: plan.decode(messages, out), 4 * stride * sum(SHAPE))
    expected = (weights @ np.stack(messages)).ravel()
    bound = 2 * n_messages * np.finfo(np.float32).eps * np.abs(weights).sum(axis=1).max() * np.abs(messages).max()
    assert np.abs(out - expected).max() <= bound

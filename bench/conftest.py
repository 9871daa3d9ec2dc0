"""Options and shared parts of the benchmarks."""

import numpy as np
import pytest

import gc_core

SIZES = (10_000, 1_000_000)
LARGE = 10_000_000


def pytest_addoption(parser):
    parser.addoption("--large", action="store_true", help=f"also run gradients of {LARGE} elements")


def pytest_report_header():
    return f"gradcode: level {gc_core.cpu.level()}, seed 0"


def pytest_generate_tests(metafunc):
    if "size" in metafunc.fixturenames:
        metafunc.parametrize("size", SIZES + (LARGE,) * metafunc.config.getoption("--large"))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def measure(benchmark):
    """Time a call; the bytes that it must at least read and write give its bandwidth."""

    def run(group, call, n_bytes):
        benchmark.group = group
        result = benchmark(call)
        benchmark.extra_info["bytes"] = n_bytes
        if benchmark.stats is not None:  # None with --benchmark-disable
            benchmark.extra_info["bytes_per_second"] = n_bytes / benchmark.stats.stats.median
        return result

    return run

"""Options and fixtures of the benchmarks."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest

# The package `bench` is not installed. Its folder comes last, so that installed packages are found first.
sys.path.append(str(Path(__file__).parents[1]))

import gc_core
from bench.kernels import contenders
from bench.kernels.cases import DRAM, HUGE, L1, L2, L3, SMALL, decode, encode

SIZES = (SMALL, L1, L3)
LARGE = (L2, DRAM)
HUGE_CASES = [decode((4, 20), HUGE), encode((1, 4), HUGE)]


def pytest_addoption(parser):
    parser.addoption("--large", action="store_true", help="also run gradients of 1e5 and 1e7 elements")
    parser.addoption("--huge", action="store_true", help="also run gradients of 1e8 elements, for a few shapes")


def pytest_report_header():
    return f"gradcode: level {gc_core.cpu.level()}, {gc_core.cpu.num_threads()} threads, seed 0"


def pytest_generate_tests(metafunc):
    if "size" in metafunc.fixturenames:
        more = LARGE * metafunc.config.getoption("--large") + (HUGE,) * metafunc.config.getoption("--huge")
        metafunc.parametrize("size", SIZES + more)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def measure(benchmark):
    """Time a call. Its bandwidth counts the bytes that it must at least read and write."""

    def run(group, call, n_bytes):
        benchmark.group = group
        result = benchmark(call)
        benchmark.extra_info["bytes"] = n_bytes
        if benchmark.stats is not None:  # None with --benchmark-disable
            benchmark.extra_info["bytes_per_second"] = n_bytes / benchmark.stats.stats.median
        return result

    return run


@functools.lru_cache(maxsize=1)
def prepared(case):
    """Return the calls of all contenders on the same data, after a check that their results agree."""
    data = contenders.make(case)
    calls = contenders.contenders(case, data)
    contenders.check(case, data, calls)
    return calls


@pytest.fixture
def contend(measure):
    """Time one contender of a case. Skip it if it cannot run the case or its library is not installed."""

    def run(case, name):
        if case.size == HUGE and case not in HUGE_CASES:
            pytest.skip("1e8 elements take seconds, so only a few shapes run")
        calls = prepared(case)
        if name not in calls:
            pytest.skip(f"{name} cannot run this case, or is not installed")
        measure(case.name, calls[name], case.n_bytes)

    return run

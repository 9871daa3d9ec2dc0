"""Seed, kernel level and hypothesis settings of all tests."""

import hypothesis
import numpy as np
import pytest

import gc_core

# Fixed examples, the same in every run; no deadline, since machines differ in speed.
hypothesis.settings.register_profile("gradcode", deadline=None, derandomize=True)
hypothesis.settings.load_profile("gradcode")


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=0, help="seed of the fixtures `seed` and `rng` (default: 0)")


def pytest_report_header(config):
    levels = ", ".join(gc_core.cpu.available_levels())
    return f"gradcode: kernel level {gc_core.cpu.level()} (of {levels}), seed {config.getoption('--seed')}"


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Prepared data are kept for this test run only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADCODE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def seed(request):
    return request.config.getoption("--seed")


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)

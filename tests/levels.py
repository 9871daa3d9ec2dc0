"""A fixture that runs a module's tests at every level of the kernels that this processor has."""

import pytest

from gc_core import cpu


@pytest.fixture(params=cpu.available_levels(), autouse=True, scope="module")
def kernel_level(request):
    before = cpu.level()
    cpu.force_level(request.param)
    yield request.param
    cpu.force_level(before)

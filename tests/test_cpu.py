"""The level of the kernels can be asked and forced; one that is not available is an error."""

import os
import subprocess
import sys

import pytest

from gc_core import cpu


@pytest.fixture(autouse=True)
def same_level_afterwards():
    before = cpu.level()
    yield
    cpu.force_level(before)


def test_base_is_always_available():
    assert cpu.available_levels()[0] == "base"
    assert cpu.level() in cpu.available_levels()


@pytest.mark.parametrize("name", cpu.levels())
def test_levels_of_this_processor(name):
    """The other tests of the kernels run at each of these; this one says which are left out."""
    if name not in cpu.available_levels():
        with pytest.raises(ValueError, match=f"got '{name}'$"):
            cpu.force_level(name)
        pytest.skip(f"this processor or build has no {name}")


def test_the_fastest_level_is_the_default():
    assert level_in_new_process(None).stdout == f"{cpu.available_levels()[-1]}\n"


@pytest.mark.parametrize("name", cpu.available_levels())
def test_force_each_level(name):
    cpu.force_level(name)
    assert cpu.level() == name


@pytest.mark.parametrize("name", ["", "avx9", "BASE", "base "])
def test_force_refuses_an_unavailable_level(name):
    before = cpu.level()
    with pytest.raises(ValueError, match=rf"^name must be one of base.*, got '{name}'$"):
        cpu.force_level(name)
    assert cpu.level() == before


@pytest.mark.parametrize("name", [None, 0, b"base"])
def test_force_refuses_other_types(name):
    with pytest.raises(TypeError, match=f"^name must be a string, got {name!r}$"):
        cpu.force_level(name)


def level_in_new_process(value):
    environment = {key: text for key, text in os.environ.items() if key != "GRADCODE_LEVEL"}
    if value is not None:
        environment["GRADCODE_LEVEL"] = value
    command = "import gc_core; print(gc_core.cpu.level())"
    return subprocess.run(
        [sys.executable, "-P", "-c", command], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", cpu.available_levels())
def test_environment_forces_the_level(name):
    assert level_in_new_process(name).stdout == f"{name}\n"


def test_empty_environment_is_as_none():
    assert level_in_new_process("").stdout == level_in_new_process(None).stdout != ""


def test_environment_with_an_unavailable_level_fails_the_import():
    result = level_in_new_process("avx9")
    assert result.returncode != 0
    names = ", ".join(cpu.available_levels())
    assert f"ImportError: the environment variable GRADCODE_LEVEL must be one of {names}, got 'avx9'" in result.stderr

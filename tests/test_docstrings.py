"""Public things have docstrings, and the examples in them run."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil

import numpy as np
import pytest

import gradcode

NEEDS_MPI = {
    "gradcode.mpi.agreement",
    "gradcode.mpi.inbox",
    "gradcode.mpi.link",
    "gradcode.mpi.master",
    "gradcode.mpi.session",
    "gradcode.mpi.sharing",
}
NEEDS_MPI |= {"gradcode.__main__"}
NEEDS_TORCH = {"gradcode.torch"} if importlib.util.find_spec("torch") is None else set()
NEEDS_MORE = NEEDS_MPI | NEEDS_TORCH
MODULES = [info.name for info in pkgutil.walk_packages(gradcode.__path__, "gradcode.") if info.name not in NEEDS_MORE]


@pytest.mark.parametrize("name", ["gradcode", *MODULES])
def test_examples_run(name):
    with np.printoptions(legacy=False):
        failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize("name", ["gradcode", *MODULES])
def test_public_things_are_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__, name
    for public in getattr(module, "__all__", []):
        thing = getattr(module, public)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        assert thing.__doc__, f"{name}.{public}"
        if inspect.isclass(thing) and thing.__module__ == name:
            for attribute, member in vars(thing).items():
                if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    assert member.__doc__, f"{name}.{public}.{attribute}"


def test_every_public_name_exists():
    for name in ["gradcode", *MODULES]:
        module = importlib.import_module(name)
        missing = [public for public in getattr(module, "__all__", []) if not hasattr(module, public)]
        assert not missing, f"{name}: {missing}"

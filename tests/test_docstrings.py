"""Public things have docstrings, these name all parameters and no others, and the examples in them run."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import importlib.util
import inspect
import itertools
import pkgutil
import re

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


# --- parameters -------------------------------------------------------------------------------------------------------

# What users call: a function without an account of its parameters is not documented.
SURFACE = {"gradcode", "gradcode.codes", "gradcode.kernels", "gradcode.learn", "gradcode.local", "gradcode.mpi"}
SURFACE |= {"gradcode.rounds", "gradcode.torch"}


def documented(thing, *sections):
    """The names in these sections of a docstring in NumPy's style; None if it has none of them."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    names, inside, found = [], False, False
    for line, below in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        if re.fullmatch("-{3,}", below) and len(below) == len(line):
            inside = line in sections
            found |= inside
        elif inside and line and not line.startswith((" ", "---")):
            names += [name.strip().lstrip("*") for name in line.partition(" : ")[0].split(",")]
    return names if found else None


def parameters_of(thing):
    names = list(inspect.signature(thing).parameters)
    method = inspect.isfunction(thing) and "." in thing.__qualname__.rpartition("<locals>.")[2]
    return names[names[:1] in (["self"], ["cls"]) :] if method else names


def callables():
    """(where it stands, whether it must have a section, sections, the thing with the docstring, its parameters)."""
    seen = set()
    for name in ["gradcode", *MODULES]:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", []):
            thing = getattr(module, public)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)) or thing in seen:
                continue
            if not thing.__module__.startswith("gradcode"):
                continue
            seen.add(thing)
            where = f"{thing.__module__}.{thing.__qualname__}"
            if inspect.isfunction(thing):
                yield where, name in SURFACE, ("Parameters",), thing, parameters_of(thing)
                continue
            record = dataclasses.is_dataclass(thing) or issubclass(thing, tuple)
            if record and not thing.__doc__.startswith(f"{thing.__name__}("):
                fields = [field for field in parameters_of(thing) if not field.startswith("_")]
                yield where, False, ("Parameters", "Attributes"), thing, fields
            elif getattr(thing, "_is_protocol", False):
                if "__call__" in vars(thing):
                    yield where, True, ("Parameters",), thing, parameters_of(thing.__call__)
            elif "__init__" in vars(thing):
                yield where, name in SURFACE, ("Parameters",), thing, parameters_of(thing)
            for attribute, member in vars(thing).items():
                function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
                if not attribute.startswith("_") and inspect.isfunction(function):
                    yield f"{where}.{attribute}", False, ("Parameters",), function, parameters_of(function)


def test_docstrings_have_the_parameters_of_the_signature():
    faults = []
    for where, needed, sections, thing, parameters in callables():
        names = documented(thing, *sections)
        if "Attributes" in sections:  # of a record, which may have derived ones as well
            missing = [name for name in parameters if names is not None and name not in names]
            faults += [f"{where}: {missing} are not documented"] if missing else []
        elif names is None:
            faults += [f"{where} must say what its parameters {parameters} are"] if needed and parameters else []
        elif sorted(names) != sorted(parameters):
            faults.append(f"{where}: documented are {names}, but it takes {parameters}")
    assert not faults, "\n".join(faults)


def test_sections_are_read():
    def function(first, second, *rest, third=0):
        """Do something.

        Parameters
        ----------
        first, second : int
            Numbers.
        *rest
            More.
        third : {"a", "b"}, optional
            One of: a, b.

        Returns
        -------
        int
            Another.
        """

    assert documented(function, "Parameters") == parameters_of(function) == ["first", "second", "rest", "third"]
    assert documented(function, "Returns") == ["int"] and documented(function, "Raises") is None

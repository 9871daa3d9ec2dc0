"""Dependencies go one way, files are short, and `import gradcode` stays light."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gc_core
import gradcode

PACKAGE = Path(gradcode.__file__).parent
# The compiled package has its Python files beside this one, its Cython sources in a folder of the repository.
KERNELS = [Path(gc_core.__file__).parent, Path(__file__).parents[1] / "gc_core"]
# The layers, each with those it stands on: it may import from itself and from them, from nothing else in the package.
BASE = {"errors", "_files", "_memory", "_options", "_validate", "_version"}
MATHEMATICS = {"kernels", "codes", "schemes"}
CORE = BASE | MATHEMATICS | {"rounds"}
LAYERS = {
    **dict.fromkeys(BASE, BASE),
    "kernels": BASE,
    "codes": BASE | {"kernels"},
    "schemes": BASE | {"kernels", "codes"},
    "rounds": BASE | MATHEMATICS,
    "mpi": CORE,
    "local": CORE,
    # Beside them, from data to training; reports know records alone.
    "linear": BASE,
    "datasets": BASE | {"linear"},
    "reports": BASE,
    "learn": CORE | {"mpi", "local", "linear", "datasets"},
    "train": CORE | {"mpi", "local", "linear", "datasets", "reports"},
    "torch": CORE | {"mpi", "local"},
    "cli": CORE | {"mpi", "local", "linear", "datasets", "reports", "train"},
    "__main__": {"cli"},
    "__init__": CORE,  # what a user of the core sees; the rest is imported by name
}
# What may be imported when a module is imported; everything else is an extra, and imported where it is used.
ALWAYS_THERE = {"numpy", "scipy", "gradcode", "gc_core"} | set(sys.stdlib_module_names)
# These modules are for users of the library they are named after.
OPTIONAL = {"learn": {"sklearn", "threadpoolctl"}, "torch": {"torch"}}
MPI_MODULES = {"agreement", "inbox", "link", "master", "session", "sharing"}


def imports(path):
    """(name, whether importing the file runs it) of every import in a file: in functions and for types only, too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, node in tree.body


def layer_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [(path, layer_of(path), name, executed) for path in FILES for name, executed in imports(path)]


def test_imports_go_down_only():
    assert {layer_of(path) for path in FILES} == set(LAYERS), "say in LAYERS what each layer stands on"
    for path, layer, name, _ in IMPORTS:
        parts = name.split(".")
        if parts[0] == "gc_core":
            assert layer == "kernels", f"{path}: {name}: gradcode.kernels is the one door to gc_core"
        if parts[0] == "gradcode" and len(parts) > 1:
            # The package itself offers the public names of the core.
            below = parts[1] if parts[1] in LAYERS else "__init__"
            allowed = LAYERS[layer] | {layer} | ({"__init__"} if LAYERS[layer] >= CORE else set())
            assert below in allowed, f"{path}: {layer} must not import {name}"


def test_extras_are_imported_where_they_are_used():
    for path, layer, name, executed in IMPORTS:
        root = name.split(".")[0]
        allowed = root in OPTIONAL.get(layer, ()) or (layer == "cli" and path.stem != "__init__")
        allowed |= layer == "mpi" and path.stem in MPI_MODULES and root == "mpi4py"
        if executed and root not in ALWAYS_THERE:
            assert allowed, f"{path}: {name} is an extra: import it where it is used"


def file_of(name):
    """The file of the package that an import of this name reads from; None for other packages."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return None
    for length in range(len(parts), 0, -1):
        stem = PACKAGE.joinpath(*parts[1:length])
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if path.is_file():
                return path
    raise AssertionError(f"{name} is not in the package")


def test_no_files_import_each_other():
    """Not in a circle either, and not even for the sake of types."""
    graph = {path: {file_of(name) for name, _ in imports(path)} - {None} for path in FILES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = [str(path.relative_to(PACKAGE)) for path in reversed(error.args[1])]
        pytest.fail("imported in a circle: " + " <- ".join(circle))


# --- the size of files ------------------------------------------------------------------------------------------------

LINES, LINES_OF_MATHEMATICS = 350, 300
SUFFIXES = ("*.py", "*.pyi", "*.pxd", "*.pyx")
SOURCES = [*FILES, *sorted(path for folder in KERNELS for suffix in SUFFIXES for path in folder.glob(suffix))]


def test_files_are_short():
    """A longer one says in its first lines: "Long because ..."."""
    for path in SOURCES:
        lines = path.read_text(encoding="utf-8").splitlines()
        layer = path.relative_to(PACKAGE).parts[0] if path.is_relative_to(PACKAGE) else "gc_core"
        limit = LINES_OF_MATHEMATICS if layer in MATHEMATICS else LINES
        reason = re.search(r"\blong because\b", "\n".join(lines[:15]), re.IGNORECASE)
        if len(lines) > limit and reason is None:
            pytest.fail(f"{path} has {len(lines)} lines, of at most {limit}, and no reason in its first lines")


# --- what an import loads ---------------------------------------------------------------------------------------------


def loaded_by(statement):
    script = f"import sys; {statement}; print(*sys.modules)"
    return subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import gradcode",
        "import gradcode.rounds",
        "import gradcode.mpi, gradcode.mpi.launch, gradcode.mpi.wire, gradcode.mpi.placement",
        "import gradcode.train, gradcode.train.config, gradcode.train.launcher, gradcode.reports.live",
    ],
)
def test_importing_loads_no_extras(statement):
    roots = {name.split(".")[0] for name in loaded_by(statement)}
    assert not roots & {"mpi4py", "sklearn", "rich", "typer", "matplotlib"}


def test_the_c_code_knows_nothing_of_python():
    sources = Path(__file__).parents[1] / "src_c"
    if not sources.is_dir():
        pytest.skip("the C sources are not beside the tests")
    for path in [*sources.rglob("*.c"), *sources.rglob("*.h")]:
        if path.name == "gradcode_import.h":
            continue  # for extension modules: it takes the functions from the installed package
        text = path.read_text(encoding="utf-8")
        assert "Python.h" not in text and "numpy" not in text, path

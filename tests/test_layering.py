"""Dependencies go one way, and `import gradcode` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gradcode

PACKAGE = Path(gradcode.__file__).parent
# From the bottom up: a module may import from its own layer and from those below.
LAYERS = [
    {"errors", "_files", "_memory", "_options", "_validate", "_version"},
    {"kernels"},
    {"codes"},
    {"schemes"},
    {"rounds"},
    {"local", "mpi"},
    {"linear"},
    {"datasets"},
    {"reports"},
    {"train"},
    {"learn", "torch"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# What may be imported when a module is imported; everything else is an extra, and imported where it is used.
CORE = {"numpy", "scipy", "gradcode", "gc_core"} | set(sys.stdlib_module_names)
# These modules are for users of the library they are named after.
OPTIONAL = {"learn": {"sklearn", "threadpoolctl"}, "torch": {"torch"}}
MPI_MODULES = {"agreement", "inbox", "link", "master", "session", "sharing"}


def imports(path):
    """(module, whether it is at module level and really executed) of every import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield name, id(node) not in typing_only and node in tree.body


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name not in ("__main__.py",))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if layer == "__init__":
        return
    for name, executed in imports(path):
        parts = name.split(".")
        if parts[0] == "gc_core":
            assert layer == "kernels", f"{name}: gradcode.kernels is the one door to gc_core"
        if parts[0] == "gradcode" and len(parts) > 1 and parts[1] in RANK and executed:
            assert RANK[parts[1]] <= RANK[layer], f"{layer} must not import {name}"
        extra = parts[0] not in CORE
        allowed = parts[0] in OPTIONAL.get(layer, ()) or (layer == "cli" and path.stem != "__init__")
        allowed |= layer == "mpi" and path.stem in MPI_MODULES and parts[0] == "mpi4py"
        if extra and executed:
            assert allowed, f"{name} is an extra: import it where it is used"


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

"""The clone does not hide the installed package, and the version stands once."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gradcode

ROOT = Path(__file__).resolve().parents[1]
needs_clone = pytest.mark.skipif(not (ROOT / "gc_core").is_dir(), reason="the sources are not beside the tests")
DECODE = """
import numpy as np
import gc_core
print(gc_core.decode(np.eye(2), [np.ones(2), np.zeros(2)], np.empty(4)).tolist())
"""


def python(*arguments, cwd):
    """Run Python with the current directory first on its path, as it is by default."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_folder_of_sources_does_not_hide_the_package(tmp_path):
    sources = tmp_path / "gc_core"
    sources.mkdir()
    (sources / "calls.pyx").touch()
    assert python("-c", DECODE, cwd=tmp_path) == "[1.0, 1.0, 0.0, 0.0]\n"
    (sources / "__init__.py").touch()  # with which it would: the test can fail
    with pytest.raises(AssertionError, match="gc_core"):
        python("-c", DECODE, cwd=tmp_path)


@needs_clone
def test_the_clone_as_it_is_does_not_hide_the_package(tmp_path):
    shutil.copytree(ROOT / "gc_core", tmp_path / "gc_core", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    assert {path.suffix for path in (tmp_path / "gc_core").iterdir()} == {".pyx"}
    for folder in (tmp_path, ROOT):
        assert python("-c", DECODE, cwd=folder) == "[1.0, 1.0, 0.0, 0.0]\n"


@needs_clone
def test_benchmarks_start_in_the_clone():
    assert "--report" in python("-m", "bench.kernels", "--help", cwd=ROOT)


@needs_clone
def test_the_readme_runs_in_the_clone():
    block = re.search(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    python("-c", block[1], cwd=ROOT)


def test_the_installed_version():
    try:
        installed = importlib.metadata.version("gradcode")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is on the path, but not installed")
    assert installed == gradcode.__version__


@needs_clone
def test_the_version_is_written_once():
    """CITATION.cff is read by others and cannot refer to it."""
    assert f"\nversion: {gradcode.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert gradcode.__version__ not in (ROOT / "pyproject.toml").read_text("utf-8")

"""The Python of README and documentation runs as it stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from gradcode.mpi.launch import mpirun_command, rank_environment

README = Path(__file__).parents[1] / "README.md"
KERNELS = README.parent / "docs" / "kernels.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="the README is not beside the tests")


def python_blocks(path=README):
    return re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_kernels_run():
    blocks = python_blocks(KERNELS)
    assert len(blocks) == 3
    exec(compile("".join(blocks), "kernels.md", "exec"), {})


def test_the_first_example_runs():
    exec(compile(python_blocks()[0], "README.md", "exec"), {})


def test_the_example_of_an_estimator_runs():
    exec(compile(python_blocks()[2], "README.md", "exec"), {})


def test_the_mpi_example_runs(tmp_path):
    script = tmp_path / "least_squares.py"
    script.write_text(python_blocks()[1])
    completed = subprocess.run(
        mpirun_command(7, [str(script)]),
        capture_output=True,
        text=True,
        timeout=100,
        env=rank_environment(),
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    error = float(re.fullmatch(r"error ([0-9.e+-]+)", completed.stdout.strip())[1])
    assert error < 1e-2  # the noise of the targets, and no more

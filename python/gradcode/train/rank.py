"""The entry of each rank of `gradcode train`.

- ``python -m gradcode.train.rank CONFIGURATION PREPARED LAUNCHED_AT``, for ranks that the launcher starts, with data
  that it has prepared
- `serve`, for the command inside an existing mpirun or srun
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from types import FrameType
from typing import IO, Any, TextIO, cast

from gradcode.datasets.prepared import open_prepared
from gradcode.errors import GradCodeWarning
from gradcode.mpi import load_mpi
from gradcode.reports.live import Reporter
from gradcode.train.application import train
from gradcode.train.config import TrainConfig
from gradcode.train.events import Event, Finished, Status, encoded, failure, show
from gradcode.train.job import Job, present, run_all

__all__ = ["main", "serve"]


def main() -> int:
    """Run one rank that the launcher started."""
    configuration, directory, launched_at = sys.argv[1:]
    comm = load_mpi()
    # The launcher's signal to stop reaches every rank. The master treats it as Ctrl-C and ends the other ranks.
    signal.signal(signal.SIGUSR1, _as_interrupt if comm.rank == 0 else signal.SIG_IGN)
    warnings.simplefilter("ignore", GradCodeWarning)  # the launcher has shown it
    from gradcode.mpi.agreement import together

    def emit(event: Event) -> None:
        sys.stdout.write(encoded(event))
        sys.stdout.flush()

    try:
        config = TrainConfig.from_json(configuration)
        prepared = together(comm, lambda: open_prepared(directory))
        if comm.rank == 0:
            emit(Status("workers are loading their shares"))
        train(config, prepared, emit, float(launched_at))
    except (Exception, KeyboardInterrupt) as error:
        if comm.rank == 0 and not getattr(error, "gradcode_reported", False):
            emit(failure(error))
    # The launcher reads the status from the events. A status other than 0 would only make mpirun print explanations.
    return 0


def serve(job: Job) -> int:
    """Run one rank inside an existing mpirun or srun; every rank calls this.

    On each host, one rank prepares the data for all.

    Parameters
    ----------
    job : Job
        The runs, the same on all ranks.

    Returns
    -------
    int
        Exit status: 0 if all results are stored, 2 if a run failed, 130 on the master if one was interrupted.
    """
    launched_at = time.time()
    comm = load_mpi()
    warnings.simplefilter("ignore", GradCodeWarning)  # the command has shown it
    from mpi4py import MPI

    from gradcode.mpi.agreement import gather_texts, together

    host = comm.Split_type(MPI.COMM_TYPE_SHARED)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="gradcode-")) if host.rank == 0 else ""
        reporter = stack.enter_context(_reporter(speaks=comm.rank == 0))

        def prepare() -> str:
            if comm.rank == 0:
                stack.enter_context(job.directory())
            return str(job.prepare(Path(scratch), reporter.status)) if host.rank == 0 else ""

        def failed(error: Exception) -> int:
            if not getattr(error, "gradcode_reported", False):
                show(failure(error), reporter)
            return 2

        def attempt(config: TrainConfig, launched_at: float, last: bool) -> tuple[int, dict[str, Any] | None]:
            result: dict[str, Any] | None = None

            def emit(event: Event) -> None:
                nonlocal result
                show(event, reporter)
                if isinstance(event, Finished):
                    result = event.result

            try:
                status = train(config, prepared, emit, launched_at)
            except Exception as error:
                status = failed(error)
            if not last:  # all ranks continue or stop as the master does
                status = int(gather_texts(comm, str(status))[0])
            return status, result

        try:
            directory = gather_texts(host, together(comm, prepare))[0]
            prepared = together(comm, lambda: open_prepared(directory))
        except Exception as error:
            return failed(error)
        finally:
            host.Free()
        status, results = run_all(job, attempt, reporter, launched_at)
        present(job, results, reporter)
    return status


def _reporter(speaks: bool) -> Reporter:
    """Return a reporter for standard output, or a silent one."""
    if not speaks:
        nowhere = io.StringIO()
        return Reporter(stream=nowhere, errors=nowhere)
    # mpirun may give the ranks a pseudo-terminal, but its own output is plain lines.
    return Reporter(stream=cast(IO[str], _NotATerminal(sys.stdout)))


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGINT)


class _NotATerminal(io.TextIOBase):
    """A stream that says it is not a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False


if __name__ == "__main__":
    raise SystemExit(main())

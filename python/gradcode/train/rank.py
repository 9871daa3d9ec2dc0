"""Where a rank of `gradcode train` starts: ``python -m gradcode.train.rank CONFIGURATION PREPARED LAUNCHED_AT``.

The launcher starts the ranks this way, with the data prepared. `serve` is the other door: the command run inside
somebody's own mpirun or srun.
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

from gradcode.datasets.prepared import Prepared, open_prepared
from gradcode.errors import GradCodeWarning
from gradcode.mpi import load_mpi
from gradcode.reports.terminal import Reporter
from gradcode.train.application import train
from gradcode.train.config import TrainConfig
from gradcode.train.events import encode_event, failure_event
from gradcode.train.job import Job, present

__all__ = ["main", "serve"]


def main() -> int:
    """Run one rank that the launcher started."""
    configuration, directory, launched_at = sys.argv[1:]
    comm = load_mpi()
    # The launcher's "please stop" reaches every rank; the master takes it as Ctrl-C and ends the others in order.
    signal.signal(signal.SIGUSR1, _as_interrupt if comm.rank == 0 else signal.SIG_IGN)
    warnings.simplefilter("ignore", GradCodeWarning)  # the launcher has said it
    from gradcode.mpi.agreement import together

    def emit(event: dict[str, Any]) -> None:
        sys.stdout.write(encode_event(event))
        sys.stdout.flush()

    try:
        config = TrainConfig.from_json(configuration)
        prepared = together(comm, lambda: open_prepared(directory))
        if comm.rank == 0:
            emit({"event": "status", "message": "workers are loading their shares"})
        train(config, prepared, emit, float(launched_at))
    except (Exception, KeyboardInterrupt) as error:
        if comm.rank == 0 and not getattr(error, "gradcode_reported", False):
            emit(failure_event(error))
    # The launcher goes by the events; any other status would only make mpirun explain itself at length.
    return 0


def serve(job: Job) -> int:
    """Run one rank inside an existing mpirun or srun; every rank calls this.

    On each host one rank reads and lays out the data for all.
    """
    launched_at = time.time()
    comm = load_mpi()
    warnings.simplefilter("ignore", GradCodeWarning)  # the command has said it
    from mpi4py import MPI

    from gradcode.mpi.agreement import gather_texts, together

    results: dict[str, dict[str, Any]] = {}
    status = 0
    host = comm.Split_type(MPI.COMM_TYPE_SHARED)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="gradcode-")) if host.rank == 0 else ""
        # mpirun gives ranks a terminal of its own: what arrives at the user's is a stream of lines.
        reporter = stack.enter_context(Reporter(stream=cast(IO[str], _NotATerminal(sys.stdout))))

        def ready() -> str:
            if comm.rank == 0:
                stack.enter_context(job.directory())
            say = reporter.status if comm.rank == 0 else _say_nothing
            return str(job.prepare(Path(scratch), say)) if host.rank == 0 else ""

        def attempt(name: str, config: TrainConfig, prepared: Prepared) -> int:
            def emit(event: dict[str, Any]) -> None:
                reporter.handle(event)
                if event["event"] == "finished":
                    results[name] = event["result"]

            try:
                return train(config, prepared, emit, launched_at)
            except Exception as error:
                return failed(error)

        def failed(error: Exception) -> int:
            if comm.rank == 0 and not getattr(error, "gradcode_reported", False):
                reporter.handle(failure_event(error))
            return 2

        try:
            directory = gather_texts(host, together(comm, ready))[0]
            prepared = together(comm, lambda: open_prepared(directory))
        except Exception as error:
            return failed(error)
        finally:
            host.Free()
        left = len(job.runs)
        for name, config in job.runs.items():
            if comm.rank == 0 and job.compares:
                reporter.headline(name)
            status = attempt(name, config, prepared)
            left -= 1
            if left:  # however it ended on the master, the others go by that
                status = int(gather_texts(comm, str(status))[0])
            if status:
                break
            launched_at = time.time()
        if comm.rank == 0:
            present(job, results, reporter)
    return status


def _say_nothing(message: str) -> None:
    """On all ranks but one."""


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGINT)


class _NotATerminal(io.TextIOBase):
    """A stream that is written to as if it were a file."""

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

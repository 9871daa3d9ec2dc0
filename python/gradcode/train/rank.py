"""Where a rank of `gradcode train` starts: ``python -m gradcode.train.rank CONFIGURATION PREPARED LAUNCHED_AT``.

The launcher starts the ranks this way, with the data prepared. `serve` is the other door: the command run inside
somebody's own mpirun or srun.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import time
from types import FrameType
from typing import IO, Any, TextIO, cast

from gradcode.errors import GradCodeError
from gradcode.mpi import load_mpi
from gradcode.train.application import train
from gradcode.train.config import TrainConfig
from gradcode.train.data import load_data
from gradcode.train.events import encode_event, failure_event
from gradcode.train.prepared import open_prepared, save
from gradcode.train.report import Reporter

__all__ = ["main", "serve"]


def main() -> int:
    """Run one rank that the launcher started."""
    configuration, directory, launched_at = sys.argv[1:]
    # The launcher's "please stop" reaches every rank; the master takes it as Ctrl-C and ends the others in order.
    comm = load_mpi()
    signal.signal(signal.SIGUSR1, _as_interrupt if comm.rank == 0 else signal.SIG_IGN)

    def emit(event: dict[str, Any]) -> None:
        sys.stdout.write(encode_event(event))
        sys.stdout.flush()

    try:
        train(TrainConfig.from_json(configuration), open_prepared(directory), emit, float(launched_at))
    except Exception as error:
        if comm.rank == 0:
            emit(failure_event(error))
    # The launcher goes by the events; any other status would only make mpirun explain itself at length.
    return 0


def serve(config: TrainConfig) -> int:
    """Run one rank inside an existing mpirun or srun; every rank calls this, and reads the data itself."""
    launched_at = time.time()
    comm = load_mpi()
    from gradcode.mpi.agreement import gather_texts

    error = ""
    with tempfile.TemporaryDirectory(prefix="gradcode-") as directory:
        try:
            save(load_data(config.data, config.seed, config.dtype), directory)
        except (GradCodeError, ValueError, OSError) as fault:
            error = str(fault)
        errors = [text for text in gather_texts(comm, error) if text]
        if errors:
            if comm.rank == 0:
                sys.stderr.write(f"gradcode: error: {errors[0]}\n")
            return 2
        # mpirun gives ranks a terminal of its own: what arrives at the user's is a stream of lines.
        with Reporter(stream=cast(IO[str], _NotATerminal(sys.stdout))) as reporter:
            try:
                train(config, open_prepared(directory), reporter.handle, launched_at)
            except Exception as fault:
                if comm.rank == 0:
                    reporter.handle(failure_event(fault))
                return 1
    return 0


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

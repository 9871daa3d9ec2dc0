"""Starting the ranks on this machine, and watching over them."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gradcode.mpi.interrupts import deferred_interrupts
from gradcode.mpi.local import check_shared_memory, mpirun_command, process_session
from gradcode.train.config import TrainConfig
from gradcode.train.data import load_data
from gradcode.train.events import decode_event
from gradcode.train.prepared import save
from gradcode.train.report import Reporter

__all__ = ["launch"]

# After rank 0 has said that the result is safe, the ranks have this long to leave.
GRACE_SECONDS = 15.0
# After an interruption, the ranks have this long to end by themselves.
INTERRUPT_SECONDS = 20.0


def launch(config: TrainConfig, reporter: Reporter) -> int:
    """Train on this machine: prepare the data, start the ranks, show what they report.

    Returns
    -------
    int
        Exit status: 0 if the result is safe, 1 if the run failed, 130 if it was interrupted.

    Raises
    ------
    GradCodeError, ValueError, OSError
        If the run cannot be started; no rank has been by then.
    """
    launched_at = time.time()
    ranks = config.workers + 1
    check_shared_memory(ranks)
    with tempfile.TemporaryDirectory(prefix="gradcode-") as directory:
        # -P: what lies in the current directory is not ours to import.
        arguments = ["-P", "-m", "gradcode.train.rank", config.to_json(), directory, repr(launched_at)]
        command = mpirun_command(ranks, arguments)
        save(load_data(config.data, config.seed, config.dtype), directory)
        if config.output is not None:
            Path(config.output).mkdir(parents=True, exist_ok=True)
        with deferred_interrupts() as interruption, process_session(command) as process:
            return _watch(process, reporter, interruption)


def _watch(process: subprocess.Popen[str], reporter: Reporter, interruption: Callable[[], bool]) -> int:
    """Show events until the ranks are gone; trust only what rank 0 says of the result, never mpirun's status."""
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read_lines, args=(process, lines), daemon=True)
    reader.start()
    status: int | None = None
    interrupted = False
    deadline: float | None = None
    while deadline is None or time.monotonic() < deadline:
        if interruption():
            if interrupted:
                break
            interrupted = True
            deadline = time.monotonic() + INTERRUPT_SECONDS
            process.send_signal(signal.SIGUSR1)  # mpirun forwards it to the ranks; a SIGINT would kill them
        try:
            line = lines.get(timeout=0.1)
        except queue.Empty:
            continue
        if line is None:
            break
        event = decode_event(line)
        if event is None:
            sys.stdout.write(line)
            continue
        reporter.handle(event)
        if event["event"] == "finished":
            status = 130 if event["result"]["status"] == "interrupted" else 0
            deadline = time.monotonic() + GRACE_SECONDS
        elif event["event"] == "failed":
            status = 1
            deadline = time.monotonic() + GRACE_SECONDS
    else:
        if status in (0, 130):
            sys.stderr.write("gradcode: warning: not all workers have left; ending them. The result is safe.\n")
    if status is None:
        status = 130 if interrupted else 1
        if not interrupted:
            process.wait()
            message = f"the ranks ended without a result; mpirun's status was {process.returncode}"
            reporter.handle({"event": "failed", "message": message, "worker": None, "traceback": ""})
    return status


def _read_lines(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)

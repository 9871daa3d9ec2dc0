"""Starting the ranks on this machine, and watching them."""

from __future__ import annotations

import contextlib
import math
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from gradcode.mpi.launch import check_shared_memory, mpirun_command, process_session
from gradcode.reports.live import Reporter
from gradcode.rounds import Interrupts
from gradcode.train.config import TrainConfig
from gradcode.train.events import Failed, Finished, decoded, show
from gradcode.train.job import Job, present, run_all

__all__ = ["launch"]

# Once rank 0 has reported the end of the run, the ranks have this long to leave.
GRACE_SECONDS = 15.0
# If they take longer than this, a line says what they wait for.
PATIENCE_SECONDS = 3.0
# After an interruption, the ranks have this long to end by themselves.
INTERRUPT_SECONDS = 20.0


def launch(job: Job, reporter: Reporter) -> int:
    """Train on this machine: prepare the data, start the ranks of each run in turn, and show their events.

    Parameters
    ----------
    job : Job
        The runs.
    reporter : Reporter
        Shows the events.

    Returns
    -------
    int
        Exit status: 0 if all results are stored, 1 if a run failed, 130 if one was interrupted.

    Raises
    ------
    GradCodeError, ValueError, OSError
        If a run cannot be started. None of its ranks has been started then.
    """
    launched_at = time.time()
    check_shared_memory(job.first.workers + 1)
    interrupts = Interrupts()
    with tempfile.TemporaryDirectory(prefix="gradcode-") as scratch, job.directory():
        directory = job.prepare(Path(scratch), reporter.status)

        def attempt(config: TrainConfig, launched_at: float, last: bool) -> tuple[int, dict[str, Any] | None]:
            status, result = _launch(config, directory, launched_at, reporter, interrupts)
            complete = last and result is not None
            return 130 if interrupts.consume() and not complete else status, result

        with interrupts.handling():
            status, results = run_all(job, attempt, reporter, launched_at)
        present(job, results, reporter)
    return status


def _launch(
    config: TrainConfig, directory: Path, launched_at: float, reporter: Reporter, interrupts: Interrupts
) -> tuple[int, dict[str, Any] | None]:
    """Make one run; return its exit status and, if there is one, its result."""
    command = mpirun_command(
        config.workers + 1,
        # -P: do not import from the current directory.
        ["-P", "-m", "gradcode.train.rank", config.to_json(), str(directory), repr(launched_at)],
    )
    reporter.status(f"starting the master and {config.workers} workers")
    with process_session(command) as process:
        watch = _Watch(process, reporter, interrupts)
        status = watch.until_the_end()
    if watch.left_behind:  # tell the caller, who may have more runs to make
        interrupts.put_back()
    return status, watch.result


class _Watch:
    """Shows the events of the ranks until they are gone. The status follows from the events, not from mpirun's."""

    def __init__(self, process: subprocess.Popen[str], reporter: Reporter, interrupts: Interrupts) -> None:
        self._process = process
        self._reporter = reporter
        self._interrupts = interrupts
        self.result: dict[str, Any] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._status: int | None = None
        self._loading = False  # once true, the ranks handle the signal to stop
        self._interrupted = False
        self.left_behind = False  # whether Ctrl-C came after the end of the run, while workers were still running
        self._deadline = math.inf
        self._announce_wait_at = math.inf

    def until_the_end(self) -> int:
        """Show events until the ranks are gone; return the exit status."""
        threading.Thread(target=_read_lines, args=(self._process, self._lines), daemon=True).start()
        while time.monotonic() < self._deadline:
            if self._interrupts.consume() and not self._interrupt():
                break
            if time.monotonic() > self._announce_wait_at:
                self._announce_wait_at = math.inf
                self._say("waiting for workers that cannot be interrupted (Ctrl-C to leave them behind)")
            try:
                line = self._lines.get(timeout=0.1)
            except queue.Empty:
                continue
            if line is None:
                break
            self._take(line)
        else:
            self._say("some workers are still running; ending them")
        if self._status is not None:
            return self._status
        if self._interrupted:
            self._say("interrupted before the run had a result")
            return 130
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE_SECONDS)
        message = f"the ranks ended without a result; mpirun exited with status {self._process.returncode}"
        self._reporter.failed(message)
        return 1

    def _interrupt(self) -> bool:
        """Ask the ranks to stop; return whether to wait for them."""
        if self._interrupted or self._status is not None or not self._loading:
            self.left_behind = self._status is not None
            self._interrupted = True
            return False
        self._interrupted = True
        self._deadline = time.monotonic() + INTERRUPT_SECONDS
        self._process.send_signal(signal.SIGUSR1)  # mpirun forwards it to the ranks; SIGINT would kill them
        return True

    def _take(self, line: str) -> None:
        event = decoded(line)
        if event is None:
            with contextlib.suppress(OSError):
                sys.stdout.write(line)
            return
        self._loading = True
        show(event, self._reporter)
        if isinstance(event, Finished | Failed):
            if isinstance(event, Failed):
                self._status = 1
            else:
                self.result = event.result
                self._status = 130 if event.result["status"] == "interrupted" else 0
            self._deadline = time.monotonic() + GRACE_SECONDS
            self._announce_wait_at = time.monotonic() + PATIENCE_SECONDS

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"gradcode: {text}\n")
            sys.stderr.flush()


def _read_lines(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)

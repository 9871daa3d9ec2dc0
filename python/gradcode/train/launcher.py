"""Starting the ranks on this machine, and watching over them."""

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
from gradcode.reports.terminal import Reporter
from gradcode.rounds import Interrupts
from gradcode.train.config import TrainConfig
from gradcode.train.events import decode_event
from gradcode.train.job import Job, present

__all__ = ["launch"]

# After rank 0 has said that the result is safe, the ranks have this long to leave.
GRACE_SECONDS = 15.0
# And if they take longer than this, it is said what is waited for.
PATIENCE_SECONDS = 3.0
# After an interruption, the ranks have this long to end by themselves.
INTERRUPT_SECONDS = 20.0


def launch(job: Job, reporter: Reporter) -> int:
    """Train on this machine: prepare the data, start the ranks of each run in turn, show what they report.

    Returns
    -------
    int
        Exit status: 0 if all results are safe, 1 if a run failed, 130 if one was interrupted.

    Raises
    ------
    GradCodeError, ValueError, OSError
        If a run cannot be started; no rank of it has been by then.
    """
    launched_at = time.time()
    check_shared_memory(job.first.workers + 1)
    results: dict[str, dict[str, Any]] = {}
    status = 0
    with tempfile.TemporaryDirectory(prefix="gradcode-") as scratch, job.directory():
        directory = job.prepare(Path(scratch), reporter.status)
        interrupts = Interrupts()
        with interrupts.handling():
            for name, config in job.runs.items():
                if job.compares:
                    reporter.headline(name)
                status, result = _launch(config, directory, launched_at, reporter, interrupts)
                if result is not None:
                    results[name] = result
                last = len(results) == len(job.runs)
                if interrupts.consume() and not last:
                    status = 130
                if status:
                    break
                launched_at = time.time()
        present(job, results, reporter)
    return status


def _launch(
    config: TrainConfig, directory: Path, launched_at: float, reporter: Reporter, interrupts: Interrupts
) -> tuple[int, dict[str, Any] | None]:
    """Make one run; return its exit status and, if it came to one, its result."""
    command = mpirun_command(
        config.workers + 1,
        # -P: what lies in the current directory is not ours to import.
        ["-P", "-m", "gradcode.train.rank", config.to_json(), str(directory), repr(launched_at)],
    )
    reporter.status(f"starting the master and {config.workers} workers")
    with process_session(command) as process:
        watch = _Watch(process, reporter, interrupts)
        status = watch.until_the_end()
    if watch.left_behind:  # for the caller, who may have more runs to make
        interrupts.put_back()
    return status, watch.result


class _Watch:
    """Shows events until the ranks are gone; trusts only what rank 0 says of the result, never mpirun's status."""

    def __init__(self, process: subprocess.Popen[str], reporter: Reporter, interrupts: Interrupts) -> None:
        self._process = process
        self._reporter = reporter
        self._interrupts = interrupts
        self.result: dict[str, Any] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._status: int | None = None
        self._loading = False  # from when on the ranks know what to do with a signal
        self._interrupted = False
        self.left_behind = False  # interrupted when there was a result, and workers were still waited for
        self._deadline = math.inf
        self._patience_said = math.inf

    def until_the_end(self) -> int:
        threading.Thread(target=_read_lines, args=(self._process, self._lines), daemon=True).start()
        while time.monotonic() < self._deadline:
            if self._interrupts.consume() and not self._interrupt():
                break
            if time.monotonic() > self._patience_said:
                self._patience_said = math.inf
                self._say("waiting for workers that cannot be interrupted (Ctrl-C to leave them behind)")
            try:
                line = self._lines.get(timeout=0.1)
            except queue.Empty:
                continue
            if line is None:
                break
            self._take(line)
        else:
            self._say("not all workers have left; ending them")
        if self._status is not None:
            return self._status
        if self._interrupted:
            self._say("interrupted before there was a result")
            return 130
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE_SECONDS)
        message = f"the ranks ended without a result; mpirun's status was {self._process.returncode}"
        self._reporter.handle({"event": "failed", "message": message, "worker": None, "traceback": ""})
        return 1

    def _interrupt(self) -> bool:
        """Ask the ranks to end; False if they need not be waited for."""
        if self._interrupted or self._status is not None or not self._loading:
            self.left_behind = self._status is not None
            self._interrupted = True
            return False
        self._interrupted = True
        self._deadline = time.monotonic() + INTERRUPT_SECONDS
        self._process.send_signal(signal.SIGUSR1)  # mpirun forwards it to the ranks; a SIGINT would kill them
        return True

    def _take(self, line: str) -> None:
        event = decode_event(line)
        if event is None:
            with contextlib.suppress(OSError):
                sys.stdout.write(line)
            return
        self._loading = True
        self._reporter.handle(event)
        if event["event"] in ("finished", "failed"):
            if event["event"] == "failed":
                self._status = 1
            else:
                self.result = event["result"]
                self._status = 130 if event["result"]["status"] == "interrupted" else 0
            self._deadline = time.monotonic() + GRACE_SECONDS
            self._patience_said = time.monotonic() + PATIENCE_SECONDS

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"gradcode: {text}\n")
            sys.stderr.flush()


def _read_lines(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)

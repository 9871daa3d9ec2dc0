"""The display of training runs, while they go on and when they end."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from gradcode.reports.comparison import show_comparison
from gradcode.reports.progress import Display, Lines, ProgressBar, RoundShown
from gradcode.reports.quantities import count, duration
from gradcode.reports.summary import print_panel, summary

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Reporter"]

_RECENT = 25  # rounds; the median of their times is shown


class Reporter:
    """Shows training runs: each run as it goes on, its summary, and the comparison of several.

    A terminal gets a progress bar, redrawn at most ten times a second. Anything else gets plain lines: one for the
    first round, one for the last, and about one a second between them. The progress bar needs rich; without it, a
    terminal gets the plain lines too.

    Use it as a context manager: it then restores the terminal, however the run ends. A terminal or pipe that has been
    closed is ignored, so that a run goes on without it.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to show. By default one is made for `stream` if that is a terminal.
    stream : file, optional
        Where plain lines go. By default the file of `console`, or else standard output.
    errors : file, optional
        Where failures go. By default standard error.
    clock : callable, optional
        Replaces `time.monotonic`.

    Examples
    --------
    >>> with Reporter(stream=sys.stdout) as reporter:
    ...     reporter.started("Uncoded(2)", n_workers=2, rows=80, features=5, iterations=1, startup_seconds=0.25)
    ...     reporter.round(0, loss=55.45, seconds=0.004, late=[1])
    Uncoded(2): 2 workers, 80 rows, 5 features, 1 iteration; started in 250 ms
    round 1/1  loss 55.4500  4.0 ms/round  late: 1
    """

    def __init__(
        self,
        console: Console | None = None,
        stream: IO[str] | None = None,
        *,
        errors: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if stream is None:
            stream = sys.stdout if console is None else console.file
        if console is None and stream.isatty():
            console = _console(stream)
        self._stream = stream
        self._console = console if console is not None and console.is_terminal else None
        self._errors = errors
        self._display: Display = Lines(stream, clock) if self._console is None else ProgressBar(self._console, clock)
        self._iterations: int | None = None
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def __enter__(self) -> Reporter:
        """Return the reporter."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the display."""
        self._display.stop()

    def status(self, message: str) -> None:
        """Show what happens before training starts."""
        with _closed_output_ignored():
            if self._console is None:
                self._print(f"{message} ...")
            else:
                self._console.print(f"{message} ...", style="dim", markup=False)

    def headline(self, name: str) -> None:
        """Show the name of the next run of several."""
        with _closed_output_ignored():
            if self._console is None:
                self._print(f"\n{name}")
            else:
                self._console.print(f"\n{name}", style="bold", markup=False, highlight=False)

    def started(
        self, scheme: str, n_workers: int, rows: int, features: int, iterations: int, startup_seconds: float
    ) -> None:
        """Show that training has started.

        Parameters
        ----------
        scheme : str
            The scheme, as text.
        n_workers, rows, features : int
            Numbers of workers, of training rows and of their columns.
        iterations : int
            The most rounds that there will be.
        startup_seconds : float
            Time from the command to the first round.
        """
        with _closed_output_ignored():
            self._iterations = iterations
            self._recent.clear()
            counts = ", ".join(
                [
                    count(n_workers, "worker"),
                    count(rows, "row"),
                    count(features, "feature"),
                    count(iterations, "iteration"),
                ]
            )
            self._display.start(f"{scheme}: {counts}; started in {duration(startup_seconds)}", iterations)

    def round(self, index: int, loss: float, seconds: float, late: Sequence[int]) -> None:
        """Show a round that has ended.

        Parameters
        ----------
        index : int
            Number of the round, from 0.
        loss : float
            The objective.
        seconds : float
            Time of the round, with the step of the optimiser.
        late : sequence of int
            The workers that had not answered when it ended.
        """
        with _closed_output_ignored():
            self._recent.append(seconds)
            self._display.show(RoundShown(index + 1, self._iterations, loss, self._recent, tuple(late)))

    def finished(self, result: Mapping[str, Any]) -> None:
        """Show the summary of a run; `result` is what result.json holds."""
        with _closed_output_ignored():
            self._display.stop(done=result.get("status") == "completed")
            if self._console is None:
                self._print(f"\n{summary(result)}")
            else:
                print_panel(self._console, result)

    def failed(self, message: str, worker: int | None = None, traceback: str = "") -> None:
        """Show why a run ended without a result.

        Parameters
        ----------
        message : str
            The reason.
        worker : int, optional
            The worker that failed, if it was one.
        traceback : str, optional
            The traceback, if it helps.
        """
        with _closed_output_ignored():
            self._display.stop()
            # Look it up now: while the progress bar is live, sys.stderr is redirected.
            errors = sys.stderr if self._errors is None else self._errors
            where = "" if worker is None else f"worker {worker}: "
            print(f"gradcode: error: {where}{message}", file=errors)
            if trace := traceback.rstrip():
                print(f"\n{trace}", file=errors)
            errors.flush()

    def compare(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Show several runs side by side; see `gradcode.reports.comparison.comparison_text`."""
        with _closed_output_ignored():
            self._display.stop()
            show_comparison(results, self._stream)

    def drawn(self, path: str | Path) -> None:
        """Show where the report is."""
        self.note(f"report in {path}")

    def note(self, message: str) -> None:
        """Print a line of text."""
        with _closed_output_ignored():
            self._print(message)

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def _closed_output_ignored() -> contextlib.suppress:
    """Ignore errors of a terminal or a pipe that has been closed: the result must not be lost with it."""
    return contextlib.suppress(OSError)


def _console(stream: IO[str]) -> Console | None:
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream)

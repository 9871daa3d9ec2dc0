"""What is shown of training runs while they go on, and when they end."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from gradcode.reports.comparison import show_comparison
from gradcode.reports.quantities import count, duration, number
from gradcode.reports.summary import print_panel, summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["Reporter"]

_RECENT = 25  # rounds; the median of their times is shown
_LINE_SECONDS = 1.0  # between two plain lines
_REDRAWS_PER_SECOND = 10
_MAX_LATE = 3  # late workers that a progress line lists by number
_LATE_WIDTH = 12  # reserved for late workers on a terminal, so that the length of the bar does not change


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
        self._display: _Display = _Lines(stream, clock) if self._console is None else _Bar(self._console, clock)
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
            self._display.show(_Round(index + 1, self._iterations, loss, self._recent, tuple(late)))

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


class _Round(NamedTuple):
    """One round, as the displays show it."""

    number: int
    total: int | None
    loss: float
    recent: Sequence[float]
    late: tuple[int, ...]

    @property
    def position(self) -> str:
        return _position(self.number, self.total)

    @property
    def loss_text(self) -> str:
        return number(self.loss, "#.6g")  # keep zeros at the end, so that lines stay aligned

    @property
    def pace(self) -> str:
        return f"{duration(statistics.median(self.recent))}/round"

    @property
    def late_text(self) -> str:
        if not self.late:
            return "none"
        more = len(self.late) - _MAX_LATE
        return ",".join(map(str, self.late[:_MAX_LATE])) + (f" +{more}" if more > 0 else "")


def _position(number: int, total: int | None) -> str:
    return str(number) if total is None else f"{number:>{len(str(total))}}/{total}"


class _Display(Protocol):
    def start(self, headline: str, total: int | None) -> None: ...
    def show(self, round: _Round) -> None: ...
    def stop(self, *, done: bool = False) -> None: ...


class _Lines:
    """Plain lines: the first round, the last, and about one a second between them."""

    def __init__(self, stream: IO[str], clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._due: float | None = None
        self._held: _Round | None = None  # the newest round, if it is not printed yet

    def start(self, headline: str, total: int | None) -> None:
        self._due = None
        print(headline, file=self._stream, flush=True)

    def show(self, round: _Round) -> None:
        now = self._clock()
        self._held = round
        if self._due is None or now >= self._due or round.number == round.total:
            self._due = now + _LINE_SECONDS
            self._print()

    def stop(self, *, done: bool = False) -> None:
        """Print the last round of a run that ended early."""
        self._print()

    def _print(self) -> None:
        if self._held is not None:
            r, self._held = self._held, None
            line = f"round {r.position}  loss {r.loss_text}  {r.pace}  late: {r.late_text}"
            print(line, file=self._stream, flush=True)


class _Bar:
    """A progress bar. A thread of its own redraws it; a round only stores its numbers."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._progress: Progress | None = None

    def start(self, headline: str, total: int | None) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.table import Column

        self.stop()
        if headline:
            self._console.print(headline, markup=False, highlight=False)
        self._progress = Progress(
            TextColumn("round {task.fields[position]}"),
            BarColumn(bar_width=12),  # the only column that shrinks if the line is long
            TextColumn("loss {task.fields[loss]}"),
            TextColumn("{task.fields[pace]}"),
            TimeElapsedColumn(Column(no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            TextColumn("late {task.fields[late]}", style="yellow"),
            console=self._console,
            refresh_per_second=_REDRAWS_PER_SECOND,
            get_time=self._clock,
        )
        self._progress.add_task(
            "", total=total, position=_position(0, total), loss="-", pace="-", late="-".ljust(_LATE_WIDTH)
        )
        self._progress.start()

    def show(self, round: _Round) -> None:
        if self._progress is None:
            self.start("", round.total)
        assert self._progress is not None
        self._progress.update(
            self._progress.task_ids[0],
            completed=round.number,
            position=round.position,
            loss=round.loss_text,
            pace=round.pace,
            late=f"{round.late_text:<{_LATE_WIDTH}}",
        )

    def stop(self, *, done: bool = False) -> None:
        """Stop redrawing. If the run is done, fill the bar: it may have needed fewer rounds than allowed."""
        if self._progress is not None:
            if done:
                (task,) = self._progress.tasks
                self._progress.update(task.id, total=task.completed)
            self._progress.stop()
            self._progress = None

"""The progress of a run: plain lines, or a progress bar on a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from gradcode.reports.quantities import duration, number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["Display", "Lines", "ProgressBar", "RoundShown"]

_LINE_SECONDS = 1.0  # between two plain lines
_REDRAWS_PER_SECOND = 10
_MAX_LATE = 3  # late workers that a progress line lists by number
_LATE_WIDTH = 12  # reserved for late workers on a terminal, so that the length of the bar does not change


class RoundShown(NamedTuple):
    """One round, as a display shows it.

    Attributes
    ----------
    number : int
        Its number, from 1.
    total : int or None
        The most rounds that there will be.
    loss : float
        The objective.
    recent : sequence of float
        Times of the last rounds, in seconds.
    late : tuple of int
        The late workers.
    """

    number: int
    total: int | None
    loss: float
    recent: Sequence[float]
    late: tuple[int, ...]

    @property
    def position(self) -> str:
        """The number, of how many."""
        return _position(self.number, self.total)

    @property
    def loss_text(self) -> str:
        """The loss."""
        return number(self.loss, "#.6g")  # keep zeros at the end, so that lines stay aligned

    @property
    def pace(self) -> str:
        """The median of the times."""
        return f"{duration(statistics.median(self.recent))}/round"

    @property
    def late_text(self) -> str:
        """The late workers; of many, the first few."""
        if not self.late:
            return "none"
        more = len(self.late) - _MAX_LATE
        return ",".join(map(str, self.late[:_MAX_LATE])) + (f" +{more}" if more > 0 else "")


def _position(number: int, total: int | None) -> str:
    return str(number) if total is None else f"{number:>{len(str(total))}}/{total}"


class Display(Protocol):
    """Shows the progress of one run after another."""

    def start(self, headline: str, total: int | None) -> None:
        """Begin a run of at most `total` rounds."""
        ...

    def show(self, round: RoundShown) -> None:
        """Show a round."""
        ...

    def stop(self, *, done: bool = False) -> None:
        """End the run; `done` says whether it has made all the rounds that it needed."""
        ...


class Lines:
    """Plain lines: the first round, the last, and about one a second between them."""

    def __init__(self, stream: IO[str], clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._due: float | None = None
        self._held: RoundShown | None = None  # the newest round, if it is not printed yet

    def start(self, headline: str, total: int | None) -> None:
        """Print the headline."""
        self._due = None
        print(headline, file=self._stream, flush=True)

    def show(self, round: RoundShown) -> None:
        """Print the round if a line is due."""
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


class ProgressBar:
    """A progress bar. A thread of its own redraws it; a round only stores its numbers."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._progress: Progress | None = None

    def start(self, headline: str, total: int | None) -> None:
        """Print the headline and start the bar."""
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

    def show(self, round: RoundShown) -> None:
        """Store the numbers of the round, for the next redraw."""
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

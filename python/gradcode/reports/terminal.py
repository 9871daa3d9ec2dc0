"""What people look at while a training run goes on, and after it.

A run tells its story as events: dicts that survive JSON, so that they can come from another process.

- ``{"event": "status", "message"}``, what goes on before training starts
- ``{"event": "started", "scheme", "n_workers", "rows", "features", "iterations", "startup_seconds"}``
- ``{"event": "round", "round", "loss", "seconds", "late", "used"}``, rounds counting from 0
- ``{"event": "finished", "result"}``
- ``{"event": "failed", "message", "worker", "traceback"}``, the worker None where it was none
- ``{"event": "report", "path"}``, where the page is that was drawn of the run, or of all runs
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from gradcode.reports.comparison import show_comparison
from gradcode.reports.quantities import byte_count, count, duration, number, score, score_label

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["Reporter", "how_it_ended", "summary"]

_REQUIRED = {
    "status": ("message",),
    "started": ("scheme", "n_workers", "rows", "features", "iterations", "startup_seconds"),
    "round": ("round", "loss", "seconds", "late"),
    "finished": ("result",),
    "failed": ("message",),
    "report": ("path",),
}
_RECENT = 25  # rounds whose median is shown
_LINE_SECONDS = 1.0
_REDRAWS_PER_SECOND = 10
_MAX_BARS = 32  # workers; beyond it a bar for each is no longer readable
_MAX_LATE = 3  # late workers that a progress line lists by number
_LATE_WIDTH = 12  # kept for them on a terminal, so that the bar does not change its length all the time
_BAR = 8
_REASONS = {"tolerance": "tolerance reached", "precision": "precision reached"}  # the others say nothing new
_COLUMNS = 80  # plain text is made to fit, and the summary on a terminal as well


class Reporter:
    """Show the events of one training run.

    On a terminal a progress bar is redrawn at most ten times a second; elsewhere there are plain lines for
    the first round, the last one and about one a second between them. A summary follows. The terminal
    display needs rich; without it a terminal gets the plain lines.

    Use it as a context manager, so that the terminal is put in order however the run ends.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to show; by default one is made for `stream` if that is a terminal.
    stream : file, optional
        Where plain lines go; by default the file of `console`, or else standard output.
    errors : file, optional
        Where a failure goes; by default standard error.
    clock : callable, optional
        Takes the place of `time.monotonic`.

    Examples
    --------
    >>> started = {"event": "started", "scheme": "Uncoded(2)", "n_workers": 2, "rows": 80, "features": 5,
    ...            "iterations": 1, "startup_seconds": 0.25}
    >>> import sys
    >>> with Reporter(stream=sys.stdout) as reporter:
    ...     reporter.handle(started)
    ...     reporter.handle({"event": "round", "round": 0, "loss": 55.45, "seconds": 0.004, "late": [1]})
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
        self._display: _Display = _Plain(stream, clock) if self._console is None else _Live(self._console, clock)
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

    def handle(self, event: Mapping[str, Any]) -> None:
        """Show one event.

        Parameters
        ----------
        event : mapping
            One of those that the module describes.

        Raises
        ------
        ValueError
            If the event is of no known kind or lacks a field.
        """
        kind = event.get("event")
        if kind not in _REQUIRED:
            raise ValueError(f"event must be one of {', '.join(_REQUIRED)}, got {kind!r}")
        if missing := [name for name in _REQUIRED[kind] if name not in event]:
            raise ValueError(f"event {kind!r} must have the fields {', '.join(_REQUIRED[kind])}, lacks {missing[0]!r}")
        with _whatever_becomes_of_the_terminal():
            getattr(self, f"_{kind}")(event)

    def note(self, message: str) -> None:
        """Say something that is final."""
        with _whatever_becomes_of_the_terminal():
            print(message, file=self._stream, flush=True)

    def status(self, message: str) -> None:
        """Show what goes on before training starts."""
        self.handle({"event": "status", "message": message})

    def headline(self, name: str) -> None:
        """Say which of several runs is next."""
        with _whatever_becomes_of_the_terminal():
            if self._console is None:
                print(f"\n{name}", file=self._stream, flush=True)
            else:
                self._console.print(f"\n{name}", style="bold", markup=False, highlight=False)

    def compare(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Show several runs side by side, as `gradcode.reports.comparison.comparison_text` has them."""
        with _whatever_becomes_of_the_terminal():
            self._display.stop()
            show_comparison(results, self._stream)

    def _status(self, event: Mapping[str, Any]) -> None:
        if self._console is None:
            print(f"{event['message']} ...", file=self._stream, flush=True)
        else:
            self._console.print(f"{event['message']} ...", style="dim", markup=False)

    def _started(self, event: Mapping[str, Any]) -> None:
        self._iterations = event["iterations"]
        self._recent.clear()
        self._recent.clear()
        counts = ", ".join(
            count(event[key], noun)
            for key, noun in (
                ("n_workers", "worker"),
                ("rows", "row"),
                ("features", "feature"),
                ("iterations", "iteration"),
            )
        )
        self._display.start(
            f"{event['scheme']}: {counts}; started in {duration(event['startup_seconds'])}", self._iterations
        )

    def _round(self, event: Mapping[str, Any]) -> None:
        self._recent.append(event["seconds"])
        self._display.show(
            _Round(event["round"] + 1, self._iterations, event["loss"], self._recent, tuple(event["late"]))
        )

    def _finished(self, event: Mapping[str, Any]) -> None:
        result = event["result"]
        self._display.stop(done=result.get("status") == "completed")
        if self._console is None:
            print(f"\n{summary(result)}", file=self._stream, flush=True)
        else:
            _print_panel(self._console, result)

    def _report(self, event: Mapping[str, Any]) -> None:
        print(f"report in {event['path']}", file=self._stream, flush=True)

    def _failed(self, event: Mapping[str, Any]) -> None:
        self._display.stop()
        # Looked up now: while the display is live, sys.stderr is not what it was.
        errors = sys.stderr if self._errors is None else self._errors
        worker = event.get("worker")
        where = "" if worker is None else f"worker {worker}: "
        print(f"gradcode: error: {where}{event['message']}", file=errors)
        if trace := (event.get("traceback") or "").rstrip():
            print(f"\n{trace}", file=errors)
        errors.flush()


def _whatever_becomes_of_the_terminal() -> contextlib.suppress:
    """A terminal or a pipe that has gone away must not take the result with it."""
    return contextlib.suppress(OSError)


# --- while the run goes on --------------------------------------------------------------------------------------------


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
        return number(self.loss, "#.6g")  # zeros at the end stay, so that lines stay aligned

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


class _Plain:
    """Lines: the first, the last, and about one a second between them."""

    def __init__(self, stream: IO[str], clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._due: float | None = None
        self._held: _Round | None = None  # the newest round that was not printed

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


class _Live:
    """A progress bar, redrawn by a thread of its own; a round only leaves its numbers there."""

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
            BarColumn(bar_width=12),  # the one column that gives way where the line is long
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
        """Leave the bar as it is, or full if the run is done, for it may have needed fewer rounds than it was given."""
        if self._progress is not None:
            if done:
                (task,) = self._progress.tasks
                self._progress.update(task.id, total=task.completed)
            self._progress.stop()
            self._progress = None


def _console(stream: IO[str]) -> Console | None:
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream)


# --- after the run ----------------------------------------------------------------------------------------------------


def summary(result: Mapping[str, Any]) -> str:
    """Return the result of a run as plain text of at most 80 columns, save for long paths.

    Parameters
    ----------
    result : mapping
        The ``result`` of a ``finished`` event; what it lacks is left out.

    Returns
    -------
    str
        Lines without a final newline.

    Examples
    --------
    >>> print(summary({"status": "completed", "stopped": "tolerance", "rounds": 4, "iterations": 9,
    ...                "test": {"auc": 0.75}, "used": [4, 3], "late": [0, 1]}))
    status    completed, 4 of 9 rounds (tolerance reached)
    test AUC  0.7500
    workers   0 ######## 4 used 0 late
              1 ######-- 3 used 1 late
    """
    rows = _rows(result, _COLUMNS, full="#", empty="-")
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"{label:<{width}}  {text}".rstrip() for label, text in rows)


def _print_panel(console: Console, result: Mapping[str, Any]) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    unicode = console.encoding.lower().startswith("utf")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    full, empty = "█░" if unicode else "#-"
    for label, value in _rows(result, min(console.width, _COLUMNS) - 4, full, empty):  # 4 for the frame
        text = Text(value)
        text.highlight_regex("█+", "green")
        text.highlight_regex("░+", "dim")
        text.highlight_regex(r"\b[1-9]\d* late", "yellow")
        table.add_row(label, text)
    done = result.get("status") == "completed"
    console.print(Panel(table, title="training", border_style="green" if done else "yellow", expand=False))


def _rows(result: Mapping[str, Any], columns: int, full: str, empty: str) -> list[tuple[str, str]]:
    """Return label and text of every line of the summary; a line that goes on has an empty label."""
    get = result.get
    rows = [("status", how_it_ended(result))]
    if scheme := get("scheme"):
        rows.append(("scheme", _scheme(scheme)))
        if scheme.get("wire_dtype"):
            rows.append(("messages", _messages(scheme)))
    rows += [(f"test {score_label(name)}", score(name, value)) for name, value in (get("test") or {}).items()]
    if "loss" in result:
        rows.append(("loss", number(result["loss"], ".6g")))
    if pace := get("seconds_per_round"):
        terms = [f"{name} {duration(pace.get(name))}" for name in ("median", "mean", "p95")]
        rows.append(("per round", "  ".join(terms)))
    times = [
        f"{label} {duration(result[key])}"
        for label, key in (("startup", "startup_seconds"), ("training", "train_seconds"))
        if key in result
    ]
    if times:
        rows.append(("time", "  ".join(times)))
    moved = [
        f"{way} {duration(get(f'seconds_{way}'))}, {byte_count(get(f'bytes_{way}'))}"
        for way in ("down", "up")
        if f"bytes_{way}" in result
    ]
    if moved:
        rows.append(("transfer", "   ".join(moved)))
    if memory := get("memory"):
        rows.append(("memory", "  ".join(_memory(memory))))
    room = columns - max(len("written to"), *(len(label) for label, _ in rows)) - 2
    lines = _workers(get("used") or [], get("late") or [], get("rounds") or 0, room, full, empty)
    rows += [("" if i else "workers", line) for i, line in enumerate(lines)]
    if output := get("output"):
        rows.append(("written to", str(output)))
    return rows


def how_it_ended(result: Mapping[str, Any]) -> str:
    """Return the status of a run with its rounds, and why there were no more where that says something.

    Examples
    --------
    >>> how_it_ended({"status": "completed", "rounds": 87, "iterations": 300, "stopped": "tolerance"})
    'completed, 87 of 300 rounds (tolerance reached)'
    """
    text = str(result.get("status", "unknown"))
    if "rounds" in result:
        total = f" of {result['iterations']}" if "iterations" in result else ""
        text += f", {result['rounds']}{total} rounds"
    reason = _REASONS.get(result.get("stopped", ""))
    return f"{text} ({reason})" if reason else text


def _memory(memory: Mapping[str, Any]) -> Iterator[str]:
    if memory.get("master") is not None:
        yield f"master {byte_count(memory['master'])}"
    known = [size for size in memory.get("workers") or [] if size is not None]
    if known:
        yield f"workers max {byte_count(max(known))}"


def _scheme(scheme: Mapping[str, Any]) -> str:
    terms = [str(scheme.get("name", "unknown"))]
    for key in ("load", "stragglers", "communication"):
        if scheme.get(key) is not None:
            terms.append(f"{key} {scheme[key]:g}")
    return "  ".join(terms)


def _messages(scheme: Mapping[str, Any]) -> str:
    size, dtype = scheme.get("message_size"), scheme["wire_dtype"]
    return f"of {dtype}" if size is None else f"{size:,} numbers of {dtype}"


def _workers(used: Sequence[int], late: Sequence[int], rounds: int, room: int, full: str, empty: str) -> list[str]:
    """Return a bar per worker, in two columns where many workers fit so, or statistics where there are too many."""
    n = len(used)
    late = [*late, *[0] * (n - len(late))]
    if n > _MAX_BARS:
        most = sorted((w for w in range(n) if late[w]), key=lambda w: (-late[w], w))[:_MAX_LATE]
        often = ", ".join(f"{w} ({late[w]})" for w in most)
        lines = [f"{n} in all", f"rounds used: {_spread(used)}", f"rounds late: {_spread(late)}"]
        return [*lines, f"most often late, in rounds: {often}"] if often else lines
    index, wide, narrow = (len(str(max(numbers, default=0))) for numbers in (range(n), used, late))
    cells = []
    for worker in range(n):
        share = min(used[worker] / rounds, 1.0) if rounds else 0.0
        # Only a worker that was never used has an empty bar, and only one that missed no round a full one.
        filled = min(max(round(share * _BAR), 1 if used[worker] else 0), _BAR if share == 1 else _BAR - 1)
        bar = full * filled + empty * (_BAR - filled)
        cells.append(f"{worker:>{index}} {bar} {used[worker]:>{wide}} used {late[worker]:>{narrow}} late")
    if n <= 8 or 2 * len(cells[0]) + 3 > room:
        return cells
    half = (n + 1) // 2
    return ["   ".join(cells[i::half]) for i in range(half)]


def _spread(counts: Sequence[int]) -> str:
    return f"min {min(counts)}, median {statistics.median(counts):g}, max {max(counts)}"

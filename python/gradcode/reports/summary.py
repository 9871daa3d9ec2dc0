"""The summary of a run that has ended: as plain text, or as a panel on a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gradcode.reports.quantities import byte_count, duration, number, score, score_label

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["how_it_ended", "print_panel", "summary"]

_MAX_BARS = 32  # with more workers, a bar for each is no longer readable
_MAX_NAMED = 3  # workers that were late most often
_BAR = 8
_REASONS = {"tolerance": "tolerance reached", "precision": "precision reached"}  # the other reasons need no words
_COLUMNS = 80  # the summary fits into this width


def summary(result: Mapping[str, Any]) -> str:
    """Return the summary of a run as plain text of at most 80 columns, except for long paths.

    Parameters
    ----------
    result : mapping
        What result.json holds. Missing fields are left out.

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


def print_panel(console: Console, result: Mapping[str, Any]) -> None:
    """Print the summary of a run as a panel on a terminal.

    Parameters
    ----------
    console : rich.console.Console
        The terminal.
    result : mapping
        As for `summary`.
    """
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
    """Return the label and the text of each line of the summary; a continued line has an empty label."""
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
    """Return the status of a run, its rounds, and the reason why it ended early.

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
    """Return a bar for each worker, in one column or two; or statistics, if there are too many workers."""
    n = len(used)
    late = [*late, *[0] * (n - len(late))]
    if n > _MAX_BARS:
        most = sorted((w for w in range(n) if late[w]), key=lambda w: (-late[w], w))[:_MAX_NAMED]
        often = ", ".join(f"{w} ({late[w]})" for w in most)
        lines = [f"{n} in all", f"rounds used: {_spread(used)}", f"rounds late: {_spread(late)}"]
        return [*lines, f"most often late, in rounds: {often}"] if often else lines
    index, wide, narrow = (len(str(max(numbers, default=0))) for numbers in (range(n), used, late))
    cells = []
    for worker in range(n):
        share = min(used[worker] / rounds, 1.0) if rounds else 0.0
        # An empty bar means never used, a full one means used in every round.
        filled = min(max(round(share * _BAR), 1 if used[worker] else 0), _BAR if share == 1 else _BAR - 1)
        bar = full * filled + empty * (_BAR - filled)
        cells.append(f"{worker:>{index}} {bar} {used[worker]:>{wide}} used {late[worker]:>{narrow}} late")
    if n <= 8 or 2 * len(cells[0]) + 3 > room:
        return cells
    half = (n + 1) // 2
    return ["   ".join(cells[i::half]) for i in range(half)]


def _spread(counts: Sequence[int]) -> str:
    return f"min {min(counts)}, median {statistics.median(counts):g}, max {max(counts)}"

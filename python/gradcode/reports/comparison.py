"""Several runs side by side: the numbers of each, and how fast its rounds were compared to the first run."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NamedTuple

from gradcode.reports.quantities import count, duration, flattened, number, score, score_label

__all__ = [
    "QUANTITIES",
    "Row",
    "comparison_table",
    "comparison_text",
    "delays_text",
    "headings",
    "measured_on",
    "show_comparison",
]

_COLUMNS = 80  # plain text fits into this width
# Runs are comparable if they differ only in these fields.
_DIFFERENT = {"scheme", "code", "nodes", "prefer", "stragglers", "communication", "output"}


class Row(NamedTuple):
    """One run of a comparison. Values that it did not reach are None.

    Attributes
    ----------
    name : str
        Name of the run in the comparison.
    scheme : str
        Its scheme, in words.
    load, stragglers, communication, message_size
        Properties of the scheme. The size of a message is a count of numbers.
    rounds : int
        Number of rounds.
    median, mean, p95 : float or None
        Seconds per round, with the step of the optimiser.
    seconds : float or None
        Training time.
    score_name : str or None
        Name of the first test score.
    score, loss : float or None
        The score and the loss at the end.
    speed : float or None
        Mean seconds per round of the first run, divided by those of this run.
    """

    name: str
    scheme: str
    load: float | None
    stragglers: int | None
    communication: int | None
    message_size: int | None
    rounds: int
    median: float | None
    mean: float | None
    p95: float | None
    seconds: float | None
    score_name: str | None
    score: float | None
    loss: float | None
    speed: float | None


# The quantities that are shown, in this order: heading, and text for a row.
QUANTITIES: dict[str, Callable[[Row], str]] = {
    "load": lambda row: number(row.load, "g"),
    "stragglers": lambda row: number(row.stragglers, "d"),
    "communication": lambda row: number(row.communication, "d"),
    "message size": lambda row: number(row.message_size, "d"),
    "rounds": lambda row: str(row.rounds),
    "median round": lambda row: duration(row.median),
    "mean round": lambda row: duration(row.mean),
    "p95 round": lambda row: duration(row.p95),
    "training time": lambda row: duration(row.seconds),
    "test": lambda row: score(row.score_name or "", row.score),
    "loss": lambda row: number(row.loss, ".6g"),
    "speed": lambda row: "-" if row.speed is None else f"{row.speed:.3g}x",
}


def comparison_table(results: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Return the numbers of several runs, in the order given.

    Parameters
    ----------
    results : mapping of str to mapping
        The content of result.json for each run, by name; at least one.

    Returns
    -------
    list of Row
        One row per run.

    Raises
    ------
    ValueError
        If there is no run, or the runs are not comparable: they differ in more than the scheme, for example in the
        data, the optimiser, the seed or the delays.

    Examples
    --------
    >>> def result(name, mean):
    ...     return {"rounds": 5, "scheme": {"name": name}, "seconds_per_round": {"mean": mean}}
    >>> rows = comparison_table({"uncoded": result("Uncoded(2)", 0.25), "coded": result("Grouped(2)", 0.125)})
    >>> [row.speed for row in rows]
    [1.0, 2.0]
    """
    _check_comparable(results)
    first = _pace(next(iter(results.values()))).get("mean")
    rows = []
    for name, result in results.items():
        scheme, pace = result.get("scheme") or {}, _pace(result)
        scores = result.get("test") or {}
        score_name = next(iter(scores), None)
        mean = pace.get("mean")
        rows.append(
            Row(
                name=name,
                scheme=str(scheme.get("name", "unknown")),
                load=scheme.get("load"),
                stragglers=scheme.get("stragglers"),
                communication=scheme.get("communication"),
                message_size=scheme.get("message_size"),
                rounds=result.get("rounds", 0),
                median=pace.get("median"),
                mean=mean,
                p95=pace.get("p95"),
                seconds=result.get("train_seconds"),
                score_name=score_name,
                score=None if score_name is None else scores[score_name],
                loss=result.get("loss"),
                speed=first / mean if first and mean else None,
            )
        )
    return rows


def measured_on(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what the runs have in common, in a sentence or two: data, workers, optimiser, seed and delays.

    Examples
    --------
    >>> measured_on({"uncoded": {"data": {"name": "digits", "train_rows": 80, "features": 5},
    ...                          "configuration": {"workers": 4, "optimiser": "gd", "seed": 0},
    ...                          "delays": {"seconds": 0.2, "count": 1, "kind": "transient"}}})
    'digits, 80 rows, 5 features; 4 workers; gd; seed 0. Injected: 1 worker late by 200 ms in every round (transient).'
    """
    result = next(iter(results.values()))
    data, configuration = result.get("data") or {}, result.get("configuration") or {}
    terms = [
        ", ".join(
            [str(data.get("name", "unknown data"))]
            + [
                count(data[key], noun)
                for key, noun in (("train_rows", "row"), ("features", "feature"))
                if data.get(key) is not None
            ]
        )
    ]
    if "workers" in configuration:
        terms.append(count(configuration["workers"], "worker"))
    if "optimiser" in configuration:
        terms.append(str(configuration["optimiser"]))
    if configuration.get("wire_dtype"):
        terms.append(f"messages of {configuration['wire_dtype']}")
    if "seed" in configuration:
        terms.append(f"seed {configuration['seed']}")
    return f"{'; '.join(terms)}. {delays_text(result)}"


def delays_text(result: Mapping[str, Any]) -> str:
    """Return which delays were injected into a run, in a sentence."""
    delays = result.get("delays") or {}
    if not delays.get("seconds") or not delays.get("count"):
        return "No delay was injected."
    return (
        f"Injected: {count(delays['count'], 'worker')} late by {duration(delays['seconds'])} in every round "
        f"({delays.get('kind', 'unknown')})."
    )


def headings(rows: Sequence[Row]) -> list[str]:
    """Return the headings of `QUANTITIES`, with the name of the test score and of the run that speeds refer to."""
    scored = next((row.score_name for row in rows if row.score_name is not None), None)
    names = {
        "test": "test score" if scored is None else f"test {score_label(scored)}",
        "speed": f"speed vs {rows[0].name}",
    }
    return [names.get(name, name) for name in QUANTITIES]


def comparison_text(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the comparison as plain text of at most 80 columns, except for long names, with one column per run.

    Parameters
    ----------
    results : mapping of str to mapping
        As for `comparison_table`. If the runs do not fit side by side, there are several tables.

    Returns
    -------
    str
        Lines without a final newline.

    Examples
    --------
    >>> def result(name, mean):
    ...     return {"rounds": 5, "scheme": {"name": name, "load": 1.0}, "seconds_per_round": {"mean": mean}}
    >>> text = comparison_text({"uncoded": result("Uncoded(2)", 0.25), "coded": result("Grouped(2)", 0.125)})
    >>> for line in text.splitlines():
    ...     if line.startswith(("load", "mean", "speed")):
    ...         print(line)
    load                    1       1
    mean round         250 ms  125 ms
    speed vs uncoded       1x      2x
    """
    lines = _lines(comparison_table(results))
    return "\n\n".join([*_blocks(lines), textwrap.fill(measured_on(results), _COLUMNS)])


def show_comparison(results: Mapping[str, Mapping[str, Any]], stream: IO[str] | None = None) -> None:
    """Print `comparison_text`, after an empty line.

    Parameters
    ----------
    results : mapping of str to mapping
        As for `comparison_table`.
    stream : file, optional
        By default standard output.
    """
    print(f"\n{comparison_text(results)}", file=stream, flush=True)


def _check_comparable(results: Mapping[str, Mapping[str, Any]]) -> None:
    if not results:
        raise ValueError("results must have at least one run, got none")
    (first, expected), *others = ((name, _conditions(result)) for name, result in results.items())
    for name, got in others:
        for what in expected | got:
            if expected.get(what) != got.get(what):
                raise ValueError(
                    f"results must have the same {what} to be compared, "
                    f"got {expected.get(what)!r} in {first} and {got.get(what)!r} in {name}"
                )


def _conditions(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run, without those of its scheme."""
    configuration = {k: v for k, v in (result.get("configuration") or {}).items() if k not in _DIFFERENT}
    return flattened({**configuration, "data": result.get("data") or {}, "delays": result.get("delays") or {}})


def _pace(result: Mapping[str, Any]) -> Mapping[str, Any]:
    pace: Mapping[str, Any] = result.get("seconds_per_round") or {}
    return pace


def _lines(rows: Sequence[Row]) -> list[list[str]]:
    """Return the lines of the table: a heading, and a cell for each run."""
    cells = [["", *(row.name for row in rows)]]
    cells += [[label, *map(text, rows)] for label, text in zip(headings(rows), QUANTITIES.values(), strict=True)]
    return cells


def _blocks(lines: list[list[str]]) -> list[str]:
    """Return the table as text; a wide one is split into several."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    blocks, start = [], 1
    while start < len(widths):
        stop, room = start + 1, _COLUMNS - widths[0] - 2 - widths[start]
        while stop < len(widths) and widths[stop] + 2 <= room:
            room -= widths[stop] + 2
            stop += 1
        columns = range(start, stop)
        blocks.append(
            "\n".join(
                f"{line[0]:<{widths[0]}}  " + "  ".join(f"{line[column]:>{widths[column]}}" for column in columns)
                for line in lines
            )
        )
        start = stop
    return blocks

"""The reports of a run and of a comparison: HTML files without scripts that need no network."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from gradcode._files import replacing
from gradcode.errors import MissingExtra
from gradcode.reports.bins import MAX_COLUMNS, MAX_POINTS, MAX_WORKERS
from gradcode.reports.comparison import QUANTITIES, comparison_table, delays_text, headings, measured_on
from gradcode.reports.figures import comparison_figure, run_figures
from gradcode.reports.inline import inline_figure
from gradcode.reports.quantities import byte_count, count, duration, flattened, number, score, score_label
from gradcode.reports.records import Run, read_run
from gradcode.reports.summary import how_it_ended

__all__ = ["write_comparison", "write_report", "write_report_of"]


def _check_installed() -> None:
    """Raise MissingExtra if matplotlib or jinja2 is not installed."""
    for name in ("matplotlib", "jinja2"):
        if find_spec(name) is None:
            raise MissingExtra(f"reports need {name}", "train")


def write_report(directory: str | Path) -> Path:
    """Write report.html and its figures, in figures/, into the output directory of a run.

    Parameters
    ----------
    directory : str or Path
        The output directory of `gradcode train`, with result.json and rounds.jsonl.

    Returns
    -------
    Path
        report.html, which is complete or absent.

    Raises
    ------
    DataError
        If there is no run in the directory. The message names the file and what is wrong.
    MissingExtra
        If matplotlib or jinja2 is not installed.
    """
    _check_installed()
    return write_report_of(read_run(directory))


def write_report_of(run: Run) -> Path:
    """Write the report of a run that has been read already; see `write_report`."""
    _check_installed()
    result = run.result
    captions = _captions(run)
    figures = [inline_figure(figure, name, run.directory, captions[name]) for name, figure in run_figures(run).items()]
    configuration = result.get("configuration") or {}
    return _write(
        run.directory / "report.html",
        "report.html",
        title=f"{result['scheme'].get('name', 'unknown scheme')} on {result['data'].get('name', 'unknown data')}",
        status=f"{how_it_ended(result)}. {delays_text(result)}",
        numbers=list(_headline(run)),
        figures=figures,
        workers=_workers(run) if run.n_workers <= MAX_WORKERS else [],
        memory_known=_worker_memory(run) is not None,
        objective=result.get("objective", "unknown"),
        training=[
            (name, _value(value))
            for name, value in (
                ("loss", result.get("loss_name")),
                ("regularisation", result.get("regularisation", configuration.get("regularisation"))),
                ("optimiser", configuration.get("optimiser")),
                ("rate", result.get("rate")),
                ("batch", result.get("batch")),
            )
            if value is not None
        ],
        configuration=[(name, _value(value)) for name, value in flattened(configuration).items()],
        versions=[(name, _value(value)) for name, value in (result.get("versions") or {}).items()],
        command=result.get("command"),
    )


def write_comparison(directory: str | Path, runs: Mapping[str, Run]) -> Path:
    """Write comparison.html and its figure, figures/comparison.svg, into a directory.

    Parameters
    ----------
    directory : str or Path
        An existing directory. The page links to the reports of the runs, if they exist, by relative paths.
    runs : mapping of str to Run
        The runs by name. Speeds are relative to the first.

    Returns
    -------
    Path
        comparison.html, which is complete or absent.

    Raises
    ------
    ValueError
        If there is no run, or the runs are not comparable; see `gradcode.reports.comparison.comparison_table`.
    MissingExtra
        If matplotlib or jinja2 is not installed.
    """
    _check_installed()
    directory = Path(directory)
    results = {name: run.result for name, run in runs.items()}
    rows = comparison_table(results)
    caption = (
        "Left: the loss over training time. The further left a line, the faster the run reached the same loss. Right: "
        "the share of rounds that took at most a given time. The further left a line, the faster the rounds; a line "
        "that reaches the top far to the right belongs to a run with some slow rounds."
    )
    drawn = any(run.n_rounds for run in runs.values())
    return _write(
        directory / "comparison.html",
        "comparison.html",
        title=f"{count(len(runs), 'scheme')} compared on {_data_name(results)}",
        measured_on=measured_on(results),
        runs=[
            {
                "name": row.name,
                "scheme": row.scheme,
                "ended": how_it_ended(runs[row.name].result),
                "link": _link(directory, runs[row.name].directory / "report.html"),
            }
            for row in rows
        ],
        lines=[
            (label, [text(row) for row in rows])
            for label, text in zip(headings(rows), QUANTITIES.values(), strict=True)
        ],
        explanation="The time of a round includes the step of the optimiser. The last line is the mean time of a round "
        f"of {rows[0].name}, divided by that of the run. Above 1, the run is faster.",
        figures=[inline_figure(comparison_figure(runs), "comparison", directory, caption)] if drawn else [],
    )


def _data_name(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name of the data, which all runs share."""
    return str((next(iter(results.values())).get("data") or {}).get("name", "unknown data"))


def _write(path: Path, template: str, **values: Any) -> Path:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gradcode.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**values)
    with replacing(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    return path


def _link(directory: Path, report: Path) -> str | None:
    return quote(os.path.relpath(report, directory)) if report.is_file() else None


def _captions(run: Run) -> dict[str, str]:
    """Return the captions of the figures, which explain how to read them."""
    neighbours = (
        " There are many workers, so neighbours share a row. It has the number of the first of them."
        if run.n_workers > MAX_WORKERS
        else ""
    )
    line = (
        " The run is long, so lines show medians of neighbouring rounds, and bands show their ranges."
        if run.n_rounds > MAX_POINTS
        else ""
    )
    columns = " Neighbouring rounds share a column." if run.n_rounds > MAX_COLUMNS else ""
    score = next(iter(run.test), None)
    what = "The loss" if score is None else f"The loss (above) and the test {score_label(score)} (below)"
    return {
        "convergence": f"{what}, over rounds on the left and over training time on the right. Only the right shows the "
        f"cost of waiting.{line}",
        "rounds": "Above: the time of each round. Below: the late workers. They had not answered when the gradient was "
        f"decoded, and the master did not wait for them.{line}{columns}{neighbours}",
        "usage": "For each worker, the share of rounds in which its answer was used, the share in which it was not "
        f"needed, and the share in which it was late.{neighbours.replace('row', 'bar')}",
    }


class _Number(NamedTuple):
    name: str
    value: str
    note: str = ""


def _headline(run: Run) -> Iterator[_Number]:
    result = run.result
    for name, value in (result.get("test") or {}).items():
        yield _Number(f"test {score_label(name)}", score(name, value))
    yield _Number("loss", number(result.get("loss"), ".6g"))
    yield _Number("rounds", f"{result['rounds']:,}", f"of {result['iterations']:,}" if "iterations" in result else "")
    pace = result.get("seconds_per_round") or {}
    yield _Number("median round", duration(pace.get("median")), f"p95 {duration(pace.get('p95'))}")
    yield _Number(
        "training time", duration(result.get("train_seconds")), f"startup {duration(result.get('startup_seconds'))}"
    )
    scheme, features = result["scheme"], result["data"].get("features")
    yield _Number("load", f"{number(scheme.get('load'), 'g')} of {run.n_workers}", "parts of the data per worker")
    tolerated = scheme.get("stragglers")
    yield _Number("stragglers tolerated", number(tolerated, "d"), "any workers, in every round" if tolerated else "")
    if (times := scheme.get("communication")) is not None:
        size = "" if scheme.get("message_size") is None else f"{scheme['message_size']:,} numbers"
        if scheme.get("wire_dtype"):
            size = f"{size} of {scheme['wire_dtype']}".strip()
        yield _Number("messages", f"{times}× shorter" if times > 1 else "full length", size)
    yield _Number("sent to workers", byte_count(result.get("bytes_down")), f"in {duration(result.get('seconds_down'))}")
    yield _Number("sent to master", byte_count(result.get("bytes_up")), f"in {duration(result.get('seconds_up'))}")
    yield _Number(
        "data", f"{result['data'].get('train_rows', 0):,} rows", "" if features is None else f"{features:,} features"
    )
    memory = result.get("memory") or {}
    if memory.get("master") is not None:
        known = [size for size in memory.get("workers") or [] if size is not None]
        most = f"workers up to {byte_count(max(known))}" if known else ""
        yield _Number("peak memory, master", byte_count(memory["master"]), most)


def _worker_memory(run: Run) -> list[int | None] | None:
    """Return the peak memory of each worker, or None if it is not known for any of them."""
    sizes = (run.result.get("memory") or {}).get("workers") or []
    return sizes if len(sizes) == run.n_workers and any(size is not None for size in sizes) else None


def _workers(run: Run) -> list[list[str]]:
    memory = _worker_memory(run)
    rows = []
    for worker in range(run.n_workers):
        used, late = int(run.used_rounds[worker]), int(run.late_rounds[worker])
        mean = float(run.compute_seconds[worker])
        row = [f"{used:,}", f"{max(run.n_rounds - used - late, 0):,}", f"{late:,}"]
        row.append(duration(None if math.isnan(mean) else mean))
        if memory is not None:
            row.append(byte_count(memory[worker]))
        rows.append(row)
    return rows


def _value(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(":".join(map(_value, v)) if isinstance(v, list) else _value(v) for v in value) or "none"
    return str(value)

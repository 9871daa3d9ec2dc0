"""The report of a run, and of a comparison of runs, each as one HTML file that needs no script and no network."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

from gradcode._files import replacing
from gradcode.errors import MissingExtra
from gradcode.reports.comparison import QUANTITIES, comparison_table, delays_text, headings, measured_on
from gradcode.reports.drawing import save_figure
from gradcode.reports.figures import (
    MAX_COLUMNS,
    MAX_POINTS,
    MAX_WORKERS,
    comparison_figure,
    run_figures,
)
from gradcode.reports.quantities import byte_count, count, duration, flattened, number, score, score_label
from gradcode.reports.records import Run, read_run
from gradcode.reports.terminal import how_it_ended

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["check_installed", "write_comparison", "write_report", "write_report_of"]

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"


def check_installed() -> None:
    """Check that reports can be written, so that this is known before training starts.

    Raises
    ------
    MissingExtra
        If matplotlib or jinja2 is not installed.
    """
    for name in ("matplotlib", "jinja2"):
        if find_spec(name) is None:
            raise MissingExtra(f"reports need {name}", "train")


def write_report(directory: str | Path) -> Path:
    """Write report.html, and its figures as SVG files in figures/, into the output directory of a run.

    Parameters
    ----------
    directory : str or Path
        Where `gradcode train --output` wrote result.json and rounds.jsonl.

    Returns
    -------
    Path
        Of report.html, which is whole or not there.

    Raises
    ------
    DataError
        Naming the file and what is wrong with it, if there is no run in the directory.
    MissingExtra
        If matplotlib or jinja2 is not installed.
    """
    check_installed()
    return write_report_of(read_run(directory))


def write_report_of(run: Run) -> Path:
    """Write the report of a run that has been read, into its directory; as `write_report`."""
    check_installed()
    result = run.result
    captions = _captions(run)
    figures = [_place(figure, name, run.directory, captions[name]) for name, figure in run_figures(run).items()]
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
    """Write comparison.html, and its figure as figures/comparison.svg, into a directory.

    Parameters
    ----------
    directory : str or Path
        Is there already. Reports of the runs are linked to, by their way from here, where they exist.
    runs : mapping of str to Run
        Name of a run to the run; the first is what the others' speed is compared with.

    Returns
    -------
    Path
        Of comparison.html, which is whole or not there.

    Raises
    ------
    ValueError
        If there is no run, or the runs cannot be compared; see `gradcode.reports.comparison.comparison_table`.
    MissingExtra
        If matplotlib or jinja2 is not installed.
    """
    check_installed()
    directory = Path(directory)
    results = {name: run.result for name, run in runs.items()}
    rows = comparison_table(results)
    caption = (
        "Left, the loss over training time: a run further to the left took less time to the same loss. Right, the "
        "share of rounds that took at most so long: a line that rises further to the left is faster, and a long way "
        "to the top is a tail of slow rounds."
    )
    drawn = any(run.n_rounds for run in runs.values())
    return _write(
        directory / "comparison.html",
        "comparison.html",
        title=f"{count(len(runs), 'scheme')} compared on {rows_data(results)}",
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
        explanation=f"Times are of whole rounds, the optimiser's step included. The last line is the mean time of "
        f"a round of {rows[0].name} over that of the run: above 1 is faster.",
        figures=[_place(comparison_figure(runs), "comparison", directory, caption)] if drawn else [],
    )


def rows_data(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name of the data that the runs have in common."""
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
    """Return how each figure is to be read."""
    neighbours = (
        " There are many workers: neighbours share a row, which has the number of the first."
        if run.n_workers > MAX_WORKERS
        else ""
    )
    line = (
        " The run is long: a line is the median, and the band about it the range, of neighbouring rounds."
        if run.n_rounds > MAX_POINTS
        else ""
    )
    columns = " Neighbouring rounds share a column." if run.n_rounds > MAX_COLUMNS else ""
    score = next(iter(run.test), None)
    what = "The loss" if score is None else f"The loss (above) and the test {score_label(score)} (below)"
    return {
        "convergence": f"{what} over rounds and over the time that they took; what waiting costs shows on the right "
        f"only.{line}",
        "rounds": "Above, the time of each round; below, the workers that had not answered when the sum of the "
        f"round was decoded: the master did not wait for them.{line}{columns}{neighbours}",
        "usage": "The share of the rounds in which a worker's answer was used, in which it had answered but was not "
        f"needed, and in which it was late.{neighbours.replace('row', 'bar')}",
    }


# --- figures ----------------------------------------------------------------------------------------------------------


class _Placed(NamedTuple):
    """A figure as the page has it."""

    svg: Any  # markup, safe as it is
    caption: str


def _place(figure: Figure, name: str, directory: Path, caption: str) -> _Placed:
    """Write a figure to its file, and return it for a page."""
    from markupsafe import Markup

    path = directory / "figures" / f"{name}.svg"
    path.parent.mkdir(exist_ok=True)
    save_figure(figure, path)
    return _Placed(Markup(inlined(path.read_bytes(), name, caption)), caption)  # noqa: S704 - our own drawing


def inlined(svg: bytes, name: str, description: str) -> str:
    """Return one of our SVG files as an element of a page, on which there may be others.

    Parameters
    ----------
    svg : bytes
        What `gradcode.reports.drawing.save_figure` wrote.
    name : str
        Goes before all ids, so that those of several figures differ.
    description : str
        For those who hear the page.

    Returns
    -------
    str
        Only the element: without declaration, metadata and style sheet, which would hold for the whole page.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own drawing
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = {match for element in root.iter() for match in _references(element)}
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in used:
            element.set("id", f"{name}-{own}")
        if (target := element.attrib.pop(f"{{{_XLINK}}}href", None)) is not None:
            element.set("href", f"#{name}-{target[1:]}" if target.startswith("#") else target)
        for key, value in element.items():
            if "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {
        "role": "img",
        "aria-label": description,
        "stroke-linejoin": "round",  # what the style sheet had said
        "stroke-linecap": "butt",
    }
    ElementTree.register_namespace("", _SVG)
    text = io.StringIO()
    ElementTree.ElementTree(root).write(text, encoding="unicode")
    return text.getvalue()


def _references(element: ElementTree.Element) -> Iterator[str]:
    target = element.get(f"{{{_XLINK}}}href", "")
    if target.startswith("#"):
        yield target[1:]
    for value in element.attrib.values():
        yield from re.findall(r"url\(#([^)]*)\)", value)


# --- numbers ----------------------------------------------------------------------------------------------------------


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
    yield _Number("stragglers tolerated", number(tolerated, "d"), "any, in every round" if tolerated else "")
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
    """Return the peak memory of each worker, or None where it is of none of them known."""
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

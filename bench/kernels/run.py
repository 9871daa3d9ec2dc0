"""Measure the levels one after the other, keep the results, and draw them."""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import gc_core
from bench.kernels import cases, figures, floor, machine
from bench.kernels.cases import Case
from bench.kernels.measure import FULL, QUICK, measure
from bench.kernels.optional import library
from bench.kernels.report import report
from gradcode._files import replacing


def measure_levels(options: argparse.Namespace) -> None:
    """Measure the requested levels, fastest first. Each level is kept when all its cases are measured."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    available = gc_core.cpu.available_levels()
    levels = tuple(options.level or (available[-1:] if options.quick else reversed(available)))
    for level in levels:
        if level not in available:
            raise SystemExit(f"--level must be one of {', '.join(available)}, got {level}")
    options.results.mkdir(parents=True, exist_ok=True)
    tools = floor.build(levels)
    if torch := library("torch"):
        torch.set_num_threads(options.threads)
    before = gc_core.cpu.level(), gc_core.cpu.num_threads()
    gc_core.cpu.set_num_threads(options.threads)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns) as progress:
            for level in levels:
                gc_core.cpu.force_level(level)
                kept = options.results / f"{level}.json"
                partial = options.results / f"{level}.partial.json"
                run = _start(options, level, machine.describe(tools.compiler))
                if options.resume and partial.exists():
                    run = _resumed(run, partial)
                wanted = _cases(options.quick, level == available[-1])
                task = progress.add_task(level, total=len(wanted))
                done = [Case(**result["case"]) for result in run["results"]]
                for case in wanted:
                    progress.update(task, description=f"{level} {case.name}")
                    if case not in done:
                        effort = QUICK if options.quick else FULL
                        run["results"].append(measure(case, tools, level, options.threads, options.seed, effort))
                        _write(partial, run)
                    progress.advance(task)
                progress.update(task, description=level)
                _write(kept, run)
                partial.unlink(missing_ok=True)
    finally:
        gc_core.cpu.force_level(before[0])
        gc_core.cpu.set_num_threads(before[1])


def draw(results: Path) -> None:
    """Write the pages and figures of all levels whose results are in the folder."""
    known = [level for level in reversed(gc_core.cpu.levels()) if (results / f"{level}.json").exists()]
    if not known:
        raise SystemExit(f"nothing has been measured in {results}: run --report first")
    pages = {level: "README.md" if level == known[0] else f"{level}.md" for level in known}
    for level in known:
        run = json.loads((results / f"{level}.json").read_text(encoding="utf-8"))
        images = {}
        for title, name, drawing in (
            ("Roofline", "roofline", figures.roofline),
            ("Speed-up over the other libraries", "speedup", figures.speedup),
        ):
            image = f"{level}_{name}.png"
            if drawing(run, results / image):
                images[title] = image
        others = {other: page for other, page in pages.items() if other != level}
        with replacing(results / pages[level]) as file:
            file.write(report(run, images, others).encode())
        print(f"level {level}: {results / pages[level]}")


def _cases(quick: bool, fastest: bool) -> list[Case]:
    return list(cases.quick() if quick else cases.full() if fastest else cases.short())


def _start(options: argparse.Namespace, level: str, about: dict[str, str]) -> dict[str, Any]:
    return {
        "level": level,
        "quick": options.quick,
        "threads": options.threads,
        "seed": options.seed,
        "date": datetime.date.today().isoformat(),
        "load": machine.load(),
        "machine": about,
        "results": [],
    }


def _resumed(run: dict[str, Any], partial: Path) -> dict[str, Any]:
    """Return the interrupted run; refuse it if its settings or its machine differ."""
    before: dict[str, Any] = json.loads(partial.read_text(encoding="utf-8"))
    for key in ("level", "quick", "threads", "seed", "machine"):
        if before[key] != run[key]:
            raise SystemExit(f"--resume needs the {key} of the interrupted run, {before[key]}, got {run[key]}")
    return before


def _write(path: Path, run: dict[str, Any]) -> None:
    with replacing(path) as file:
        file.write(_text(run).encode())


def _text(run: dict[str, Any]) -> str:
    """Write JSON with one line per case."""
    head = json.dumps({key: value for key, value in run.items() if key != "results"}, ensure_ascii=False, indent=1)
    results = ",\n".join(json.dumps(result) for result in run["results"])
    return f'{head[:-2]},\n "results": [\n{results}\n]}}\n'

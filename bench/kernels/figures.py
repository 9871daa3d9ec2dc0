"""The figures of a level: a roofline plot of its cases, and the speed-up over other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.kernels.cases import DRAM, L2, Case
from bench.kernels.contenders import OWN
from bench.kernels.measure import COMPUTE, FLOOR
from bench.kernels.report import case_of, steady
from gradcode.reports.drawing import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, WIDTH, save_figure, style

PANELS = {DRAM: "gradients of 1e7 elements, in memory", L2: "gradients of 1e5 elements, in the caches"}
AGAINST = {
    "numpy fresh": (BLACK, "o"),
    "numpy list": (BLUE, "o"),
    "numpy packed": (SKY, "s"),
    "scipy packed": (GREEN, "s"),
    "torch list": (VERMILION, "o"),
    "torch packed": (ORANGE, "s"),
    "numba packed": (PURPLE, "D"),
}
# Offsets of a label from its point, in points, in the order in which they are tried.
PLACES = [
    (6, -10),
    (6, 4),
    (8, -3),
    (-8, -3),
    (-6, 4),
    (-6, -10),
    (0, -15),
    (0, 9),
    (12, -20),
    (-14, 14),
    (14, 16),
    (-14, -22),
    (0, -26),
]


def roofline(run: dict[str, Any], path: Path) -> bool:
    """Draw operations per second against operations per byte, float32; return False if there is nothing to draw."""
    panels = _panels(run)
    if not panels:
        return False
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        for axes, (size, results) in zip(
            figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
        ):
            _roofs(axes, results)
            axes.set_title(PANELS[size])
            labelled = []
            for kind, colour, marker in (("decode", BLUE, "o"), ("encode", VERMILION, "s")):
                found = [result for result in results if case_of(result).kind == kind]
                points = [_point(result) for result in found]
                axes.plot([x for x, _ in points], [y for _, y in points], marker, color=colour, markersize=5)
                labelled += [(point, case_of(r).shape, colour) for point, r in zip(points, found, strict=True)]
            axes.set_xlabel("operations a byte")
            _label(figure, axes, labelled)
        for axes in figure.axes:
            for text in axes.texts:  # they lie within the axes and must not move them
                text.set_in_layout(False)
        figure.axes[0].set_ylabel("GFLOP/s")
        figure.axes[0].plot([], [], "o", color=BLUE, label="decode (m, S)")
        figure.axes[0].plot([], [], "s", color=VERMILION, label="encode (k, m)")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    save_figure(figure, path)
    return True


def speedup(run: dict[str, Any], path: Path) -> bool:
    """Draw the times of other libraries divided by ours, float32; return False if there is nothing to draw."""
    panels = _panels(run)
    if not panels:
        return False
    with style():
        from matplotlib.figure import Figure

        rows = max(map(len, panels.values()))
        figure = Figure(figsize=(WIDTH, 1.6 + 0.28 * rows), layout="constrained")
        for axes, (size, results) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            names = [f"{case_of(result).kind} {case_of(result).shape}" for result in results]
            for name, (colour, marker) in AGAINST.items():
                points = [(r["ratio"][name][1], y) for y, r in enumerate(results) if name in r["ratio"]]
                if points:
                    axes.plot(*zip(*points, strict=True), marker, color=colour, label=name, markersize=5)
            axes.axvline(1, color=BLACK, linewidth=1)
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}×")
            axes.set_yticks(range(len(names)), names)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.set_title(PANELS[size])
            axes.set_xlabel("their time over ours")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(AGAINST), fontsize=8, columnspacing=1)
    save_figure(figure, path)
    return True


def _panels(run: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    found = {
        size: [r for r in run["results"] if _shown(case_of(r)) and case_of(r).size == size and steady(r)]
        for size in PANELS
    }
    return {size: results for size, results in found.items() if results}


def _shown(case: Case) -> bool:
    return case.dtype == "float32" and case.wire is None and not case.accumulate


def _point(result: dict[str, Any]) -> tuple[float, float]:
    case = case_of(result)
    return case.flops / case.n_bytes, case.flops / result["seconds"][OWN][1] / 1e9


def _roofs(axes: Any, results: list[dict[str, Any]]) -> None:
    """Draw the roof: the band of the cases' floors, and the peak where it is lower."""
    from matplotlib.ticker import LogLocator, NullFormatter

    bandwidths = [case_of(r).n_bytes / r["seconds"][FLOOR][1] / 1e9 for r in results]
    peak = float(np.median([case_of(r).flops / r["seconds"][COMPUTE][1] / 1e9 for r in results]))
    x = np.geomspace(0.25, 8, 200)
    low, middle, high = min(bandwidths), float(np.median(bandwidths)), max(bandwidths)
    axes.fill_between(x, np.minimum(low * x, peak), np.minimum(high * x, peak), color=GREY, alpha=0.6, linewidth=0)
    axes.plot(x, np.minimum(middle * x, peak), color=BLACK, label="floor (band: of all cases) and FMA peak")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(top=peak * 1.3)
    axes.text(x[0], peak * 1.06, f"FMA peak {peak:.0f} GFLOP/s", fontsize=8)
    start = x[60]
    axes.text(x[2], 0.97 * high * start, f"floor {middle:.0f} GB/s\n({low:.0f}–{high:.0f})", fontsize=8, va="bottom")


def _label(figure: Any, axes: Any, labelled: list[tuple[tuple[float, float], str, str]]) -> None:
    """Write labels beside their points, each at the first offset where it covers no point and no other label.

    A line connects a label with its point if the first offset was not free.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # lays out the axes
    renderer = canvas.get_renderer()
    taken = [text.get_window_extent(renderer) for text in axes.texts]
    roof = axes.lines[0].get_xydata()
    for point in [*(point for point, _, _ in labelled), *roof]:
        x, y = axes.transData.transform(point)
        taken.append(Bbox.from_bounds(x - 4, y - 4, 8, 8))
    for point, text, colour in sorted(labelled, key=lambda item: item[0]):
        tried = []
        for across, up in PLACES:
            label = axes.annotate(
                text,
                point,
                (across, up),
                textcoords="offset points",
                fontsize=7.5,
                color=colour,
                ha="left" if across > 0 else "right" if across < 0 else "center",
            )
            box = label.get_window_extent(renderer).padded(1)
            overlap = sum(box.overlaps(other) for other in taken)
            tried.append((overlap, label, box))
            if not overlap:
                break
        chosen = min(tried, key=lambda item: item[0])
        for item in tried:
            if item is not chosen:
                item[1].remove()
        taken.append(chosen[2])
        if chosen is not tried[0]:
            line = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
            place = axes.transData.inverted().transform(_nearest(chosen[2], axes.transData.transform(point)))
            axes.annotate("", point, place, arrowprops=line).set_in_layout(False)


def _nearest(box: Any, point: Any) -> tuple[float, float]:
    """Return the location in a box that is nearest to a point."""
    return float(np.clip(point[0], box.x0, box.x1)), float(np.clip(point[1], box.y0, box.y1))

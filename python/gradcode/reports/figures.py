"""The figures of a run and of a comparison of runs, drawn with matplotlib; long runs are drawn in bins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode.reports.drawing import BLACK, BLUE, COLOURS, DASHES, GREEN, GREY, ORANGE, VERMILION, WIDTH, style
from gradcode.reports.quantities import score_label
from gradcode.reports.records import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "MAX_COLUMNS",
    "MAX_POINTS",
    "MAX_WORKERS",
    "bands",
    "comparison_figure",
    "convergence_figure",
    "late_shares",
    "rounds_figure",
    "run_figures",
    "usage_figure",
]

Floats = npt.NDArray[np.float64]

MAX_POINTS = 400  # bins of a line
_DOTS = 60  # a line of this many points or fewer shows each of them
MAX_COLUMNS = 200  # bins of the raster
MAX_WORKERS = 64  # rows of the raster and bars; of more workers, neighbours share one
_LOG_FROM = 5.0  # an axis is logarithmic where the values span this factor
# --- what is drawn ----------------------------------------------------------------------------------------------------


def bands(x: npt.ArrayLike, y: npt.ArrayLike, bins: int = MAX_POINTS) -> tuple[Floats, Floats, Floats, Floats]:
    """Return a line that is short enough to draw: the values themselves, or their extremes and medians in bins.

    Parameters
    ----------
    x : array_like
        Shape (N,), increasing.
    y : array_like
        Shape (N,). Points with a value that is not finite are left out.
    bins : int, optional
        How many points are drawn at most: of more, each bin takes equally many neighbours, but for the last, which
        takes what is left.

    Returns
    -------
    x, low, median, high : ndarray
        Shape (B,), B <= `bins`, float64; the x of a bin is that of its middle point.

    Examples
    --------
    >>> for values in bands([1, 2, 3, 4, 5, 6], [5, 9, 7, 3, 1, 2], bins=2):
    ...     print(values)
    [2. 5.]
    [5. 1.]
    [7. 2.]
    [9. 3.]
    """
    values = np.asarray(y, np.float64)
    finite = np.isfinite(values)
    places, values = np.asarray(x, np.float64)[finite], values[finite]
    if len(values) <= bins:
        return places, values, values, values
    edges = _edges(len(values), bins)
    starts = edges[:-1]
    middles = (starts + edges[1:] - 1) // 2
    medians = np.array([np.median(values[a:b]) for a, b in pairwise(edges)])
    return places[middles], np.minimum.reduceat(values, starts), medians, np.maximum.reduceat(values, starts)


def late_shares(run: Run, columns: int = MAX_COLUMNS, rows: int = MAX_WORKERS) -> Floats:
    """Return how often workers were late in the course of a run.

    Parameters
    ----------
    run : Run
        With at least one round.
    columns, rows : int, optional
        How many the result has at most: of more rounds or workers, each column or row takes equally many neighbours,
        but for the last, which takes what is left.

    Returns
    -------
    ndarray
        Float64, of at most that shape: the share, of the column's rounds and the row's workers, that was late.
    """
    edges = _edges(run.n_rounds, columns)
    shares = [run.late_share(a, b) for a, b in pairwise(edges)]
    return _grouped(np.stack(shares, axis=1), rows)


def _group_size(count: int, groups: int) -> int:
    return -(-count // groups)


def _edges(count: int, groups: int) -> npt.NDArray[np.int64]:
    """Return where each group of neighbours starts, and where the last one ends."""
    return np.append(np.arange(0, count, _group_size(count, groups), dtype=np.int64), count)


def _grouped(values: Floats, groups: int) -> Floats:
    """Return the means of neighbouring rows."""
    edges = _edges(len(values), groups)
    sums: Floats = np.add.reduceat(values, edges[:-1], axis=0)
    return sums / np.diff(edges).reshape(-1, *[1] * (values.ndim - 1))


# --- figures of one run -----------------------------------------------------------------------------------------------


def run_figures(run: Run) -> dict[str, Figure]:
    """Return all figures of a run: ``convergence``, ``rounds`` and ``usage``; none for a run without rounds."""
    if not run.n_rounds:
        return {}
    return {"convergence": convergence_figure(run), "rounds": rounds_figure(run), "usage": usage_figure(run)}


def convergence_figure(run: Run) -> Figure:
    """Draw the loss, and the first of the test scores where there are any, over rounds and over training time.

    Parameters
    ----------
    run : Run
        With at least one round.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels of the loss, and below them two of the score.

    Raises
    ------
    ValueError
        If the run has no round.
    MissingExtra
        If matplotlib is not installed.
    """
    _check_rounds(run)
    with style():
        from matplotlib.figure import Figure

        score = next(iter(run.test), None)
        n_rows = 1 if score is None else 2
        figure = Figure(figsize=(WIDTH, 2.75 * n_rows + 0.1), layout="constrained")
        axes = figure.subplots(n_rows, 2, sharex="col", sharey="row", squeeze=False)
        rounds = np.arange(1, run.n_rounds + 1)
        unit, size = _unit(float(run.seconds.sum()))
        elapsed = np.cumsum(run.seconds) / size
        for x, column in ((rounds, 0), (elapsed, 1)):
            _draw_band(axes[0, column], x, run.loss, BLUE)
            if score is not None:
                _draw_band(axes[1, column], x[run.test_rounds], run.test[score], GREEN)
        _scale_y(axes[0, 0], run.loss)
        axes[0, 0].set_ylabel("loss")
        axes[0, 0].set_title("over rounds")
        axes[0, 1].set_title("over training time")
        if score is not None:
            axes[1, 0].set_ylabel(f"test {score_label(score)}")
        axes[-1, 0].set_xlabel("round")
        axes[-1, 1].set_xlabel(f"training time ({unit})")
        _whole_rounds(axes[-1, 0], run.n_rounds)
        axes[-1, 1].set_xlim(left=0)
        return figure


def rounds_figure(run: Run) -> Figure:
    """Draw how long the rounds took and, below, who was late in them.

    Parameters
    ----------
    run : Run
        With at least one round.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels, one over the other, with the rounds in common.

    Raises
    ------
    ValueError
        If the run has no round.
    MissingExtra
        If matplotlib is not installed.
    """
    _check_rounds(run)
    with style():
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure

        shares = late_shares(run)
        n_rows, n_columns = shares.shape
        heights = (2.3, max(0.35, min(3.6, 0.2 * n_rows)))
        figure = Figure(figsize=(WIDTH, sum(heights) + 1.0), layout="constrained")
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=heights)
        unit, size = _unit(float(np.median(run.seconds)))
        seconds = run.seconds / size
        _draw_band(top, np.arange(1, run.n_rounds + 1), seconds, BLUE)
        for name, value, dashes in (
            ("median", float(np.median(seconds)), "--"),
            ("p95", float(np.percentile(seconds, 95)), ":"),
        ):
            top.axhline(value, color=BLACK, linewidth=1.0, linestyle=dashes, label=f"{name} {value:.3g} {unit}")
        top.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
        if not _scale_y(top, seconds):
            top.set_ylim(bottom=0)
        top.set_ylabel(f"time of a round ({unit})")

        every = (n_rows, n_columns) == (run.n_workers, run.n_rounds)
        colours = LinearSegmentedColormap.from_list("late", ["#f4f5f6", ORANGE, VERMILION, "#5c2800"])
        image = below.imshow(
            shares,
            cmap=LinearSegmentedColormap.from_list("late", ["#f4f5f6", VERMILION]) if every else colours,
            vmin=0,
            vmax=1,
            aspect="auto",
            interpolation="none",
            # The last column may stand for fewer rounds; what is too wide of it is beyond the axis.
            extent=(0.5, 0.5 + n_columns * _group_size(run.n_rounds, MAX_COLUMNS), n_rows - 0.5, -0.5),
        )
        below.grid(visible=False)
        below.set_title("late" if every else "share of rounds late")
        _worker_axis(below.yaxis, run.n_workers, n_rows)
        below.set_ylabel("worker")
        below.set_xlabel("round")
        if not every:
            bar = figure.colorbar(image, ax=below, pad=0.01, fraction=0.03, aspect=heights[1] / 0.12)
            bar.set_ticks([0, 0.5, 1], labels=["0 %", "50 %", "100 %"])
            bar.outline.set_visible(False)
        _whole_rounds(below, run.n_rounds)
        below.set_xlim(0.5, run.n_rounds + 0.5)
        return figure


def usage_figure(run: Run) -> Figure:
    """Draw for each worker in which share of the rounds it was used, answered unneeded, or was late.

    Parameters
    ----------
    run : Run
        With at least one round.

    Returns
    -------
    matplotlib.figure.Figure
        One panel of stacked bars; beyond 64 workers neighbours share a bar.

    Raises
    ------
    ValueError
        If the run has no round.
    MissingExtra
        If matplotlib is not installed.
    """
    _check_rounds(run)
    with style():
        from matplotlib.figure import Figure

        used, late = (
            _grouped(counts / run.n_rounds * 100, MAX_WORKERS) for counts in (run.used_rounds, run.late_rounds)
        )
        figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
        axes = figure.subplots()
        base = np.zeros(len(used))
        for share, label, colour in (
            (used, "used", BLUE),
            (np.maximum(100 - used - late, 0), "answered, not needed", GREY),
            (late, "late", VERMILION),
        ):
            axes.bar(np.arange(len(used)), share, 0.8, base, color=colour, label=label)
            base = base + share
        axes.grid(visible=False, axis="x")
        _worker_axis(axes.xaxis, run.n_workers, len(used))
        axes.set_xlabel("worker")
        axes.set_ylabel("share of rounds (%)")
        axes.set_ylim(0, 100)
        room = max(0.0, 6 - len(used)) / 2  # so that one worker is a bar and not a wall
        axes.set_xlim(-0.6 - room, len(used) - 0.4 + room)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
        return figure


# --- figure of several runs -------------------------------------------------------------------------------------------


def comparison_figure(runs: Mapping[str, Run]) -> Figure:
    """Draw the loss of several runs over training time, and how their rounds' times are distributed.

    Parameters
    ----------
    runs : mapping of str to Run
        Name of a run to the run, of which those without rounds are left out; at least one has rounds.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels with one line a run in each. On the right, a line's height is the share of rounds that took
        at most so long.

    Raises
    ------
    ValueError
        If there is no run with a round.
    MissingExtra
        If matplotlib is not installed.
    """
    drawn = {name: run for name, run in runs.items() if run.n_rounds}
    if not drawn:
        raise ValueError(f"runs must have one with at least one round, got {list(runs)}")
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
        left, right = figure.subplots(1, 2)
        unit, size = _unit(max(float(run.seconds.sum()) for run in drawn.values()))
        round_unit, round_size = _unit(min(float(np.median(run.seconds)) for run in drawn.values()))
        for index, (name, run) in enumerate(drawn.items()):
            colour = COLOURS[index % len(COLOURS)]
            dashes = DASHES[index % len(DASHES)]
            x, low, median, high = bands(np.cumsum(run.seconds) / size, run.loss)
            left.plot(x, median, dashes, color=colour, label=name, marker="." if len(x) == 1 else "")
            if len(x) < run.n_rounds:
                left.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            times, share = _distribution(run.seconds / round_size)
            right.plot(times, share * 100, dashes, color=colour, drawstyle="steps-post")
        _scale_y(left, np.concatenate([run.loss for run in drawn.values()]))
        totals = np.array([run.seconds.sum() for run in drawn.values()]) / size
        if _is_wide(totals):  # otherwise the fast runs would be a stroke at the left edge
            left.set_xscale("log")
            firsts = np.array([run.seconds[0] for run in drawn.values()]) / size
            _plain_log(left.xaxis, np.concatenate([firsts, totals]))
        else:
            left.set_xlim(left=0)
        left.set_title("loss over training time")
        left.set_ylabel("loss")
        left.set_xlabel(f"training time ({unit})")
        everything = np.concatenate([run.seconds for run in drawn.values()]) / round_size
        if _is_wide(everything):
            right.set_xscale("log")
            _plain_log(right.xaxis, everything)
        else:
            right.set_xlim(left=0)
        right.set_title("rounds that took at most so long")
        right.set_ylabel("share of rounds (%)")
        right.set_xlabel(f"time of a round ({round_unit})")
        right.set_ylim(0, 101)
        figure.legend(loc="outside upper left", ncols=min(len(drawn), 5), handlelength=3)
        return figure


def _distribution(values: Floats) -> tuple[Floats, Floats]:
    """Return the steps of the empirical distribution, or as many of its quantiles as are drawn."""
    values = np.sort(values)
    share = np.arange(1, len(values) + 1) / len(values)
    if len(values) > MAX_POINTS:
        kept = np.unique(np.append(np.arange(MAX_POINTS) * len(values) // MAX_POINTS, len(values) - 1))
        values, share = values[kept], share[kept]
    return np.concatenate([values[:1], values]), np.concatenate([[0.0], share])


# --- drawing ----------------------------------------------------------------------------------------------------------


class _Unit(NamedTuple):
    name: str
    seconds: float


def _unit(seconds: float) -> _Unit:
    """Return the unit in which a time is best given."""
    for unit in (_Unit("h", 3600.0), _Unit("min", 60.0), _Unit("s", 1.0), _Unit("ms", 1e-3)):
        if seconds >= (2 if unit.seconds > 1 else 1) * unit.seconds:
            return unit
    return _Unit("ms", 1e-3)


def _check_rounds(run: Run) -> None:
    if not run.n_rounds:
        raise ValueError("run must have at least 1 round, got 0")


def _draw_band(axes: Axes, x: npt.NDArray[Any], y: Floats, colour: str) -> None:
    n_points = np.isfinite(y).sum()
    x, low, median, high = bands(x, y)
    axes.plot(x, median, color=colour, marker="o" if len(x) <= _DOTS else "")
    if len(x) < n_points:
        axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)


def _is_wide(values: Floats) -> bool:
    values = values[np.isfinite(values)]
    return bool(len(values)) and bool(values.min() > 0 and values.max() >= _LOG_FROM * values.min())


def _scale_y(axes: Axes, values: Floats) -> bool:
    """Make the axis logarithmic if that is how the values are best read, and return whether it is."""
    if not _is_wide(values):
        return False
    axes.set_yscale("log")
    _plain_log(axes.yaxis, values)
    return True


def _plain_log(axis: Any, values: Floats) -> None:
    """Label a logarithmic axis with plain numbers, and between the decades where there are few of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = values[np.isfinite(values)]
    few = math.log10(values.max() / values.min()) < 2.5
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=30) if few else LogLocator(numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}" if value < 1e5 else f"{value:.0e}"))
    axis.set_minor_formatter(NullFormatter())


def _whole_rounds(axes: Axes, n_rounds: int) -> None:
    """Have the rounds on the horizontal axis, which are whole numbers."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if n_rounds == 1:
        axes.set_xlim(0.5, 1.5)


def _worker_axis(axis: Any, n_workers: int, n_rows: int) -> None:
    """Number the workers from 0; where neighbours share a row, it has the number of the first."""
    from matplotlib.ticker import FuncFormatter

    size = _group_size(n_workers, n_rows)
    step = max(1, -(-n_rows // 16))
    step = step if step in (1, 2) else -(-step // 4) * 4
    axis.set_ticks(range(0, n_rows, step))
    axis.set_major_formatter(FuncFormatter(lambda row, _: str(round(row) * size)))

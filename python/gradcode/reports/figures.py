"""The figures of a run and of a comparison, drawn with matplotlib. Long runs are drawn in bins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gradcode.reports.axes import draw_band, is_wide, plain_log_axis, round_axis, scale_y, time_unit, worker_axis
from gradcode.reports.bins import MAX_COLUMNS, MAX_POINTS, MAX_WORKERS, bands, group_size, grouped, late_shares
from gradcode.reports.drawing import BLACK, BLUE, COLOURS, DASHES, GREEN, GREY, ORANGE, VERMILION, WIDTH, style
from gradcode.reports.quantities import score_label
from gradcode.reports.records import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison_figure", "convergence_figure", "rounds_figure", "run_figures", "usage_figure"]

Floats = npt.NDArray[np.float64]


def run_figures(run: Run) -> dict[str, Figure]:
    """Return the figures of a run, by name: ``convergence``, ``rounds`` and ``usage``; none if it has no rounds."""
    if not run.n_rounds:
        return {}
    return {"convergence": convergence_figure(run), "rounds": rounds_figure(run), "usage": usage_figure(run)}


def convergence_figure(run: Run) -> Figure:
    """Draw the loss, and the first test score if there is one, over rounds and over training time.

    Parameters
    ----------
    run : Run
        With at least one round.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels for the loss, and two below them for the score.

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
        unit, size = time_unit(float(run.seconds.sum()))
        elapsed = np.cumsum(run.seconds) / size
        for x, column in ((rounds, 0), (elapsed, 1)):
            draw_band(axes[0, column], x, run.loss, BLUE)
            if score is not None:
                draw_band(axes[1, column], x[run.test_rounds], run.test[score], GREEN)
        scale_y(axes[0, 0], run.loss)
        axes[0, 0].set_ylabel("loss")
        axes[0, 0].set_title("over rounds")
        axes[0, 1].set_title("over training time")
        if score is not None:
            axes[1, 0].set_ylabel(f"test {score_label(score)}")
        axes[-1, 0].set_xlabel("round")
        axes[-1, 1].set_xlabel(f"training time ({unit})")
        round_axis(axes[-1, 0], run.n_rounds)
        axes[-1, 1].set_xlim(left=0)
        return figure


def rounds_figure(run: Run) -> Figure:
    """Draw the times of the rounds and, below, which workers were late.

    Parameters
    ----------
    run : Run
        With at least one round.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels, one above the other, over the same rounds.

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
        unit, size = time_unit(float(np.median(run.seconds)))
        seconds = run.seconds / size
        draw_band(top, np.arange(1, run.n_rounds + 1), seconds, BLUE)
        for name, value, dashes in (
            ("median", float(np.median(seconds)), "--"),
            ("p95", float(np.percentile(seconds, 95)), ":"),
        ):
            top.axhline(value, color=BLACK, linewidth=1.0, linestyle=dashes, label=f"{name} {value:.3g} {unit}")
        top.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
        if not scale_y(top, seconds):
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
            # The last column may have fewer rounds than the others; the axis ends before its right edge.
            extent=(0.5, 0.5 + n_columns * group_size(run.n_rounds, MAX_COLUMNS), n_rows - 0.5, -0.5),
        )
        below.grid(visible=False)
        below.set_title("late" if every else "share of rounds late")
        worker_axis(below.yaxis, run.n_workers, n_rows)
        below.set_ylabel("worker")
        below.set_xlabel("round")
        if not every:
            bar = figure.colorbar(image, ax=below, pad=0.01, fraction=0.03, aspect=heights[1] / 0.12)
            bar.set_ticks([0, 0.5, 1], labels=["0 %", "50 %", "100 %"])
            bar.outline.set_visible(False)
        round_axis(below, run.n_rounds)
        below.set_xlim(0.5, run.n_rounds + 0.5)
        return figure


def usage_figure(run: Run) -> Figure:
    """Draw, for each worker, the shares of rounds in which it was used, not needed, and late.

    Parameters
    ----------
    run : Run
        With at least one round.

    Returns
    -------
    matplotlib.figure.Figure
        One panel of stacked bars. With more than 64 workers, neighbours share a bar.

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
            grouped(counts / run.n_rounds * 100, MAX_WORKERS) for counts in (run.used_rounds, run.late_rounds)
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
        worker_axis(axes.xaxis, run.n_workers, len(used))
        axes.set_xlabel("worker")
        axes.set_ylabel("share of rounds (%)")
        axes.set_ylim(0, 100)
        room = max(0.0, 6 - len(used)) / 2  # so that the bars of a few workers are not too wide
        axes.set_xlim(-0.6 - room, len(used) - 0.4 + room)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
        return figure


def comparison_figure(runs: Mapping[str, Run]) -> Figure:
    """Draw the loss of several runs over training time, and the distributions of the times of their rounds.

    Parameters
    ----------
    runs : mapping of str to Run
        The runs by name. Those without rounds are left out; at least one must have rounds.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels, with one line per run in each. On the right, the height of a line is the share of rounds that took
        at most that time.

    Raises
    ------
    ValueError
        If no run has a round.
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
        unit, size = time_unit(max(float(run.seconds.sum()) for run in drawn.values()))
        round_unit, round_size = time_unit(min(float(np.median(run.seconds)) for run in drawn.values()))
        for index, (name, run) in enumerate(drawn.items()):
            colour = COLOURS[index % len(COLOURS)]
            dashes = DASHES[index % len(DASHES)]
            x, low, median, high = bands(np.cumsum(run.seconds) / size, run.loss)
            left.plot(x, median, dashes, color=colour, label=name, marker="." if len(x) == 1 else "")
            if len(x) < run.n_rounds:
                left.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            times, share = _distribution(run.seconds / round_size)
            right.plot(times, share * 100, dashes, color=colour, drawstyle="steps-post")
        scale_y(left, np.concatenate([run.loss for run in drawn.values()]))
        totals = np.array([run.seconds.sum() for run in drawn.values()]) / size
        if is_wide(totals):  # otherwise the fast runs would be squeezed to the left edge
            left.set_xscale("log")
            firsts = np.array([run.seconds[0] for run in drawn.values()]) / size
            plain_log_axis(left.xaxis, np.concatenate([firsts, totals]))
        else:
            left.set_xlim(left=0)
        left.set_title("loss over training time")
        left.set_ylabel("loss")
        left.set_xlabel(f"training time ({unit})")
        everything = np.concatenate([run.seconds for run in drawn.values()]) / round_size
        if is_wide(everything):
            right.set_xscale("log")
            plain_log_axis(right.xaxis, everything)
        else:
            right.set_xlim(left=0)
        right.set_title("rounds that took at most this time")
        right.set_ylabel("share of rounds (%)")
        right.set_xlabel(f"time of a round ({round_unit})")
        right.set_ylim(0, 101)
        figure.legend(loc="outside upper left", ncols=min(len(drawn), 5), handlelength=3)
        return figure


def _distribution(values: Floats) -> tuple[Floats, Floats]:
    """Return the steps of the empirical distribution; of a long run, only some of them."""
    values = np.sort(values)
    share = np.arange(1, len(values) + 1) / len(values)
    if len(values) > MAX_POINTS:
        kept = np.unique(np.append(np.arange(MAX_POINTS) * len(values) // MAX_POINTS, len(values) - 1))
        values, share = values[kept], share[kept]
    return np.concatenate([values[:1], values]), np.concatenate([[0.0], share])


def _check_rounds(run: Run) -> None:
    if not run.n_rounds:
        raise ValueError("run must have at least 1 round, got 0")

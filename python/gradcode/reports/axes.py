"""The axes of figures: units of time, logarithmic scales, and numbering of rounds and workers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode.reports.bins import bands, group_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_band", "is_wide", "plain_log_axis", "round_axis", "scale_y", "time_unit", "worker_axis"]

Floats = npt.NDArray[np.float64]

_DOTS = 60  # a line of this many points or fewer shows each of them
_LOG_FROM = 5.0  # an axis is logarithmic if the values span this factor


class TimeUnit(NamedTuple):
    name: str
    seconds: float


def time_unit(seconds: float) -> TimeUnit:
    """Return the best unit for a time."""
    for unit in (TimeUnit("h", 3600.0), TimeUnit("min", 60.0), TimeUnit("s", 1.0), TimeUnit("ms", 1e-3)):
        if seconds >= (2 if unit.seconds > 1 else 1) * unit.seconds:
            return unit
    return TimeUnit("ms", 1e-3)


def draw_band(axes: Axes, x: npt.NDArray[Any], y: Floats, colour: str) -> None:
    """Draw a line; if it is long, draw the medians of its bins, and their ranges as a band."""
    n_points = np.isfinite(y).sum()
    x, low, median, high = bands(x, y)
    axes.plot(x, median, color=colour, marker="o" if len(x) <= _DOTS else "")
    if len(x) < n_points:
        axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)


def is_wide(values: Floats) -> bool:
    """Return whether the finite values call for a logarithmic axis."""
    values = values[np.isfinite(values)]
    return bool(len(values)) and bool(values.min() > 0 and values.max() >= _LOG_FROM * values.min())


def scale_y(axes: Axes, values: Floats) -> bool:
    """Make the vertical axis logarithmic if the values call for it; return whether it is."""
    if not is_wide(values):
        return False
    axes.set_yscale("log")
    plain_log_axis(axes.yaxis, values)
    return True


def plain_log_axis(axis: Any, values: Floats) -> None:
    """Label a logarithmic axis with plain numbers; with few decades, also between them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = values[np.isfinite(values)]
    few = math.log10(values.max() / values.min()) < 2.5
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=30) if few else LogLocator(numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}" if value < 1e5 else f"{value:.0e}"))
    axis.set_minor_formatter(NullFormatter())


def round_axis(axes: Axes, n_rounds: int) -> None:
    """Label the horizontal axis with rounds, which are whole numbers."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if n_rounds == 1:
        axes.set_xlim(0.5, 1.5)


def worker_axis(axis: Any, n_workers: int, n_rows: int) -> None:
    """Number the workers from 0; a row that neighbours share has the number of the first."""
    from matplotlib.ticker import FuncFormatter

    size = group_size(n_workers, n_rows)
    step = max(1, -(-n_rows // 16))
    step = step if step in (1, 2) else -(-step // 4) * 4
    axis.set_ticks(range(0, n_rows, step))
    axis.set_major_formatter(FuncFormatter(lambda row, _: str(round(row) * size)))

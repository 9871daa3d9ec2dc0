"""Long runs in bins: few enough rounds and workers to draw."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gradcode.reports.records import Run

__all__ = ["MAX_COLUMNS", "MAX_POINTS", "MAX_WORKERS", "bands", "group_size", "grouped", "late_shares"]

Floats = npt.NDArray[np.float64]

MAX_POINTS = 400  # bins of a line
MAX_COLUMNS = 200  # columns of the map of late workers
MAX_WORKERS = 64  # its rows, and bars; with more workers, neighbours share one


def bands(x: npt.ArrayLike, y: npt.ArrayLike, bins: int = MAX_POINTS) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the points of a line; if there are too many, the medians and extremes of bins of neighbours.

    Parameters
    ----------
    x : array_like
        Shape (N,), increasing.
    y : array_like
        Shape (N,). Points that are not finite are left out.
    bins : int, optional
        Most points to return. All bins have the same number of points, except the last, which has the rest.

    Returns
    -------
    x, low, median, high : ndarray
        Shape (B,), B <= `bins`, float64. The x of a bin is that of its middle point.

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
    """Return how often workers were late, by worker and by time.

    Parameters
    ----------
    run : Run
        With at least one round.
    columns, rows : int, optional
        Most columns and rows to return. Neighbouring rounds share a column and neighbouring workers a row; all
        groups have the same size, except the last, which has the rest.

    Returns
    -------
    ndarray
        Shape (at most `rows`, at most `columns`), float64: the share of late answers.
    """
    edges = _edges(run.n_rounds, columns)
    shares = [run.late_share(a, b) for a, b in pairwise(edges)]
    return grouped(np.stack(shares, axis=1), rows)


def group_size(count: int, groups: int) -> int:
    """Return the size of the groups, of which there are at most `groups`; the last may be smaller."""
    return -(-count // groups)


def _edges(count: int, groups: int) -> npt.NDArray[np.int64]:
    """Return the start of each group of neighbours, and the end of the last."""
    return np.append(np.arange(0, count, group_size(count, groups), dtype=np.int64), count)


def grouped(values: Floats, groups: int) -> Floats:
    """Return the means of groups of neighbouring rows, at most `groups` of them."""
    edges = _edges(len(values), groups)
    sums: Floats = np.add.reduceat(values, edges[:-1], axis=0)
    return sums / np.diff(edges).reshape(-1, *[1] * (values.ndim - 1))

"""The objective: the regularisation that the master adds to a loss, and the rows of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int, check_number

__all__ = ["batch_of", "regularised", "sum_of_squares"]


def regularised(
    value: float, gradient: npt.NDArray[Any], w: npt.NDArray[Any], regularisation: float
) -> tuple[float, npt.NDArray[Any]]:
    """Return value and gradient with the L2 term added. The master does this once per round.

    Parameters
    ----------
    value : float
        Loss, summed over all rows.
    gradient : numpy.ndarray
        Its gradient; not changed.
    w : numpy.ndarray
        Parameters at which both were taken.
    regularisation : float
        λ of the term λ/2·‖w‖², at least 0.

    Returns
    -------
    value : float
        ``value + regularisation / 2 * (w @ w)``, accumulated in float64.
    gradient : numpy.ndarray
        ``gradient + regularisation * w``, a new array.

    Examples
    --------
    >>> import numpy as np
    >>> regularised(1.0, np.array([0.0, 1.0]), np.array([2.0, 0.0]), 0.5)
    (2.0, array([1., 1.]))
    """
    regularisation = check_number("regularisation", regularisation, 0)
    if gradient.shape != w.shape:
        raise ValueError(f"gradient must have the shape of w, {w.shape}, got {gradient.shape}")
    total = regularisation * w
    total += gradient
    with np.errstate(over="ignore"):  # the optimiser reports an infinite value
        return float(value) + regularisation / 2 * sum_of_squares(w), total


def sum_of_squares(values: npt.NDArray[Any]) -> float:
    """Return the sum of the squares of a vector, accumulated in float64 without a copy.

    In float32, ``values @ values`` would lose more digits than a line search can spare: a relative error of 3e-5 for
    ten million elements.

    Examples
    --------
    >>> import numpy as np
    >>> sum_of_squares(np.array([3.0, 4.0], np.float32))
    25.0
    """
    return float(np.einsum("i,i", values, values, dtype=np.float64))


def batch_of(n_rows: int, size: int, seed: int, round: int, start: int, stop: int) -> npt.NDArray[np.intp]:
    """Return the rows of start..stop that are in the batch of a round.

    The batch is drawn from all rows, without replacement. It depends on `seed` and `round` alone, so every scheme,
    every number of workers and every replica gets the same batch. A sum over the batch, multiplied by
    ``n_rows / size``, is an unbiased estimate of the sum over all rows.

    Parameters
    ----------
    n_rows : int
        Number of all rows, at least 1.
    size : int
        Rows of a batch, in 1..n_rows.
    seed, round : int
        Determine the draw, both at least 0.
    start, stop : int
        The range of rows, ``start`` to ``stop - 1``, within 0..n_rows.

    Returns
    -------
    ndarray of intp
        Rows in increasing order, counted from `start`; empty if the batch has no rows there.

    Notes
    -----
    Every call draws the whole batch. If that is more than a fiftieth of more than 10,000 rows, the draw needs memory
    for one integer per row of all rows.

    Examples
    --------
    >>> both = batch_of(10, 4, 0, 7, 0, 10)
    >>> left, right = batch_of(10, 4, 0, 7, 0, 5), batch_of(10, 4, 0, 7, 5, 10)
    >>> len(both), bool(np.all(both == np.concatenate([left, right + 5])))
    (4, True)
    """
    n_rows = check_int("n_rows", n_rows, 1)
    size = check_int("size", size, 1, n_rows, context=f"n_rows={n_rows}")
    seed, round = check_int("seed", seed, 0), check_int("round", round, 0)
    stop = check_int("stop", stop, 0, n_rows, context=f"n_rows={n_rows}")
    start = check_int("start", start, 0, stop, context=f"stop={stop}")
    batch = np.random.default_rng([seed, round]).choice(n_rows, size, replace=False, shuffle=False)
    batch.sort()
    first, last = np.searchsorted(batch, [start, stop])
    rows: npt.NDArray[np.intp] = batch[first:last].astype(np.intp, copy=False)
    rows -= start
    return rows

"""Mini-batches that are the same on every worker."""

from __future__ import annotations

import numpy as np
import torch

from gradcode._validate import check_int
from gradcode.rounds import Task

__all__ = ["batch"]


def batch(task: Task, n_rows: int, size: int) -> torch.Tensor:
    """Draw a mini-batch of the task's rows, the same on every worker that computes this task.

    Each row is in the batch with probability ``size / n_rows``. So multiply the loss by ``n_rows / size``: its sum over
    the batch then estimates, without bias, the sum over the task's rows. The sum over all tasks estimates the loss of
    all data, whether or not the subsets have the same size.

    Parameters
    ----------
    task : Task
        Its seed decides what is drawn.
    n_rows : int
        Number of rows that the task has, at least 1.
    size : int
        Number of rows to draw, in 1..n_rows, without repetition.

    Returns
    -------
    torch.Tensor of int64, shape (size,)
        Indices in 0..n_rows-1.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> rows = batch(SimpleNamespace(seed=1), n_rows=100, size=5)
    >>> rows.shape, bool(((rows >= 0) & (rows < 100)).all())
    (torch.Size([5]), True)
    >>> bool((rows == batch(SimpleNamespace(seed=1), 100, 5)).all())
    True
    """
    n_rows = check_int("n_rows", n_rows, 1)
    size = check_int("size", size, 1, n_rows, context=f"n_rows={n_rows}")
    # Not torch's generator: with the seed that dropout uses, it would draw the same numbers as dropout.
    return torch.from_numpy(np.random.default_rng(task.seed).choice(n_rows, size, replace=False))

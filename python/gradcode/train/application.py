"""A training run on every rank: the part of the master, and that of the workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode.datasets.prepared import Prepared
from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import batch_of
from gradcode.mpi import run
from gradcode.rounds import Gradient, Task
from gradcode.schemes import Subset
from gradcode.train.config import TrainConfig
from gradcode.train.descent import Emit, Master

__all__ = ["train"]

# At the end, when the result is stored, wait this long for workers that cannot be interrupted.
GOODBYE_SECONDS = 10.0


def train(config: TrainConfig, prepared: Prepared, emit: Emit, launched_at: float) -> int:
    """Train over MPI. Every rank calls this.

    Parameters
    ----------
    config : TrainConfig
        The configuration, the same on all ranks.
    prepared : Prepared
        The data. A worker reads its share, the master the test rows.
    emit : callable
        Called with each event of `gradcode.train.events`, on the master.
    launched_at : float
        When the run was launched, in seconds since the epoch.

    Returns
    -------
    int
        Exit status: 130 on the master if the run was interrupted, otherwise 0.
    """
    master = Master(config, prepared, emit, launched_at)
    status = run(
        master.main,
        config.gradient_code,
        _worker(config, prepared),
        gradient_size=master.gradient_size,
        data=_loader(prepared),
        dtype=config.dtype,
        wire_dtype=config.wire_dtype,
        chunks=config.chunks,
        seed=config.seed,
        configuration={**config.shared(), "rows": prepared.n_train, "digest of the data": prepared.digest},
        goodbye_seconds=GOODBYE_SECONDS,
    )
    return 130 if status == "interrupted" else 0


def _loader(prepared: Prepared) -> Callable[[Subset], tuple[slice, Any, npt.NDArray[Any]]]:
    """Return the function that loads the rows of a subset, with their place among all rows."""

    def load(subset: Subset) -> tuple[slice, Any, npt.NDArray[Any]]:
        rows = subset.slice(prepared.n_train)
        return rows, *prepared.rows(rows.start, rows.stop)

    return load


def _worker(config: TrainConfig, prepared: Prepared) -> Gradient:
    """Return the gradient function of the workers, over all rows of a share or those in the batch of the round."""
    delays, loss, n_rows = config.delays(), LOSSES[config.loss], prepared.n_train
    batch = config.batch_rows(n_rows)

    def gradient(params: npt.NDArray[Any], task: Task) -> tuple[npt.NDArray[Any], dict[str, float]] | None:
        if not delays.apply(task, task.worker):
            return None
        rows, X, y = task.data
        if batch is None:
            value, vector = loss.value_and_gradient(params, X, y)
            return vector, {"loss": value}
        # The batch depends on the seed and the round alone, so it is the same for every scheme and number of workers.
        drawn = batch_of(n_rows, batch, config.seed, task.round, rows.start, rows.stop)
        value, vector = loss.value_and_gradient(params, X[drawn], y[drawn])
        scale = n_rows / batch
        vector *= np.asarray(scale, vector.dtype)
        return vector, {"loss": scale * value}

    return gradient

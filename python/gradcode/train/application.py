"""The training run itself, as every rank runs it: master and workers."""

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

# At the end, a worker that cannot be interrupted is waited for this long; the result is safe by then.
GOODBYE_SECONDS = 10.0


def train(config: TrainConfig, prepared: Prepared, emit: Emit, launched_at: float) -> int:
    """Train over MPI; called by every rank.

    Parameters
    ----------
    config : TrainConfig
        The same on all ranks.
    prepared : Prepared
        The data, of which a worker reads its share and the master the test rows.
    emit : callable
        Takes the events of `gradcode.reports.terminal`, on the master.
    launched_at : float
        When the run was started, in seconds since the epoch.

    Returns
    -------
    int
        Exit status: 130 on the master if the run was interrupted, and otherwise 0.
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
    """What loads the rows of a subset, with where they lie in the whole."""

    def load(subset: Subset) -> tuple[slice, Any, npt.NDArray[Any]]:
        rows = subset.slice(prepared.n_train)
        return rows, *prepared.rows(rows.start, rows.stop)

    return load


def _worker(config: TrainConfig, prepared: Prepared) -> Gradient:
    """The gradient function: of all rows of a share, or of those in the batch of the round."""
    delays, loss, n_rows = config.delays(), LOSSES[config.loss], prepared.n_train
    batch = config.batch_rows(n_rows)

    def gradient(params: npt.NDArray[Any], task: Task) -> tuple[npt.NDArray[Any], dict[str, float]] | None:
        if not delays.apply(task, task.worker):
            return None
        rows, X, y = task.data
        if batch is None:
            value, vector = loss.value_and_gradient(params, X, y)
            return vector, {"loss": value}
        # Drawn from the seed and the round alone, so that it is the same batch for every scheme and any workers.
        drawn = batch_of(n_rows, batch, config.seed, task.round, rows.start, rows.stop)
        value, vector = loss.value_and_gradient(params, X[drawn], y[drawn])
        scale = n_rows / batch
        vector *= np.asarray(scale, vector.dtype)
        return vector, {"loss": scale * value}

    return gradient

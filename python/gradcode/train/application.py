"""The training run itself, as every rank runs it: master and workers."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

import gradcode
from gradcode.mpi import Task, run
from gradcode.rounds import Cluster
from gradcode.schemes import Subset
from gradcode.train.config import TrainConfig
from gradcode.train.events import failure_event
from gradcode.train.objective import auc, loss_and_gradient, regularised
from gradcode.train.optimisers import OPTIMISERS
from gradcode.train.output import RunOutput
from gradcode.train.prepared import Prepared

__all__ = ["Emit", "train"]

Emit = Callable[[dict[str, Any]], None]

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
        Takes the events of `gradcode.train.report`, on the master.
    launched_at : float
        When the run was started, in seconds since the epoch.

    Returns
    -------
    int
        Exit status: 130 on the master if the run was interrupted, and otherwise 0.
    """
    delays = config.delays()

    def load(subset: Subset) -> Any:
        rows = subset.slice(prepared.n_train)
        return prepared.rows(rows.start, rows.stop)

    def gradient(params: npt.NDArray[Any], task: Task) -> tuple[npt.NDArray[Any], dict[str, float]] | None:
        if not delays.apply(task, task.worker):
            return None
        loss, vector = loss_and_gradient(params, *task.data)
        return vector, {"loss": loss}

    master = _Master(config, prepared, emit, launched_at)
    status = run(
        master.main,
        master.scheme,
        gradient,
        gradient_size=prepared.n_features,
        data=load,
        dtype=config.dtype,
        chunks=config.chunks,
        seed=config.seed,
        configuration={**config.shared(), "rows": prepared.n_train},
        goodbye_seconds=GOODBYE_SECONDS,
    )
    return 130 if status == "interrupted" else 0


class _Master:
    """What the master does with the gradients, and what it keeps of the run."""

    def __init__(self, config: TrainConfig, prepared: Prepared, emit: Emit, launched_at: float) -> None:
        self.config = config
        self.scheme = config.gradient_code
        self._prepared = prepared
        self._emit = emit
        self._launched_at = launched_at
        self._seconds: list[float] = []  # whole loop, of each round
        self._loss: float | None = None
        self._totals = dict.fromkeys(("seconds_down", "seconds_up", "bytes_down", "bytes_up"), 0.0)
        self._used = [0] * self.scheme.n_workers
        self._late = [0] * self.scheme.n_workers

    def main(self, cluster: Cluster) -> str:
        """Train, report, and keep the result; returns how it ended."""
        try:
            # Only a round is interrupted, so that records and files are never torn.
            with cluster.interrupts.shelter():
                if self.config.output is None:
                    return self._train(cluster, None)
                with RunOutput(Path(self.config.output)) as output:
                    return self._train(cluster, output)
        except Exception as error:
            self._emit(failure_event(error))  # now, and not after all workers have left
            error.gradcode_reported = True  # type: ignore[attr-defined]
            raise

    def _train(self, cluster: Cluster, output: RunOutput | None) -> str:
        config = self.config
        rate = config.rate
        if rate is None:
            rate = 1 / (self._prepared.lipschitz + config.regularisation)
        parameters = np.zeros(self._prepared.n_features, config.dtype)
        status = "completed"
        startup = started = 0.0
        try:
            cluster.wait_for_workers()
            startup = time.time() - self._launched_at
            self._emit(
                {
                    "event": "started",
                    "scheme": repr(self.scheme),
                    "n_workers": self.scheme.n_workers,
                    "rows": self._prepared.n_train,
                    "features": self._prepared.n_features,
                    "iterations": config.iterations,
                    "startup_seconds": startup,
                }
            )
            started = before = time.perf_counter()

            def objective(w: npt.NDArray[Any]) -> tuple[float, npt.NDArray[Any]]:
                value, vector = cluster.value_and_gradient(w)
                return regularised(value, vector, w, config.regularisation)

            def after(iteration: int, w: npt.NDArray[Any], value: float) -> None:
                nonlocal before
                np.copyto(parameters, w)
                now = time.perf_counter()
                self._seconds.append(now - before)
                before = now
                self._loss = value
                record = self._round_record(cluster, value)
                self._emit({"event": "round", **{k: record[k] for k in ("round", "loss", "seconds", "late", "used")}})
                if output is not None:
                    output.round(record)

            OPTIMISERS[config.optimiser](objective, parameters, rate=rate, iterations=config.iterations, callback=after)
        except KeyboardInterrupt:
            status = "interrupted"
        if output is not None:
            output.parameters(parameters)
        result = self._result(status, rate, startup, time.perf_counter() - started if started else 0.0)
        if output is not None and status == "interrupted":
            output.result(result)  # the time left may be short; the test score comes later, if it still can
        result["test_auc"] = auc(parameters, *self._prepared.test()) if self._seconds else None
        if output is not None:
            output.result(result)
        self._emit({"event": "finished", "result": result})
        return status

    def _round_record(self, cluster: Cluster, loss: float) -> dict[str, Any]:
        record = cluster.log[-1]
        for name in self._totals:
            self._totals[name] += getattr(record, name)
        for worker in record.used:
            self._used[worker] += 1
        for worker in record.late:
            self._late[worker] += 1
        return {
            "round": record.round,
            "loss": loss,
            "seconds": self._seconds[-1],
            "gradient_seconds": record.seconds,
            "decode_seconds": record.decode_seconds,
            "used": list(record.used),
            "late": list(record.late),
            "compute_seconds": list(record.compute_seconds),
            "bytes_down": record.bytes_down,
            "bytes_up": record.bytes_up,
            "seconds_down": record.seconds_down,
            "seconds_up": record.seconds_up,
        }

    def _result(self, status: str, rate: float, startup: float, train_seconds: float) -> dict[str, Any]:
        scheme = self.scheme
        seconds = np.array(self._seconds) if self._seconds else None
        return {
            "status": status,
            "rounds": len(self._seconds),
            "iterations": self.config.iterations,
            "test_auc": None,
            "loss": self._loss,
            "rate": rate,
            "startup_seconds": startup,
            "train_seconds": train_seconds,
            "seconds_per_round": None
            if seconds is None
            else {
                "mean": float(seconds.mean()),
                "median": float(np.median(seconds)),
                "p95": float(np.percentile(seconds, 95)),
            },
            "seconds_down": self._totals["seconds_down"],
            "seconds_up": self._totals["seconds_up"],
            "bytes_down": int(self._totals["bytes_down"]),
            "bytes_up": int(self._totals["bytes_up"]),
            "used": self._used,
            "late": self._late,
            "objective": "sum over rows of log(1 + exp(-y x.w)) + regularisation/2 |w|^2, "
            "at the point where the last gradient was taken",
            "scheme": {
                "name": repr(scheme),
                "load": scheme.load,
                "stragglers": scheme.stragglers,
                "communication": scheme.communication,
                "message_size": scheme.message_size(self._prepared.n_features, self.config.dtype),
            },
            "data": {
                "name": self._prepared.name,
                "train_rows": self._prepared.n_train,
                "test_rows": self._prepared.n_test,
                "features": self._prepared.n_features,
                "classes": list(self._prepared.classes),
            },
            "configuration": {**self.config.shared(), "output": self.config.output},
            "versions": _versions(),
            "output": self.config.output,
        }


def _versions() -> dict[str, str]:
    import mpi4py
    from mpi4py import MPI

    return {
        "gradcode": gradcode.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "mpi4py": mpi4py.__version__,
        "mpi": MPI.Get_library_version().split(",")[0].strip("\0 \n"),
    }

"""The part of the master in a training run: descent, records, test scores and the result."""

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
from gradcode._memory import peak_memory
from gradcode.datasets.prepared import Prepared
from gradcode.errors import DataError
from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import regularised
from gradcode.linear.optimisers import default_rate, optimiser_of
from gradcode.rounds import Cluster
from gradcode.train.config import TrainConfig
from gradcode.train.events import Event, Finished, RoundDone, Started, failure
from gradcode.train.output import RunOutput, read_parameters

__all__ = ["Emit", "Master", "starting_point"]

Emit = Callable[[Event], None]

# With an output directory, score the test rows in about this many rounds, for the figures.
_SCORED_ROUNDS = 100
# Write the parameters this often, so that a crash loses no more.
_SAVE_SECONDS = 60.0


def starting_point(config: TrainConfig, prepared: Prepared) -> npt.NDArray[Any]:
    """Return the parameters to start from: zeros, or those of an earlier run.

    Raises
    ------
    DataError
        If the file of the earlier run cannot be read, or its parameters do not fit the data.
    """
    size, dtype = _n_parameters(config, prepared), np.dtype(config.dtype)
    if config.start is None:
        return np.zeros(size, dtype)
    start = read_parameters(Path(config.start))
    if start.shape != (size,) or start.dtype != dtype:
        raise DataError(
            f"{config.start}: start must hold {size} parameters of {dtype}, got shape {start.shape} of {start.dtype}"
        )
    return start


def _n_parameters(config: TrainConfig, prepared: Prepared) -> int:
    return LOSSES[config.loss].n_parameters(prepared.n_features, len(prepared.classes))


class Master:
    """Trains, emits events, and writes the result.

    Parameters
    ----------
    config : TrainConfig
        The configuration.
    prepared : Prepared
        The data. The master reads only the test rows.
    emit : callable
        Called with each event of `gradcode.train.events`.
    launched_at : float
        When the run was launched, in seconds since the epoch.

    Attributes
    ----------
    gradient_size : int
        Number of parameters.
    """

    def __init__(self, config: TrainConfig, prepared: Prepared, emit: Emit, launched_at: float) -> None:
        self._config = config
        self._prepared = prepared
        self._emit = emit
        self._launched_at = launched_at
        self._loss = LOSSES[config.loss]
        self.gradient_size = _n_parameters(config, prepared)
        smoothness = self._loss.smoothness(prepared.spectral_norm_squared) + config.regularisation
        self._rate = config.rate if config.rate is not None else default_rate(config.optimiser, smoothness)
        self._tally = _Tally(config.workers)
        self._test: tuple[Any, npt.NDArray[Any]] | None = None
        self._output: RunOutput | None = None
        self._parameters = np.empty(0)
        self._mark = 0.0  # end of the last round, for timing the next
        self._saved = 0.0

    def main(self, cluster: Cluster) -> str:
        """Train, emit events, and write the result; return its status, "completed" or "interrupted"."""
        try:
            # Ctrl-C takes effect only within a round, so that records and files are always complete.
            with cluster.interrupts.deferred():
                self._parameters = starting_point(self._config, self._prepared)
                if self._config.output is None:
                    return self._train(cluster)
                with RunOutput(Path(self._config.output)) as self._output:
                    return self._train(cluster)
        except Exception as error:
            self._emit(failure(error))  # now, rather than after all workers have left
            error.gradcode_reported = True  # type: ignore[attr-defined]
            raise

    def _train(self, cluster: Cluster) -> str:
        config, status, stopped, startup = self._config, "completed", "interrupted", 0.0
        try:
            cluster.wait_for_workers()
            if self._output is not None:
                self._scores(self._parameters)  # importing and reading belong to the startup
            startup = time.time() - self._launched_at
            self._emit(
                Started(
                    scheme=repr(cluster.scheme),
                    n_workers=cluster.scheme.n_workers,
                    rows=self._prepared.n_train,
                    features=self._prepared.n_features,
                    iterations=config.iterations,
                    startup_seconds=startup,
                )
            )
            self._mark = self._saved = time.perf_counter()

            def objective(w: npt.NDArray[Any]) -> tuple[float, npt.NDArray[Any]]:
                value, vector = regularised(*cluster.value_and_gradient(w), w, config.regularisation)
                self._after_round(cluster, w, value)
                return value, vector

            stopped = optimiser_of(config.optimiser, self._prepared.n_train)(
                objective,
                self._parameters.copy(),
                rate=self._rate,
                iterations=config.iterations,
                tolerance=config.tolerance,
                callback=lambda w: np.copyto(self._parameters, w),
            ).reason
        except KeyboardInterrupt:
            status = "interrupted"
        if self._output is not None:
            self._output.parameters(self._parameters)
        result = self._result(cluster, status, stopped, startup)
        if self._output is not None and status == "interrupted":
            self._output.result(result)  # store it now: there may be no time left for the test scores
        if self._tally.rounds:
            result["test"] = self._scores(self._parameters)
        if self._output is not None:
            self._output.result(result)
        self._emit(Finished(result))
        return status

    def _after_round(self, cluster: Cluster, w: npt.NDArray[Any], value: float) -> None:
        """Record, show and write the last round, at the parameters `w`. Scoring does not count as training time."""
        now = time.perf_counter()
        record = self._tally.add(cluster, value, now - self._mark)
        scoring = 0.0
        if self._output is not None:
            if record["round"] % max(1, self._config.iterations // _SCORED_ROUNDS) == 0 and np.isfinite(w).all():
                record["test"] = self._scores(w)
                scoring = time.perf_counter() - now
            self._output.round(record)
            if now - self._saved > _SAVE_SECONDS:
                self._output.parameters(self._parameters)
                self._saved = now
        self._emit(RoundDone(record["round"], value, record["seconds"], record["late"], record["used"]))
        self._mark = now + scoring

    def _scores(self, w: npt.NDArray[Any]) -> dict[str, float | None]:
        if self._test is None:
            self._test = self._prepared.test()
        return self._loss.scores(w, *self._test)

    def _result(self, cluster: Cluster, status: str, stopped: str, startup: float) -> dict[str, Any]:
        scheme, config, prepared = cluster.scheme, self._config, self._prepared
        return {
            "status": status,
            "stopped": stopped,
            "rounds": self._tally.rounds,
            "iterations": config.iterations,
            "test": {},
            "loss": self._tally.loss,
            "loss_name": config.loss,
            "objective": f"{self._loss.formula} + regularisation/2 |w|^2, at the point of the last gradient"
            + ("" if config.batch_rows(prepared.n_train) is None else ", estimated from the batch of that round"),
            "regularisation": config.regularisation,
            "rate": self._rate,
            "batch": config.batch_rows(prepared.n_train),
            "startup_seconds": startup,
            **self._tally.summary(),
            "memory": {"master": peak_memory() or None, "workers": [peak or None for peak in cluster.peak_memory]},
            "scheme": {
                "name": repr(scheme),
                "load": scheme.load,
                "stragglers": scheme.stragglers,
                "communication": scheme.communication,
                "message_size": scheme.message_size(self.gradient_size, config.dtype),
                "wire_dtype": config.wire_dtype,
            },
            "data": {
                "name": prepared.name,
                "train_rows": prepared.n_train,
                "test_rows": prepared.n_test,
                "features": prepared.n_features,
                "parameters": self.gradient_size,
                "classes": list(prepared.classes),
            },
            "delays": {"seconds": config.delay, "count": config.delayed, "kind": config.delay_kind},
            "configuration": {**config.shared(), "start": config.start, "output": config.output},
            "command": config.command,
            "versions": _versions(),
            "output": config.output,
        }


class _Tally:
    """Adds up the rounds of a run."""

    def __init__(self, n_workers: int) -> None:
        self.loss: float | None = None
        self._seconds: list[float] = []  # of each round, with the step of the optimiser
        self._totals = dict.fromkeys(("seconds_down", "seconds_up", "bytes_down", "bytes_up"), 0.0)
        self._used = [0] * n_workers
        self._late = [0] * n_workers

    @property
    def rounds(self) -> int:
        """Number of rounds so far."""
        return len(self._seconds)

    def add(self, cluster: Cluster, loss: float, seconds: float) -> dict[str, Any]:
        """Add the last round of the cluster; return its record for rounds.jsonl."""
        record = cluster.log.pop()  # do not keep it: a long run has too many rounds for memory
        self.loss = loss
        self._seconds.append(seconds)
        for name in self._totals:
            self._totals[name] += getattr(record, name)
        for worker in record.used:
            self._used[worker] += 1
        for worker in record.late:
            self._late[worker] += 1
        return {
            "round": record.round,
            "loss": loss,
            "seconds": seconds,
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

    def summary(self) -> dict[str, Any]:
        """Return the totals over all rounds, for result.json."""
        seconds = np.array(self._seconds)
        return {
            "train_seconds": float(seconds.sum()),
            "seconds_per_round": None
            if not len(seconds)
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

"""What the user's `main` holds: a cluster that returns exact gradients."""

from __future__ import annotations

import logging
import math
import statistics
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode._validate import check_dtype, check_int, check_number
from gradcode.errors import GradCodeError, WorkerFailed
from gradcode.rounds.engine import Abandoned, Arrived, Engine, Event, Failed, Joined
from gradcode.rounds.interrupts import Interrupts
from gradcode.rounds.machine import Action, Arrival, Close, Count, Rounds, Send
from gradcode.schemes import GradientCode

__all__ = ["PATIENCE", "Cluster", "RoundRecord"]

logger = logging.getLogger("gradcode")

# How long to sit in the engine before looking whether the user has interrupted the run.
_ATTENTION_SECONDS = 0.05
# Survivors in bad condition are waited for until a round has lasted this many times the median of recent ones.
PATIENCE = 2.0
_RECENT_ROUNDS = 25


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round, as the master saw it.

    Attributes
    ----------
    round : int
        Its number, from 0.
    seconds : float
        From the call of `gradient` to its return.
    decode_seconds : float
        Part of that spent decoding after the last message had arrived.
    used : tuple of int
        Workers whose messages are in the sum.
    late : tuple of int
        Workers that had not answered when the round ended. (A worker in neither answered after its group had been
        decoded.)
    compute_seconds : tuple of float
        Computation time of each worker in `used`, by its own clock.
    scalars : mapping of str to float
        Sums over the data of what the gradient function reported beside the gradient.
    bytes_down, bytes_up : int
        Bytes sent and received during the round.
    seconds_down, seconds_up : float
        Time of the round during which a model, or an announced message, was on its way.
    """

    round: int
    seconds: float
    decode_seconds: float
    used: tuple[int, ...]
    late: tuple[int, ...]
    compute_seconds: tuple[float, ...]
    scalars: Mapping[str, float]
    bytes_down: int
    bytes_up: int
    seconds_down: float
    seconds_up: float


class Cluster:
    """Computes the sum of all gradients on the workers, without waiting for stragglers.

    Parameters
    ----------
    engine : Engine
        What carries models and messages.
    scheme : GradientCode
        The scheme.
    gradient_size : int
        Number of parameters, and of elements of a gradient, l.
    dtype : dtype
        float32 or float64, of parameters and gradients, and of messages without `wire_dtype`.
    interrupts : Interrupts, optional
        Asked between events: after a signal the round is given up and KeyboardInterrupt raised.
    patience : float
        Survivors whose condition number is above 1e8 (float64 messages), 1e4 (float32), 45 (float16) or 16 (bfloat16)
        wait for others until the round has lasted so many times the usual, and are decoded then.
    wire_dtype : {"float16", "bfloat16"}, optional
        Of messages, where that is another type.

    Attributes
    ----------
    log : list of RoundRecord
        Every round so far.
    peak_memory : list of int
        For each worker the most bytes that its process has held resident, by its last answer; 0 where it is not known.
    interrupts : Interrupts
        ``with cluster.interrupts.shelter():`` keeps Ctrl-C out of everything but `gradient`.
    """

    def __init__(
        self,
        engine: Engine,
        scheme: GradientCode,
        gradient_size: int,
        dtype: npt.DTypeLike = np.float64,
        interrupts: Interrupts | None = None,
        patience: float = PATIENCE,
        wire_dtype: Any = None,
    ) -> None:
        self.scheme = scheme
        self.gradient_size = check_int("gradient_size", gradient_size, 1)
        self.dtype = check_dtype("dtype", dtype)
        self.wire_dtype = kernels.wire_name(wire_dtype, self.dtype)
        self.log: list[RoundRecord] = []
        self.peak_memory = [0] * scheme.n_workers
        self._engine = engine
        self._decoder = scheme.decoder(self.gradient_size, self.dtype, wire_dtype=self.wire_dtype)
        limit = self._decoder.message_type.condition_limit
        self._rounds = Rounds(scheme.n_workers, scheme.survivors(limit))
        self.interrupts = interrupts or Interrupts()
        self._patience = check_number("patience", patience, 0)
        self._recent: deque[float] = deque(maxlen=_RECENT_ROUNDS)
        self._failure: WorkerFailed | None = None
        self._model: npt.NDArray[Any] | None = None
        self._arrived: dict[int, Arrived] = {}
        self._held = [tuple(subset.index for subset in scheme.subsets(w)) for w in range(scheme.n_workers)]

    def gradient(self, params: npt.NDArray[Any], out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """The exact sum of the gradients of all data at `params`.

        Parameters
        ----------
        params : ndarray, shape (gradient_size,)
            Of the cluster's dtype. Copied once, at the start; the caller's array is free on return.
        out : ndarray, shape (gradient_size,), optional
            Where to put the gradient.

        Returns
        -------
        ndarray, shape (gradient_size,)
            `out`, or a new array that is the caller's.

        Raises
        ------
        WorkerFailed
            If the gradient function or the loader raised on a worker. The cluster cannot be used afterwards.
        GradCodeError
            If the sum is not finite though the messages were of 16 bits, of which it may be the fault. The cluster
            stays usable.
        KeyboardInterrupt
            If the run was interrupted. The round is given up; the cluster stays usable.
        """
        self._check_params(params)
        if out is not None:
            self._decoder.check_out(out)
        self._check_failure()
        with self.interrupts.shelter():
            return self._round(params, out)

    def _round(self, params: npt.NDArray[Any], out: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        self._check_interrupts()
        started = time.perf_counter()
        traffic = self._engine.traffic()
        self._decoder.reset()
        self._arrived.clear()
        self._model = self._engine.model(params)
        try:
            self._execute(self._rounds.open())
            could_settle = deadline = math.inf
            while self._rounds.is_open:
                event = self._engine.next(0.0)
                if event is None and not self._decoder.decode_ready_group():
                    event = self._engine.next(max(0.0, min(_ATTENTION_SECONDS, deadline - time.perf_counter())))
                self._handle(event)
                if self._rounds.could_settle:
                    now = time.perf_counter()
                    if math.isinf(deadline):
                        could_settle = now
                        usual = statistics.median(self._recent) if self._recent else now - started
                        deadline = started + self._patience * usual
                    if now >= deadline:
                        self._settle()
        except BaseException:
            self._execute(self._rounds.cancel())
            raise
        decoding = time.perf_counter()
        result: npt.NDArray[Any] = self._decoder.result(out)
        finished = time.perf_counter()
        self._recent.append(min(could_settle, decoding) - started)  # without the wait, or it would grow and grow
        used = self._decoder.used
        spent = self._engine.traffic().since(traffic)
        self.log.append(
            RoundRecord(
                round=self._rounds.round,
                seconds=finished - started,
                decode_seconds=finished - decoding,
                used=used,
                late=tuple(w for w in range(self.scheme.n_workers) if w not in self._arrived),
                compute_seconds=tuple(self._arrived[w].compute_seconds for w in used),
                scalars=self._sum_scalars(),
                bytes_down=spent.bytes_down,
                bytes_up=spent.bytes_up,
                seconds_down=spent.seconds_down,
                seconds_up=spent.seconds_up,
            )
        )
        if self.wire_dtype is not None:
            self._check_finite(result)
        return result

    def _check_finite(self, result: npt.NDArray[Any]) -> None:
        """Refuse a sum that messages of 16 bits have spoilt."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = result.sum()  # what is not finite stays so, and no array of truths is made
        if np.isfinite(total) or (finite := np.isfinite(result)).all():
            return
        why, instead = (
            ("which holds numbers up to 65504", "bfloat16 or float32")
            if self.wire_dtype == "float16"
            else ("whose range is that of float32", "float32")
        )
        raise GradCodeError(
            f"the sum of all gradients must be finite, but {result.size - np.count_nonzero(finite)} of its "
            f"{result.size} elements are not in round {self._rounds.round}, with messages of {self.wire_dtype}, {why}; "
            f"send {instead}, unless a gradient was not finite itself"
        )

    def _settle(self) -> None:
        """Decode what has arrived, though the condition is bad: nothing better has come in time."""
        self._decoder.accept_any_condition()
        logger.warning(
            "round %d: workers %s have not come in time; the survivors' condition is above the limit",
            self._rounds.round,
            ", ".join(str(w) for w in range(self.scheme.n_workers) if w not in self._arrived),
        )
        self._execute(self._rounds.settle())

    def value_and_gradient(
        self, params: npt.NDArray[Any], out: npt.NDArray[Any] | None = None
    ) -> tuple[float, npt.NDArray[Any]]:
        """The sums of the scalar "loss" and of the gradient at `params`; otherwise as `gradient`."""
        gradient = self.gradient(params, out)
        scalars = self.log[-1].scalars
        if "loss" not in scalars:
            raise GradCodeError(
                'value_and_gradient needs a gradient function that returns (gradient, {"loss": value}), '
                f"but the scalars reported were {sorted(scalars)}"
            )
        return scalars["loss"], gradient

    def wait_for_workers(self, timeout: float | None = None) -> tuple[int, ...]:
        """Wait until every worker has loaded its data; not needed, but it keeps loading out of the first round.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; without it, for as long as it takes.

        Returns
        -------
        tuple of int
            Workers that have not joined yet: empty unless the time ran out.
        """
        with self.interrupts.shelter():
            return self._wait_for_workers(timeout)

    def _wait_for_workers(self, timeout: float | None) -> tuple[int, ...]:
        self._check_failure()
        self._check_interrupts()
        deadline = None if timeout is None else time.perf_counter() + timeout
        while self._rounds.absent and (deadline is None or time.perf_counter() < deadline):
            self._handle(self._engine.next(_ATTENTION_SECONDS))
        return self._rounds.absent

    def _check_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _check_interrupts(self) -> None:
        if self.interrupts.take():
            raise KeyboardInterrupt

    def _handle(self, event: Event | None) -> None:
        match event:
            case Joined(worker):
                self._execute(self._rounds.join(worker))
            case Arrived(worker, round_):
                self.peak_memory[worker] = event.peak_memory
                self._execute(self._rounds.arrive(Arrival(worker, round_)), event)
            case Abandoned(worker, round_):
                self._execute(self._rounds.arrive(Arrival(worker, round_, abandoned=True)))
            case Failed(worker, traceback):
                self._failure = WorkerFailed(worker, traceback)
                raise self._failure
            case None:
                pass
        self._check_interrupts()

    def _execute(self, actions: list[Action], arrived: Arrived | None = None) -> None:
        for action in actions:
            match action:
                case Send(worker, round_):
                    assert self._model is not None
                    self._engine.send(worker, round_, self._model)
                case Count(worker):
                    assert arrived is not None
                    self._arrived[worker] = arrived
                    self._decoder.add(worker, arrived.message)
                case Close(round_, workers):
                    self._engine.close(round_, workers)
                case _:
                    # Discard: nothing of the message was kept. Finish: `gradient` leaves its loop.
                    pass

    def _sum_scalars(self) -> dict[str, float]:
        """Sum over all subsets, each from one of the workers that hold it (replicas report the same).

        What is not known of the data, with a scheme that is not exact, is made up for as in the gradient: by scaling.
        """
        by_subset: dict[int, Mapping[str, float]] = {}
        for worker in sorted(self._arrived):
            arrived = self._arrived[worker]
            for index, scalars in zip(self._held[worker], arrived.scalars, strict=False):
                by_subset.setdefault(index, scalars)
        totals: dict[str, float] = {}
        for index in sorted(by_subset):
            for name, value in by_subset[index].items():
                totals[name] = totals.get(name, 0.0) + value
        scale = self.scheme.scale_up(len(by_subset))
        return {name: value * scale for name, value in totals.items()}

    def _check_params(self, params: npt.NDArray[Any]) -> None:
        if not isinstance(params, np.ndarray) or params.dtype != self.dtype:
            got = params.dtype if isinstance(params, np.ndarray) else type(params).__name__
            raise TypeError(f"params must be a NumPy array of {self.dtype.name}, got {got}")
        if params.shape != (self.gradient_size,):
            raise ValueError(f"params must have shape ({self.gradient_size},), got {params.shape}")

"""The cluster that the user's `main` gets: it runs rounds and returns exact gradients."""

from __future__ import annotations

import logging
import math
import statistics
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int, check_number
from gradcode.errors import GradCodeError, WorkerFailed
from gradcode.kernels import MessageType, message_type
from gradcode.rounds.engine import Abandoned, Arrived, Engine, Event, Failed, Joined
from gradcode.rounds.interrupts import Interrupts
from gradcode.rounds.machine import Action, Close, Count, Rounds, Send
from gradcode.rounds.records import RoundRecord
from gradcode.schemes import GradientCode

__all__ = ["PATIENCE", "Cluster"]

logger = logging.getLogger("gradcode")

# How long to wait in the engine before asking again whether the user has interrupted the run.
_ATTENTION_SECONDS = 0.05
# Survivors in bad condition are decoded once a round has lasted this many times as long as usual.
PATIENCE = 2.0
_RECENT_ROUNDS = 25
_FLOAT64 = message_type(np.float64)


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
    message_type : MessageType
        The type of messages and, with it, of parameters and gradients.
    interrupts : Interrupts, optional
        Asked between events. After a signal the cluster gives up the round and raises KeyboardInterrupt.
    patience : float
        Survivors with a condition number above ``message_type.condition_limit`` wait for more messages. Once the round
        has lasted `patience` times as long as usual, they are decoded as they are.

    Attributes
    ----------
    log : list of RoundRecord
        Every round so far.
    peak_memory : list of int
        For each worker, the most bytes that its process has held resident, by its last answer; 0 where unknown.
    interrupts : Interrupts
        ``with cluster.interrupts.deferred():`` lets Ctrl-C interrupt `gradient`, but nothing else in the block.
    """

    def __init__(
        self,
        engine: Engine,
        scheme: GradientCode,
        gradient_size: int,
        message_type: MessageType = _FLOAT64,
        interrupts: Interrupts | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.scheme = scheme
        self.gradient_size = check_int("gradient_size", gradient_size, 1)
        self.message_type = message_type
        self.log: list[RoundRecord] = []
        self.peak_memory = [0] * scheme.n_workers
        self.interrupts = interrupts or Interrupts()
        self._engine = engine
        self._patience = check_number("patience", patience, 0)
        # One account of who has answered: the machine keeps it, the decoder reads it.
        survivors = scheme.survivors(message_type.condition_limit)
        self._rounds = Rounds(scheme.n_workers, survivors)
        self._decoder = scheme.decoder(self.gradient_size, self.dtype, wire_dtype=self.wire_dtype, survivors=survivors)
        self._held = [tuple(subset.index for subset in scheme.subsets(w)) for w in range(scheme.n_workers)]
        self._counted: dict[int, Arrived] = {}  # the answers to the open round
        self._recent: deque[float] = deque(maxlen=_RECENT_ROUNDS)
        self._failure: WorkerFailed | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of parameters and gradients, float32 or float64."""
        return self.message_type.gradient

    @property
    def wire_dtype(self) -> str | None:
        """The type of messages of 16 bits, "float16" or "bfloat16"; None where messages have the type of gradients."""
        return self.message_type.wire

    @property
    def usual_seconds(self) -> float:
        """How long a round usually lasts: the median of recent rounds, or infinity before the first one has ended.

        The time for which a round waited for a better condition does not count. Otherwise each such wait would make
        the next one longer.
        """
        return statistics.median(self._recent) if self._recent else math.inf

    def gradient(self, params: npt.NDArray[Any], out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Return the exact sum of the gradients of all data at `params`.

        Parameters
        ----------
        params : ndarray, shape (gradient_size,)
            Of the cluster's dtype. It is copied at the start: the caller may change it after the call.
        out : ndarray, shape (gradient_size,), optional
            Where to put the gradient.

        Returns
        -------
        ndarray, shape (gradient_size,)
            `out`, or a new array that belongs to the caller.

        Raises
        ------
        TypeError, ValueError
            If `params` or `out` has a wrong type or shape; before any work.
        WorkerFailed
            If the gradient function or the loader raised on a worker. The cluster cannot be used afterwards.
        GradCodeError
            If messages have 16 bits and the sum is not finite, perhaps because of that. The cluster stays usable.
        KeyboardInterrupt
            If the run was interrupted. The round is given up, and the cluster stays usable.
        """
        self._check_params(params)
        if out is not None:
            self._decoder.check_out(out)
        self._check_failure()
        with self.interrupts.deferred():
            return self._round(params, out)

    def value_and_gradient(
        self, params: npt.NDArray[Any], out: npt.NDArray[Any] | None = None
    ) -> tuple[float, npt.NDArray[Any]]:
        """Return the sums of the scalar "loss" and of the gradients at `params`; otherwise like `gradient`."""
        gradient = self.gradient(params, out)
        scalars = self.log[-1].scalars
        if "loss" not in scalars:
            raise GradCodeError(
                'value_and_gradient needs a gradient function that returns (gradient, {"loss": value}), '
                f"but the scalars reported were {sorted(scalars)}"
            )
        return scalars["loss"], gradient

    def wait_for_workers(self, timeout: float | None = None) -> tuple[int, ...]:
        """Wait until every worker has loaded its data. This is optional: it keeps loading out of the first round.

        Parameters
        ----------
        timeout : float, optional
            How many seconds to wait at most. Default: as long as it takes.

        Returns
        -------
        tuple of int
            Workers that have not joined yet: empty unless the time ran out.
        """
        with self.interrupts.deferred():
            self._check_failure()
            self._check_interrupts()
            deadline = None if timeout is None else time.perf_counter() + timeout
            while self._rounds.absent and (deadline is None or time.perf_counter() < deadline):
                self._handle(self._engine.next(_ATTENTION_SECONDS))
            return self._rounds.absent

    # -- one round -------------------------------------------------------------------------------------------------

    def _round(self, params: npt.NDArray[Any], out: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        self._check_interrupts()
        started = time.perf_counter()
        traffic = self._engine.traffic()
        self._decoder.forget()
        self._counted.clear()
        self._engine.load(params, self.usual_seconds)
        try:
            self._execute(self._rounds.open())
            decodable_at = self._until_decodable(started)
        except BaseException:
            self._execute(self._rounds.cancel())
            raise
        decoding = time.perf_counter()
        result: npt.NDArray[Any] = self._decoder.result(out)
        finished = time.perf_counter()
        self._recent.append(min(decodable_at, decoding) - started)
        used = self._decoder.used
        spent = self._engine.traffic().since(traffic)
        self.log.append(
            RoundRecord(
                round=self._rounds.round,
                seconds=finished - started,
                decode_seconds=finished - decoding,
                used=used,
                late=self._rounds.late,
                compute_seconds=tuple(self._counted[w].compute_seconds for w in used),
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

    def _until_decodable(self, started: float) -> float:
        """Handle events until the round is closed.

        Return the time at which the sum was first decodable with a condition above the limit; infinity if it never was.
        """
        decodable_at = deadline = math.inf
        while self._rounds.is_open:
            event = self._engine.next(0.0)
            # While nothing comes in, decode a complete group: that leaves less to do after the last arrival.
            if event is None and not self._decoder.decode_ready_group():
                event = self._engine.next(max(0.0, min(_ATTENTION_SECONDS, deadline - time.perf_counter())))
            self._handle(event)
            if self._rounds.is_decodable:
                now = time.perf_counter()
                if math.isinf(deadline):
                    decodable_at = now
                    deadline = started + self._patience * (self.usual_seconds if self._recent else now - started)
                if now >= deadline:
                    self._accept_any_condition()
        return decodable_at

    def _accept_any_condition(self) -> None:
        """End the round with the messages that have arrived, because it has lasted too long."""
        logger.warning(
            "round %d: workers %s have not answered in time; decoding with a condition number above the limit",
            self._rounds.round,
            ", ".join(map(str, self._rounds.late)),
        )
        self._execute(self._rounds.accept_any_condition())

    def _handle(self, event: Event | None) -> None:
        """Tell the machine what happened, and do what it says."""
        match event:
            case Joined(worker):
                self._execute(self._rounds.join(worker))
            case Arrived(worker, round_):
                self.peak_memory[worker] = event.peak_memory
                self._execute(self._rounds.arrive(worker, round_), event)
            case Abandoned(worker, round_):
                self._execute(self._rounds.abandon(worker, round_))
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
                    self._engine.send(worker, round_)
                case Count(worker):
                    assert arrived is not None
                    self._counted[worker] = arrived
                    self._decoder.keep(worker, arrived.message)
                case Close(round_, workers):
                    self._engine.close(round_, workers)

    def _sum_scalars(self) -> dict[str, float]:
        """Sum the scalars over all subsets. Workers that hold the same subset report the same; only one of them counts.

        With a scheme that is not exact, the sum is scaled up for the missing data, as the gradient is.
        """
        by_subset: dict[int, Mapping[str, float]] = {}
        for worker in sorted(self._counted):
            for index, scalars in zip(self._held[worker], self._counted[worker].scalars, strict=False):
                by_subset.setdefault(index, scalars)
        totals: dict[str, float] = {}
        for index in sorted(by_subset):
            for name, value in by_subset[index].items():
                totals[name] = totals.get(name, 0.0) + value
        scale = self.scheme.scale_up(len(by_subset))
        return {name: value * scale for name, value in totals.items()}

    # -- checks ----------------------------------------------------------------------------------------------------

    def _check_params(self, params: npt.NDArray[Any]) -> None:
        if not isinstance(params, np.ndarray) or params.dtype != self.dtype:
            got = params.dtype if isinstance(params, np.ndarray) else type(params).__name__
            raise TypeError(f"params must be a NumPy array of {self.dtype.name}, got {got}")
        if params.shape != (self.gradient_size,):
            raise ValueError(f"params must have shape ({self.gradient_size},), got {params.shape}")

    def _check_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _check_interrupts(self) -> None:
        if self.interrupts.consume():
            raise KeyboardInterrupt

    def _check_finite(self, result: npt.NDArray[Any]) -> None:
        """Refuse a sum that messages of 16 bits may have spoilt."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = result.sum()  # not finite if an element is not; costs no temporary array
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

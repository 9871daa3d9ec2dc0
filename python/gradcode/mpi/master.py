"""The MPI engine: the master's end of the wire."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from gradcode.errors import GradCodeError
from gradcode.mpi.inbox import Inbox
from gradcode.mpi.polling import Backoff
from gradcode.mpi.stopwatch import Stopwatch
from gradcode.mpi.wire import (
    Header,
    Kind,
    pack_note,
    piece_count,
    piece_span,
    tag_of,
)
from gradcode.rounds import Event, Failed, RunPlan, Traffic

__all__ = ["MasterEngine"]

logger = logging.getLogger("gradcode")


class _Model:
    """A buffer of the model pool. All sends of one round share it."""

    def __init__(self, size: int, dtype: np.dtype[Any]) -> None:
        self.array: npt.NDArray[Any] = np.empty(size, dtype)
        self.pending = 0  # sends that MPI has not completed


@dataclass(frozen=True)
class _Sending:
    """A send that MPI has not completed."""

    request: MPI.Request
    started: float  # when a payload was posted; minus infinity for a note
    then: Callable[[], None] | None  # called on completion


class MasterEngine:
    """Carries models and messages over MPI (see `gradcode.rounds.Engine`).

    All calls must come from the thread that initialised MPI.

    Parameters
    ----------
    data, control : MPI.Comm
        Communicators of this run alone.
    ranks : list of int
        Rank of each worker.
    plan : RunPlan
        The run.
    """

    def __init__(self, data: MPI.Comm, control: MPI.Comm, ranks: list[int], plan: RunPlan) -> None:
        self._data = data
        self._control = control
        self._ranks = ranks
        self._size, self._dtype = plan.gradient_size, plan.message_type.gradient
        self._inboxes = [
            Inbox(
                data,
                worker,
                rank,
                held=len(plan.scheme.subsets(worker)),
                message=np.empty(plan.message_size, plan.message_type.buffer),
            )
            for worker, rank in enumerate(ranks)
        ]
        self._pool: list[_Model] = []
        self._model: _Model | None = None  # of the round
        self._sends: list[_Sending] = []
        self._receiving: set[int] = set()  # workers to which a model is being sent
        self._events: deque[Event] = deque()
        self._traffic = Traffic()
        self._down, self._up = Stopwatch(), Stopwatch()
        self._answers_due = math.inf  # after this time, answers to the open round may come any moment
        self._backoff = Backoff()
        self._thread = threading.get_ident()
        self._stopped = False

    # -- the engine ------------------------------------------------------------------------------------------------

    def traffic(self) -> Traffic:
        """Return what has crossed the wire so far."""
        t = self._traffic
        return Traffic(t.bytes_down, t.bytes_up, self._down.read(), self._up.read())

    def load(self, params: npt.NDArray[Any], usual_seconds: float) -> None:
        """Copy `params` into a free buffer of the pool, after handling all that has arrived since the last round."""
        self._check_usable()
        while self._progress():
            pass
        if self._model is None or self._model.pending:
            self._model = next((m for m in self._pool if not m.pending), None)
        if self._model is None:
            # Each worker has at most one send outstanding, so the pool stops growing at workers + 1.
            self._model = _Model(self._size, self._dtype)
            self._pool.append(self._model)
            logger.debug("the model pool has %d buffers of %d bytes", len(self._pool), self._model.array.nbytes)
        np.copyto(self._model.array, params)
        self._answers_due = time.perf_counter() + 0.5 * usual_seconds

    def send(self, worker: int, round: int) -> None:
        """Start sending the loaded model to an idle worker."""
        inbox = self._inboxes[worker]
        assert self._model is not None, "no model has been loaded"
        assert inbox.expected is None, f"worker {worker} holds the model of round {inbox.expected}"
        inbox.expected = round
        self._send_piece(worker, round, self._model, 0)

    def close(self, round: int, workers: Iterable[int]) -> None:
        """Tell `workers` that `round` is over."""
        self._answers_due = math.inf
        note = pack_note(Header(Kind.CLOSE, round))
        for worker in workers:
            self._post(self._control, note, self._ranks[worker], tag_of(round))
        self._progress()

    def next(self, timeout: float) -> Event | None:
        """Return the next event; wait for it at most `timeout` seconds."""
        self._check_usable()
        deadline = time.perf_counter() + timeout
        while not self._events:
            moved = self._progress()
            now = time.perf_counter()
            if self._events:
                break
            if now >= deadline:
                return None
            if not moved:
                due = now >= self._answers_due
                self._backoff.wait(transfer_started=self._youngest_transfer(), due=due, at_most=deadline - now)
        return self._events.popleft()

    def stop(self, timeout: float, interrupted: Callable[[], bool]) -> list[int]:
        """Tell all workers to leave, and wait until they have answered.

        Results under way are received and dropped; nothing is cancelled. The engine cannot be used afterwards. If
        workers are missing, it must be kept for as long as MPI runs, since they may still write into its buffers.

        Parameters
        ----------
        timeout : float
            How many seconds to wait at most.
        interrupted : callable
            Ends the wait when it returns True.

        Returns
        -------
        list of int
            Workers that have not answered.
        """
        self._stopped = True
        for worker, rank in enumerate(self._ranks):
            if worker not in self._receiving:
                self._post_stop(worker)
            self._post(self._control, pack_note(Header(Kind.STOP)), rank, tag_of(0))
        deadline = time.perf_counter() + timeout
        while time.perf_counter() < deadline and not interrupted():
            if not self._progress():
                if all(inbox.gone for inbox in self._inboxes) and not self._sends:
                    break
                self._backoff.wait(transfer_started=self._youngest_transfer())
            while self._events:
                match self._events.popleft():
                    case Failed(worker, traceback):
                        logger.warning("worker %d failed, too late to matter:\n%s", worker, traceback)
        return [inbox.worker for inbox in self._inboxes if not inbox.gone]

    # -- progress --------------------------------------------------------------------------------------------------

    def _progress(self) -> bool:
        """Test all receives and sends once; return whether anything moved."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("the cluster must be used in the thread in which main was called")
        moved = False
        for inbox in self._inboxes:
            changed, event = inbox.poll(self._traffic, self._up)
            moved |= changed
            if event is not None:
                self._events.append(event)
        sends, self._sends = self._sends, []
        for sending in sends:
            if not sending.request.Test():
                self._sends.append(sending)
                continue
            moved = True
            if sending.then is not None:
                sending.then()
        if moved:
            self._backoff.moved()
        return moved

    def _send_piece(self, worker: int, round_: int, model: _Model, piece: int) -> None:
        """Send one piece of a model. The next piece is sent when this one has left, so no send waits behind another."""
        payload = model.array.view(np.uint8)
        part = payload[piece_span(payload.size, piece)]
        pieces = piece_count(payload.size)
        header = Header(Kind.MODEL, round_, piece, pieces, payload.size, part.size, dtype=model.array.dtype)
        rank, tag = self._ranks[worker], tag_of(round_)
        if piece == 0:
            model.pending += 1
            self._receiving.add(worker)
            self._down.enter()

        def left() -> None:
            if piece + 1 < pieces:
                self._send_piece(worker, round_, model, piece + 1)
                return
            model.pending -= 1
            self._receiving.discard(worker)
            self._down.leave()
            if self._stopped:
                self._post_stop(worker)

        self._post(self._data, pack_note(header), rank, tag)
        request = self._data.Isend([part, MPI.BYTE], rank, tag)
        self._sends.append(_Sending(request, time.perf_counter(), left))
        self._traffic.bytes_down += part.size

    def _post_stop(self, worker: int) -> None:
        """Tell a worker that no further model comes. It expects nothing else between two pieces of a model."""
        self._post(self._data, pack_note(Header(Kind.STOP)), self._ranks[worker], tag_of(0))

    def _post(self, comm: MPI.Comm, note: bytes, rank: int, tag: int) -> None:
        self._sends.append(_Sending(comm.Isend([note, MPI.BYTE], rank, tag), -math.inf, None))
        self._traffic.bytes_down += len(note)

    def _youngest_transfer(self) -> float:
        """Return when the youngest payload under way began, in either direction; minus infinity if there is none.

        Notes are short, so they do not count.
        """
        started = [sending.started for sending in self._sends] + [inbox.transfer_started for inbox in self._inboxes]
        return max(started)

    def _check_usable(self) -> None:
        if self._stopped:
            raise GradCodeError("the run is over: its cluster can be used inside main only")

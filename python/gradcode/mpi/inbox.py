"""Receiving what one worker sends, one piece at a time."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from gradcode.errors import ProtocolError
from gradcode.mpi.stopwatch import Stopwatch
from gradcode.mpi.wire import (
    MAX_TRACEBACK_BYTES,
    Header,
    Kind,
    note_capacity,
    piece_span,
    tag_of,
    unpack_note,
)
from gradcode.rounds import Abandoned, Arrived, Event, Failed, Joined, Traffic

__all__ = ["Inbox"]


class Inbox:
    """Receives what one worker sends. One receive is always posted: for a note, or for the payload that it announced.

    A posted receive is never cancelled, and its buffer is never freed: cancelling a rendezvous corrupts the connection.
    The receive for a note takes any tag, so it is posted only when no payload is due.

    Parameters
    ----------
    comm : MPI.Comm
        The communicator for data.
    worker, rank : int
        The worker, and its rank.
    held : int
        How many subsets the worker holds.
    message : ndarray, shape (message_size,)
        Where its messages go.

    Attributes
    ----------
    expected : int or None
        The round whose model the worker holds.
    gone : bool
        Whether the worker has said goodbye.
    transfer_started : float
        When the payload that is being received was announced; minus infinity if there is none.
    """

    def __init__(self, comm: MPI.Comm, worker: int, rank: int, held: int, message: npt.NDArray[Any]) -> None:
        self.worker = worker
        self.message = message
        self.expected: int | None = None
        self.gone = False
        self.transfer_started = -math.inf
        self._comm = comm
        self._rank = rank
        self._held = held
        self._note = np.empty(note_capacity(held), np.uint8)
        self._status = MPI.Status()
        self._piece = 0  # the piece that the next note must announce
        self._header: Header | None = None  # of the payload that is being received
        self._scalars: tuple[dict[str, float], ...] = ()
        self._traceback = np.empty(0, np.uint8)
        self._post_note()

    def poll(self, traffic: Traffic, up: Stopwatch) -> tuple[bool, Event | None]:
        """Test the posted receive; return whether it was complete, and the event that follows, if any."""
        if self.gone or not self._request.Test(self._status):
            return False, None
        traffic.bytes_up += self._status.Get_count(MPI.BYTE)
        if self._header is not None:
            return True, self._payload_complete(self._header, up)
        return True, self._note_complete(up)

    def _note_complete(self, up: Stopwatch) -> Event | None:
        header, scalars = unpack_note(self._note[: self._status.Get_count(MPI.BYTE)], self._held)
        if self._status.Get_tag() != tag_of(header.round):
            raise ProtocolError(f"rank {self._rank}: tag {self._status.Get_tag()} does not fit round {header.round}")
        if header.kind in (Kind.RESULT, Kind.ABANDON) and header.round != self.expected:
            raise ProtocolError(f"rank {self._rank} answered round {header.round}, but holds {self.expected}")
        if header.kind == Kind.RESULT:
            self._check_result(header)
            if header.piece == 0:
                self._scalars = scalars
                up.enter()
            self._post_payload(header, self.message.view(np.uint8)[piece_span(header.length, header.piece)])
            return None
        if self._piece and header.kind != Kind.ABANDON:
            raise ProtocolError(f"rank {self._rank} sent {header.kind.name} in the middle of a result")
        if header.kind == Kind.FAILED:
            if header.length > MAX_TRACEBACK_BYTES or header.pieces != 1:
                raise ProtocolError(f"a traceback must have 1..{MAX_TRACEBACK_BYTES} bytes, got {header.length}")
            self._traceback = np.empty(header.length, np.uint8)
            self._post_payload(header, self._traceback)
            return None
        if header.kind == Kind.BYE:
            self.gone = True
            return None
        self._post_note()
        if header.kind == Kind.JOIN:
            return Joined(self.worker)
        if header.kind == Kind.ABANDON:
            if self._piece:
                self._piece = 0
                up.leave()
            self.expected = None
            return Abandoned(self.worker, header.round)
        raise ProtocolError(f"rank {self._rank} sent {header.kind.name}, which only the master sends")

    def _payload_complete(self, header: Header, up: Stopwatch) -> Event | None:
        if self._status.Get_count(MPI.BYTE) != header.piece_length:
            raise ProtocolError(
                f"rank {self._rank}: piece {header.piece} must have {header.piece_length} bytes, "
                f"got {self._status.Get_count(MPI.BYTE)}"
            )
        self._header = None
        self.transfer_started = -math.inf
        self._post_note()
        if header.kind == Kind.FAILED:
            return Failed(self.worker, self._traceback.tobytes().decode(errors="replace"))
        if header.piece + 1 < header.pieces:
            self._piece = header.piece + 1
            return None
        self._piece = 0
        self.expected = None
        up.leave()
        return Arrived(
            self.worker, header.round, self.message, self._scalars, header.compute_ns * 1e-9, header.peak_memory
        )

    def _check_result(self, header: Header) -> None:
        if header.dtype != self.message.dtype or header.length != self.message.nbytes or header.piece != self._piece:
            raise ProtocolError(
                f"rank {self._rank}: expected piece {self._piece} of {self.message.nbytes} bytes of "
                f"{self.message.dtype}, got piece {header.piece} of {header.length} bytes of {header.dtype}"
            )

    def _post_note(self) -> None:
        self._request = self._comm.Irecv([self._note, MPI.BYTE], self._rank, MPI.ANY_TAG)

    def _post_payload(self, header: Header, buffer: npt.NDArray[np.uint8]) -> None:
        self._header = header
        self.transfer_started = time.perf_counter()
        self._request = self._comm.Irecv([buffer, MPI.BYTE], self._rank, tag_of(header.round))

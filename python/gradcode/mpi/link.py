"""The worker's end of the wire."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from gradcode._memory import peak_memory
from gradcode.errors import ProtocolError
from gradcode.mpi.polling import Backoff
from gradcode.mpi.wire import (
    HEADER_BYTES,
    MASTER,
    MAX_TRACEBACK_BYTES,
    Header,
    Kind,
    pack_note,
    piece_count,
    piece_span,
    tag_of,
    unpack_note,
)
from gradcode.rounds import RunPlan

__all__ = ["Link"]


class Link:
    """Connects a worker to the master over MPI (see `gradcode.rounds.WorkerLink`).

    Parameters
    ----------
    data, control : MPI.Comm
        Communicators of this run alone; rank 0 is the master.
    plan : RunPlan
        The run.
    """

    def __init__(self, data: MPI.Comm, control: MPI.Comm, plan: RunPlan) -> None:
        self._data = data
        self._control = control
        self._params = np.empty(plan.gradient_size, plan.message_type.gradient)
        self._closed: float = -1  # the last round known to be over
        self._note = np.empty(HEADER_BYTES, np.uint8)
        self._control_note = np.empty(HEADER_BYTES, np.uint8)
        self._control_open = True
        self._thread = threading.get_ident()
        self._post_control()

    def join(self) -> None:
        """Tell the master that the data is loaded."""
        self._send_note(Header(Kind.JOIN), 0)

    def receive(self) -> tuple[int, npt.NDArray[Any]] | None:
        """Wait for a model; return its round and the parameters, or None when the master says stop."""
        payload = self._params.view(np.uint8)
        expected_piece = 0
        while True:
            header = self._receive_note(in_message=expected_piece > 0)
            if header.kind == Kind.STOP and expected_piece == 0:
                return None
            self._check_model(header, payload.size, expected_piece)
            part = payload[piece_span(payload.size, header.piece)]
            status = self._complete(self._data.Irecv([part, MPI.BYTE], MASTER, tag_of(header.round)), True)
            if status.Get_count(MPI.BYTE) != part.size:
                raise ProtocolError(f"piece {header.piece} of the model of round {header.round} came short")
            expected_piece += 1
            if expected_piece == header.pieces:
                params = self._params.view()
                params.setflags(write=False)
                return header.round, params

    def wanted(self, round: int) -> bool:
        """Whether `round` is still open, as far as the master has said."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("task.wanted() must be asked in the thread that called the gradient function")
        while self._poll_control():
            pass
        return round > self._closed

    def abandon(self, round: int) -> None:
        """Tell the master that work on `round` has ended without a result."""
        self._send_note(Header(Kind.ABANDON, round), round)

    def send_result(
        self,
        round: int,
        message: npt.NDArray[Any],
        scalars: Sequence[Mapping[str, float]],
        compute_seconds: float,
    ) -> None:
        """Send a result in pieces. Before each piece, ask whether the round is still open; abandon it if not."""
        payload = message.view(np.uint8)
        pieces = piece_count(payload.size)
        for piece in range(pieces):
            if not self.wanted(round):
                self.abandon(round)
                return
            part = payload[piece_span(payload.size, piece)]
            header = Header(
                Kind.RESULT,
                round,
                piece,
                pieces,
                payload.size,
                part.size,
                int(compute_seconds * 1e9),
                message.dtype,
                peak_memory=peak_memory(),
            )
            self._send_note(header, round, scalars if piece == 0 else ())
            self._complete(self._data.Isend([part, MPI.BYTE], MASTER, tag_of(round)), True)

    def send_failure(self, traceback: str) -> None:
        """Tell the master that the user's code raised. Only the end of a long traceback is sent."""
        text = np.frombuffer(traceback.encode(errors="backslashreplace")[-MAX_TRACEBACK_BYTES:] or b"?", np.uint8)
        self._send_note(Header(Kind.FAILED, 0, 0, 1, text.size, text.size), 0)
        self._complete(self._data.Isend([text, MPI.BYTE], MASTER, tag_of(0)), True)

    def leave(self) -> None:
        """Answer the master's stop. Afterwards no send or receive of this worker is pending."""
        backoff = Backoff()
        while self._control_open:
            if not self._poll_control():
                backoff.wait()
        self._send_note(Header(Kind.BYE), 0)

    def _check_model(self, header: Header, size: int, piece: int) -> None:
        dtype = self._params.dtype
        found = header.kind, header.dtype, header.length, header.piece
        if found != (Kind.MODEL, dtype, size, piece):
            raise ProtocolError(
                f"expected piece {piece} of a model of {size} bytes of {dtype}, got piece "
                f"{header.piece} of {header.kind.name} of {header.length} bytes of {header.dtype}"
            )

    def _receive_note(self, in_message: bool) -> Header:
        status = self._complete(self._data.Irecv([self._note, MPI.BYTE], MASTER, MPI.ANY_TAG), in_message)
        header, _ = unpack_note(self._note[: status.Get_count(MPI.BYTE)])
        return header

    def _send_note(self, header: Header, round_: int, scalars: Sequence[Mapping[str, float]] = ()) -> None:
        self._complete(self._data.Isend([pack_note(header, scalars), MPI.BYTE], MASTER, tag_of(round_)), True)

    def _complete(self, request: MPI.Request, transferring: bool) -> MPI.Status:
        """Wait for a request, and handle control notes while waiting."""
        status = MPI.Status()
        backoff = Backoff()
        started = time.perf_counter() if transferring else -math.inf
        while not request.Test(status):
            if not self._poll_control():
                backoff.wait(transfer_started=started)
        return status

    def _post_control(self) -> None:
        self._control_request = self._control.Irecv([self._control_note, MPI.BYTE], MASTER, MPI.ANY_TAG)

    def _poll_control(self) -> bool:
        """Handle a control note; return whether there was one."""
        status = MPI.Status()
        if not self._control_open or not self._control_request.Test(status):
            return False
        header, _ = unpack_note(self._control_note[: status.Get_count(MPI.BYTE)])
        if header.kind == Kind.STOP:
            self._closed = math.inf
            self._control_open = False
        elif header.kind == Kind.CLOSE:
            # There is no order between communicators, so the note of an earlier round may come late.
            self._closed = max(self._closed, header.round)
            self._post_control()
        else:
            raise ProtocolError(f"the control channel carries CLOSE and STOP, got {header.kind.name}")
        return True

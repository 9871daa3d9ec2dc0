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

__all__ = ["Link"]


class Link:
    """Takes models from the master and brings it results.

    Parameters
    ----------
    data, control : MPI.Comm
        Communicators of this run alone; rank 0 is the master.
    """

    def __init__(self, data: MPI.Comm, control: MPI.Comm) -> None:
        self._data = data
        self._control = control
        self._closed: float = -1  # the last round known to be over
        self._note = np.empty(HEADER_BYTES, np.uint8)
        self._control_note = np.empty(HEADER_BYTES, np.uint8)
        self._control_open = True
        self._thread = threading.get_ident()
        self._post_control()

    def wanted(self, round_: int) -> bool:
        """Whether `round_` is still open, as far as the master has said."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("task.wanted() must be asked in the thread that called the gradient function")
        while self._poll_control():
            pass
        return round_ > self._closed

    def join(self) -> None:
        """Tell the master that the data is loaded."""
        self._send_note(Header(Kind.JOIN), 0)

    def receive_model(self, params: npt.NDArray[Any]) -> int | None:
        """Wait for a model and put it into `params`; return its round, or None when the master says stop."""
        payload = params.view(np.uint8)
        expected_piece = 0
        while True:
            header = self._receive_note(in_message=expected_piece > 0)
            if header.kind == Kind.STOP and expected_piece == 0:
                return None
            if (
                header.kind != Kind.MODEL
                or header.dtype != params.dtype
                or header.length != payload.size
                or header.piece != expected_piece
            ):
                raise ProtocolError(
                    f"expected piece {expected_piece} of a model of {payload.size} bytes of {params.dtype}, got piece "
                    f"{header.piece} of {header.kind.name} of {header.length} bytes of {header.dtype}"
                )
            part = payload[piece_span(payload.size, header.piece)]
            status = self._complete(self._data.Irecv([part, MPI.BYTE], MASTER, tag_of(header.round)), True)
            if status.Get_count(MPI.BYTE) != part.size:
                raise ProtocolError(f"piece {header.piece} of the model of round {header.round} came short")
            expected_piece += 1
            if expected_piece == header.pieces:
                return header.round

    def send_result(
        self,
        round_: int,
        message: npt.NDArray[Any],
        scalars: Sequence[Mapping[str, float]],
        compute_ns: int,
    ) -> bool:
        """Send a result, unless or until it is no longer wanted; return whether all of it was sent."""
        payload = message.view(np.uint8)
        pieces = piece_count(payload.size)
        for piece in range(pieces):
            if not self.wanted(round_):
                self.abandon(round_)
                return False
            part = payload[piece_span(payload.size, piece)]
            header = Header(
                Kind.RESULT,
                round_,
                piece,
                pieces,
                payload.size,
                part.size,
                compute_ns,
                message.dtype,
                peak_memory=peak_memory(),
            )
            self._send_note(header, round_, scalars if piece == 0 else ())
            self._complete(self._data.Isend([part, MPI.BYTE], MASTER, tag_of(round_)), True)
        return True

    def abandon(self, round_: int) -> None:
        """Tell the master that work on `round_` has ended without a result."""
        self._send_note(Header(Kind.ABANDON, round_), round_)

    def send_failure(self, traceback: str) -> None:
        """Tell the master that the user's code raised; keeps the end of a long traceback."""
        text = np.frombuffer(traceback.encode(errors="backslashreplace")[-MAX_TRACEBACK_BYTES:] or b"?", np.uint8)
        self._send_note(Header(Kind.FAILED, 0, 0, 1, text.size, text.size), 0)
        self._complete(self._data.Isend([text, MPI.BYTE], MASTER, tag_of(0)), True)

    def leave(self) -> None:
        """Answer the master's stop; afterwards nothing is posted or under way."""
        backoff = Backoff()
        while self._control_open:
            if not self._poll_control():
                backoff.wait()
        self._send_note(Header(Kind.BYE), 0)

    def _receive_note(self, in_message: bool) -> Header:
        status = self._complete(self._data.Irecv([self._note, MPI.BYTE], MASTER, MPI.ANY_TAG), in_message)
        header, _ = unpack_note(self._note[: status.Get_count(MPI.BYTE)])
        return header

    def _send_note(self, header: Header, round_: int, scalars: Sequence[Mapping[str, float]] = ()) -> None:
        self._complete(self._data.Isend([pack_note(header, scalars), MPI.BYTE], MASTER, tag_of(round_)), True)

    def _complete(self, request: MPI.Request, transferring: bool) -> MPI.Status:
        """Wait for a request, taking in control notes meanwhile."""
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
        """Take in a control note, if one has come."""
        status = MPI.Status()
        if not self._control_open or not self._control_request.Test(status):
            return False
        header, _ = unpack_note(self._control_note[: status.Get_count(MPI.BYTE)])
        if header.kind == Kind.STOP:
            self._closed = math.inf
            self._control_open = False
        elif header.kind == Kind.CLOSE:
            # Notes of earlier rounds may come late; there is no order between communicators.
            self._closed = max(self._closed, header.round)
            self._post_control()
        else:
            raise ProtocolError(f"the control channel carries CLOSE and STOP, got {header.kind.name}")
        return True

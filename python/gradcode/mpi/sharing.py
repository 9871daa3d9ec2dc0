"""Sending the result of a run from the master to all workers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from gradcode.errors import GradCodeError, ProtocolError
from gradcode.mpi.polling import Backoff
from gradcode.mpi.wire import MASTER
from gradcode.rounds import RunPlan

__all__ = ["Sharing"]

_MAX_TEXT_BYTES = 2**20

# Sends that ranks which hang have not taken. MPI may still read their buffers, so they are never freed.
_unfinished: list[tuple[MPI.Request, npt.NDArray[Any]]] = []


class Sharing:
    """Sends the master's result to the workers, without waiting for one that hangs.

    A result is an array like the parameters, or the pair of it and a mapping of JSON values. Each worker gets three
    messages: a note of three integers (whether there is a result, bytes of the text, bytes of the array); the text,
    which is the mapping as JSON, or what went wrong; and the array. Without a result there is no array.

    The sends are synchronous: each is complete once its receiver has begun to take it. So the master knows which
    workers have the result. A broadcast would pass through workers that may hang.

    Parameters
    ----------
    comm : MPI.Comm
        A communicator for the result alone. It is freed once everybody has the result.
    plan : RunPlan
        The run.
    """

    def __init__(self, comm: MPI.Comm, plan: RunPlan) -> None:
        self._comm = comm
        self._size, self._dtype = plan.gradient_size, plan.message_type.gradient
        self._pending: list[tuple[MPI.Request, npt.NDArray[Any]]] = []
        self._sent_at = 0.0

    def send(self, result: Any) -> Any:
        """Start sending the result, at the master and before its goodbye.

        Parameters
        ----------
        result : ndarray, shape (gradient_size,); or tuple of ndarray and mapping
            What `main` returned. It is copied.

        Returns
        -------
        object
            The result in the form in which the workers get it.

        Raises
        ------
        TypeError, ValueError
            If the result cannot be shared; the message names the rule and the result. Nothing has been sent then.
        """
        array, facts = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        rule = (
            f"with share_result, main must return a {self._dtype.name} array of shape ({self._size},), "
            "or the pair of it and a mapping of JSON values"
        )
        if not isinstance(array, np.ndarray) or not (facts is None or isinstance(facts, Mapping)):
            got = type(result).__name__ if facts is None else f"({type(array).__name__}, {type(facts).__name__})"
            raise TypeError(f"{rule}, got {got}")
        if array.dtype != self._dtype or array.shape != (self._size,):
            raise ValueError(f"{rule}, got {array.dtype} of shape {array.shape}")
        try:
            text = json.dumps(None if facts is None else dict(facts)).encode()
        except (TypeError, ValueError) as error:
            raise TypeError(f"{rule}, got a mapping that is not JSON: {error}") from error
        if len(text) > _MAX_TEXT_BYTES:
            raise ValueError(f"{rule} of at most {_MAX_TEXT_BYTES} bytes, got {len(text)} bytes")
        sent = array.copy()  # MPI may still read it when the caller changes the array
        self._send([1, len(text), sent.nbytes], np.frombuffer(text, np.uint8), sent)
        return _result(array, text)

    def send_error(self, error: BaseException) -> None:
        """Start telling the workers why there is no result, at the master and before its goodbye."""
        text = f"{type(error).__name__}: {error}".encode(errors="backslashreplace")[:_MAX_TEXT_BYTES]
        self._send([0, len(text), 0], np.frombuffer(text, np.uint8))

    def finish(self, timeout: float, interrupted: Callable[[], bool]) -> None:
        """Wait until all workers have taken everything, at the master and after its goodbye.

        Parameters
        ----------
        timeout : float
            Seconds after the send at which the wait ends.
        interrupted : callable
            Ends the wait when it returns True.
        """
        backoff = Backoff()
        while True:
            self._pending = [(request, buffer) for request, buffer in self._pending if not request.Test()]
            if not self._pending:
                self._comm.Free()
                return
            if time.perf_counter() - self._sent_at >= timeout or interrupted():
                _unfinished.extend(self._pending)
                return
            backoff.wait()

    def receive(self) -> tuple[Any, GradCodeError | None]:
        """Wait for the result, or for the error that says why there is none; on a worker, after its goodbye."""
        note = self._receive(np.empty(3, np.int64), 0)
        success, text_bytes, array_bytes = note.tolist()
        expected = self._size * self._dtype.itemsize if success else 0
        if not 0 <= text_bytes <= _MAX_TEXT_BYTES or array_bytes != expected:
            raise ProtocolError(
                f"a result must have a text of 0..{_MAX_TEXT_BYTES} bytes and an array of {expected} bytes, "
                f"got {text_bytes} and {array_bytes}"
            )
        text = self._receive(np.empty(text_bytes, np.uint8), 1).tobytes()
        array = self._receive(np.empty(self._size, self._dtype), 2) if success else None
        self._comm.Free()
        if array is None:
            return None, GradCodeError(f"rank {MASTER} cannot go on: {text.decode(errors='replace')}")
        return _result(array, text), None

    def _send(self, note: list[int], *payloads: npt.NDArray[Any]) -> None:
        self._sent_at = time.perf_counter()
        for rank in range(self._comm.size):
            if rank != MASTER:
                for tag, buffer in enumerate((np.array(note, np.int64), *payloads)):
                    self._pending.append((self._comm.Issend(buffer, rank, tag), buffer))

    def _receive(self, buffer: npt.NDArray[Any], tag: int) -> npt.NDArray[Any]:
        request = self._comm.Irecv(buffer, MASTER, tag)
        backoff = Backoff()
        while not request.Test():
            backoff.wait()
        return buffer


def _result(array: npt.NDArray[Any], text: bytes) -> Any:
    facts = json.loads(text)
    return array if facts is None else (array, facts)

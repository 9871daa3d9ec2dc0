"""How every rank of an MPI job comes to have what the master has found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gradcode.errors import GradCodeError, ProtocolError
from gradcode.learn.problem import Problem, Solution
from gradcode.mpi.polling import Backoff

if TYPE_CHECKING:
    from typing import Any

    from mpi4py import MPI

__all__ = ["Sharing"]

_MAX_TEXT_BYTES = 2**16

# What ranks that hang have not taken from the master: MPI may still read it, so it is never freed.
_unfinished: list[tuple[MPI.Request, npt.NDArray[Any]]] = []


class Sharing:
    """Brings what the master has found to the workers, without waiting for one that hangs.

    Each rank gets a note of three integers (whether there is a solution, its iterations, bytes that follow) and then
    the parameters, or the text of what went wrong. The sends are synchronous, complete when their receiver has begun:
    by that the master knows who has come back. A broadcast would go through workers that may hang.

    Attributes
    ----------
    awaited : bool
        Whether the workers will ask for a solution: the ranks have agreed to run.
    """

    def __init__(self, comm: MPI.Comm, problem: Problem) -> None:
        self.awaited = False
        self._comm = comm.Dup()
        self._size, self._dtype = problem.gradient_size, problem.X.dtype
        self._pending: list[tuple[MPI.Request, npt.NDArray[Any]]] = []
        self._sent_at: float | None = None

    def send(self, solution: Solution) -> None:
        """At the master, before it says goodbye: start telling the workers."""
        self._send(1, solution.iterations, solution.w)

    def fail(self, error: BaseException) -> None:
        """On every rank where the run has raised `error`: see to it that no worker waits for a solution."""
        # An interrupt comes once the ranks have agreed, at the earliest, and maybe before `main` has noted that.
        if not (self.awaited or isinstance(error, KeyboardInterrupt)):
            self._comm.Free()  # they have not agreed, which is so on every rank
            return
        if self._sent_at is None:
            text = f"{type(error).__name__}: {error}".encode(errors="backslashreplace")[:_MAX_TEXT_BYTES]
            self._send(0, 0, np.frombuffer(text, np.uint8))
        _unfinished.extend(self._pending)

    def _send(self, success: int, iterations: int, payload: npt.NDArray[Any]) -> None:
        self._sent_at = time.perf_counter()
        note = np.array([success, iterations, payload.nbytes], np.int64)
        for rank in range(1, self._comm.size):
            for tag, buffer in enumerate((note, payload)):
                self._pending.append((self._comm.Issend(buffer, rank, tag), buffer))

    def finish(self, timeout: float) -> None:
        """At the master: wait until all workers have it, at most `timeout` seconds from `send`."""
        assert self._sent_at is not None
        backoff = Backoff()
        while True:
            self._pending = [(request, buffer) for request, buffer in self._pending if not request.Test()]
            if not self._pending:
                self._comm.Free()
                return
            if time.perf_counter() - self._sent_at >= timeout:
                _unfinished.extend(self._pending)
                return
            backoff.wait()

    def receive(self) -> Solution:
        """On a worker: what the master has found.

        Raises
        ------
        GradCodeError
            If it has found nothing.
        """
        note = np.empty(3, np.int64)
        self._receive(note, 0)
        success, iterations, size = note.tolist()
        if not success:
            if not 0 <= size <= _MAX_TEXT_BYTES:
                raise ProtocolError(f"the master's text must have 0..{_MAX_TEXT_BYTES} bytes, got {size}")
            text = np.empty(size, np.uint8)
            self._receive(text, 1)
            self._comm.Free()
            raise GradCodeError(f"rank 0 cannot go on: {text.tobytes().decode(errors='replace')}")
        w: npt.NDArray[Any] = np.empty(self._size, self._dtype)
        if size != w.nbytes:
            raise ProtocolError(f"the parameters must have {w.nbytes} bytes, got {size}")
        self._receive(w, 1)
        self._comm.Free()
        return Solution(w, iterations, [])

    def _receive(self, buffer: npt.NDArray[Any], tag: int) -> None:
        request = self._comm.Irecv(buffer, 0, tag)
        backoff = Backoff()
        while not request.Test():
            backoff.wait()

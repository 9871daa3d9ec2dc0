"""The sum of one round, system by system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode.errors import CorruptedMessage
from gradcode.kernels.arrays import new
from gradcode.kernels.messages import MessageType
from gradcode.schemes.inspection import Inspection
from gradcode.schemes.survivors import Survivors

__all__ = ["Summation"]


class Summation:
    """Decodes each system once and adds it to one buffer.

    Parameters
    ----------
    survivors : Survivors
        The account of who has answered.
    messages : mapping of int to ndarray
        Their messages, by worker.
    size : int
        Number of elements of the sum.
    kind : MessageType
        The element type of the messages.
    inspection : Inspection, optional
        Looks for corrupted messages before a system is decoded.

    Attributes
    ----------
    decoded : dict of int to tuple of int
        The systems in the sum, with the workers whose messages were used.
    """

    def __init__(
        self,
        survivors: Survivors,
        messages: Mapping[int, npt.NDArray[Any]],
        size: int,
        kind: MessageType,
        inspection: Inspection | None,
    ) -> None:
        self.decoded: dict[int, tuple[int, ...]] = {}
        self._survivors = survivors
        self._messages = messages
        self._size = size
        self._kind = kind
        self._inspection = inspection
        self._next = 0  # where to look for the next system that is ready
        self._buffer: npt.NDArray[Any] | None = None
        self._result: npt.NDArray[Any] | None = None

    def reset(self) -> None:
        """Start again, for the next round."""
        self.decoded.clear()
        if self._inspection is not None:
            self._inspection.reset()
        self._next = 0
        self._result = None

    @property
    def finished(self) -> bool:
        """Whether `take` has returned the sum, so that no further message can be added."""
        return self._result is not None

    @property
    def corrupted(self) -> Mapping[int, int]:
        """By system, the worker whose message contradicts the others and was left out."""
        return {} if self._inspection is None else self._inspection.corrupted

    @property
    def unchecked(self) -> Mapping[int, tuple[int, ...]]:
        """By system, the workers whose messages could not be compared with others."""
        return {} if self._inspection is None else self._inspection.unchecked

    def add_ready_system(self, like: Any) -> bool:
        """Add one system that is ready; return whether there was one.

        With an inspection, a system is ready only if all its workers have answered. `like` is an array of the library
        of the result.
        """
        ready = self._next_system(complete=self._inspection is not None)
        if ready is None or self.finished:
            return False
        if self._buffer is None:
            self._buffer = new(self._size, self._kind.gradient, like)
        try:
            self._add(ready, self._buffer)
        except CorruptedMessage:
            return False  # `take` raises it again
        return True

    def take(self, target: npt.NDArray[Any] | None, like: Any) -> npt.NDArray[Any]:
        """Return the sum of all systems, which must be ready, in `target` or in a buffer that the caller may keep."""
        if self._result is None:
            total = self._buffer
            if total is None:
                total = new(self._size, self._kind.gradient, like) if target is None else target
            before = dict(self.decoded)
            try:
                while (system := self._next_system()) is not None:
                    self._add(system, total)
            except BaseException:
                if total is not self._buffer:
                    self.decoded = before  # what went into this buffer is not kept
                raise
            self._result = total
        if target is None:
            if self._result is self._buffer:
                self._buffer = None  # the caller's now
            return self._result
        if target is not self._result:
            np.copyto(target, self._result)
        return target

    def combine(
        self, weights: npt.NDArray[np.float64], workers: Sequence[int], out: npt.NDArray[Any], *, accumulate: bool
    ) -> None:
        """Decode the messages of some workers into `out`."""
        messages = [self._messages[worker] for worker in workers]
        kernels.decode(weights, messages, self._size, out, accumulate=accumulate, wire_dtype=self._kind.wire)

    def _next_system(self, complete: bool = False) -> int | None:
        """Return a system that is ready and not in the sum yet; systems take turns being looked at first."""
        systems = self._survivors.systems
        for step in range(len(systems)):
            index = (self._next + step) % len(systems)
            if index in self.decoded or not self._survivors.system_ready(index):
                continue
            if complete and len(self._survivors.system_workers(index)) < len(systems[index].workers):
                continue
            self._next = index
            return index
        return None

    def _add(self, index: int, total: npt.NDArray[Any]) -> None:
        if self._inspection is None:
            workers, weights = self._survivors.system_workers(index), self._survivors.solution(index).weights
        else:
            workers, weights = self._inspection.inspect(index, self._survivors, self._messages)
        self.combine(weights, workers, total, accumulate=bool(self.decoded))
        self.decoded[index] = workers

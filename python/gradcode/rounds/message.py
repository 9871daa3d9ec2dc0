"""The message of a worker, built from one gradient after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode.kernels.coefficients import rounded
from gradcode.rounds.plan import Plan

__all__ = ["Message"]


class Message:
    """The message that a worker builds in every round, in one buffer, by encodes that are prepared once.

    Where messages have 16 bits and several gradients enter, these are added up in float32 and rounded once.

    Parameters
    ----------
    plan : Plan
        The run.
    worker : int
        Whose message this is.
    parts : int
        How many gradients enter: at least one of each subset, more where subsets are computed in chunks.

    Attributes
    ----------
    buffer : ndarray
        The message, of the type that is sent.
    """

    def __init__(self, plan: Plan, worker: int, parts: int) -> None:
        scheme, dtype = plan.scheme, np.dtype(plan.dtype)
        size = scheme.message_size(plan.gradient_size, dtype)
        self.buffer: npt.NDArray[Any] = np.empty(size, plan.message_dtype)
        self._sum, self._rounding = self.buffer, None
        if plan.wire_name is not None and parts > 1:
            self._sum = np.empty(size, dtype)
            self._rounding = kernels.EncodePlan(np.ones((1, 1), dtype), size, size, dtype, self.buffer.dtype)
        coefficients = rounded("coefficients", scheme.coefficients(worker), dtype)
        self._encodes = [
            kernels.EncodePlan(row[np.newaxis], plan.gradient_size, size, dtype, self._sum.dtype)
            for row in coefficients
        ]

    def add(self, position: int, gradient: npt.NDArray[Any], *, accumulate: bool) -> None:
        """Take in the gradient of a subset, or of a chunk of it; the first of a round with `accumulate` False."""
        self._encodes[position].encode(gradient, self._sum, accumulate=accumulate)

    def complete(self) -> None:
        """All gradients of the round are in: have the message in `buffer`."""
        if self._rounding is not None:
            self._rounding.encode(self._sum, self.buffer)

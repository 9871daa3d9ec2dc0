"""The message of a worker, to which one gradient after the other is added."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode.kernels.coefficients import rounded
from gradcode.rounds.plan import RunPlan

__all__ = ["Message"]


class Message:
    """The message that a worker builds in every round. Its buffer and its encode plans are made once.

    If messages have 16 bits and are the sum of several gradients, that sum is taken in float32 and rounded once.

    Parameters
    ----------
    plan : RunPlan
        The run.
    worker : int
        The worker whose message this is.
    parts : int
        How many gradients are added up: one for each chunk of each subset.

    Attributes
    ----------
    buffer : ndarray, shape (plan.message_size,)
        The message, of the type that is sent.
    """

    def __init__(self, plan: RunPlan, worker: int, parts: int) -> None:
        size, dtype = plan.message_size, plan.message_type.gradient
        self.buffer: npt.NDArray[Any] = np.empty(size, plan.message_type.buffer)
        self._sum, self._rounding = self.buffer, None
        if plan.message_type.wire is not None and parts > 1:
            self._sum = np.empty(size, dtype)
            self._rounding = kernels.EncodePlan(np.ones((1, 1), dtype), size, size, dtype, self.buffer.dtype)
        coefficients = rounded("coefficients", plan.scheme.coefficients(worker), dtype)
        self._encodes = [
            kernels.EncodePlan(row[np.newaxis], plan.gradient_size, size, dtype, self._sum.dtype)
            for row in coefficients
        ]

    def add(self, position: int, gradient: npt.NDArray[Any], *, accumulate: bool) -> None:
        """Add the gradient of a subset, or of a chunk of it.

        Parameters
        ----------
        position : int
            Place of the subset among those of the worker.
        gradient : ndarray, shape (gradient_size,)
            Its gradient.
        accumulate : bool
            False for the first gradient of a round, which replaces the message of the round before.
        """
        self._encodes[position].encode(gradient, self._sum, accumulate=accumulate)

    def complete(self) -> None:
        """Finish the message in `buffer`, after the last gradient of the round."""
        if self._rounding is not None:
            self._rounding.encode(self._sum, self.buffer)

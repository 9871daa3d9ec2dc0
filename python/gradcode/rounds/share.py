"""The data that a worker holds, and the message that it computes from it in each round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode.rounds.message import Message
from gradcode.rounds.plan import RunPlan
from gradcode.rounds.task import Task

__all__ = ["MAX_SCALARS", "NAME_BYTES", "Share"]

# The most scalars that a gradient function may report for a subset, and the most bytes of their names.
MAX_SCALARS = 16
NAME_BYTES = 24


class Share:
    """The subsets that a worker holds, cut into chunks, with their data and the message built from their gradients.

    Parameters
    ----------
    plan : RunPlan
        The run. Its loader is called here, once for each chunk.
    worker : int
        Which worker this is.

    Attributes
    ----------
    message : ndarray, shape (plan.message_size,)
        The message that the last `compute` built.
    """

    def __init__(self, plan: RunPlan, worker: int) -> None:
        self._plan = plan
        self._worker = worker
        self._dtype = plan.message_type.gradient
        subsets = plan.scheme.subsets(worker)
        self._held = len(subsets)
        self._parts = [
            (position, number, chunk, None if plan.data is None else plan.data(chunk))
            for position, subset in enumerate(subsets)
            for number, chunk in enumerate(subset.split(plan.chunks))
        ]
        self._message = Message(plan, worker, parts=len(self._parts))
        self.message = self._message.buffer

    def compute(
        self, params: npt.NDArray[Any], round_: int, wanted: Callable[[int], bool]
    ) -> tuple[dict[str, float], ...] | None:
        """Build `message` from the gradients of all chunks.

        Parameters
        ----------
        params : ndarray, shape (gradient_size,)
            The parameters.
        round_ : int
            The round.
        wanted : callable
            ``wanted(round_)`` says whether the round is still open; asked before each chunk.

        Returns
        -------
        tuple of dict or None
            The scalars of each subset; None if the round ended before the message was complete.

        Raises
        ------
        TypeError, ValueError
            If the gradient function does not return an array of the right type and shape, or returns scalars that
            cannot be sent. Exceptions of the gradient function itself are not caught.
        """
        scalars: tuple[dict[str, float], ...] = tuple({} for _ in range(self._held))
        for place, (position, number, subset, data) in enumerate(self._parts):
            if not wanted(round_):
                return None
            task = Task(data, subset, number, self._worker, round_, self._plan.seed, wanted)
            outcome = self._plan.gradient(params, task)
            if outcome is None:
                if task.wanted():
                    raise TypeError("gradient returned None though task.wanted() is True; it must return an array")
                return None
            vector, reported = outcome if isinstance(outcome, tuple) else (outcome, {})
            self._check_vector(vector)
            for name, value in reported.items():
                _check_scalar(name, value)
                scalars[position][name] = scalars[position].get(name, 0.0) + float(value)
            if len(scalars[position]) > MAX_SCALARS:
                raise ValueError(f"gradient may report at most {MAX_SCALARS} scalars, got {sorted(scalars[position])}")
            self._message.add(position, vector, accumulate=place > 0)
        self._message.complete()
        return scalars

    def _check_vector(self, vector: Any) -> None:
        rule = f"gradient must return a contiguous {self._dtype.name} array of shape ({self._plan.gradient_size},)"
        if not isinstance(vector, np.ndarray):
            raise TypeError(f"{rule}, got {type(vector).__name__}")
        if vector.dtype != self._dtype:
            raise TypeError(f"{rule}, got dtype {vector.dtype}")
        if vector.shape != (self._plan.gradient_size,) or not vector.flags.c_contiguous:
            raise ValueError(f"{rule}, got shape {vector.shape} with strides {vector.strides}")


def _check_scalar(name: Any, value: Any) -> None:
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= NAME_BYTES or "\0" in name:
        raise ValueError(f"a scalar's name must be a string of 1..{NAME_BYTES} bytes without NUL, got {name!r}")
    if not np.isscalar(value) or isinstance(value, (str, bytes)):
        raise TypeError(f"scalar {name!r} must be a number, got {value!r}")

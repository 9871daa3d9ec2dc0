"""Leaving corrupted messages out of the sum of one round."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gradcode.errors import CorruptedMessage, PrecisionWarning
from gradcode.kernels.messages import MessageType
from gradcode.schemes.corruption import examine
from gradcode.schemes.layout import Layout
from gradcode.schemes.survivors import Survivors

__all__ = ["Inspection"]

logger = logging.getLogger("gradcode")


class Inspection:
    """Compares the messages of each system before it is decoded, and leaves out one that contradicts the others.

    Parameters
    ----------
    scheme : Layout
        The scheme that encoded the messages.
    kind : MessageType
        The element type of the messages.
    replica_error : float
        How far, relatively, gradients that should be the same may differ between workers.

    Attributes
    ----------
    corrupted : dict of int to int
        By system, the worker whose message was left out.
    unchecked : dict of int to tuple of int
        By system, the workers whose messages could not be compared with others.
    """

    def __init__(self, scheme: Layout, kind: MessageType, replica_error: float) -> None:
        self.corrupted: dict[int, int] = {}
        self.unchecked: dict[int, tuple[int, ...]] = {}
        self._scheme = scheme
        self._kind = kind
        self._replica_error = replica_error

    def warn_of_nothing_to_compare(self) -> None:
        """Warn if no message can ever be checked; called by constructors of decoders."""
        if all(system.surplus <= 0 for system in self._scheme.systems):
            warnings.warn(
                f"check='projection' has nothing to compare in {self._scheme!r}: every message is needed for decoding",
                PrecisionWarning,
                stacklevel=4,
            )

    def reset(self) -> None:
        """Forget what was found, for the next round."""
        self.corrupted.clear()
        self.unchecked.clear()

    def inspect(
        self, index: int, survivors: Survivors, messages: Mapping[int, npt.NDArray[np.generic]]
    ) -> tuple[tuple[int, ...], npt.NDArray[np.float64]]:
        """Compare the messages of system `index`; return the workers to decode from, and their weights.

        Raises
        ------
        CorruptedMessage
            If messages contradict each other and it is not known which one is wrong.
        """
        system, workers = self._scheme.systems[index], survivors.system_workers(index)
        columns = [system.workers.index(worker) for worker in workers]
        terms = max(self._scheme.coefficients(worker).size for worker in workers)
        held = [messages[worker] for worker in workers]
        finding = examine(system, columns, held, terms, self._replica_error, self._kind)
        self.unchecked[index] = tuple(workers[place] for place in finding.unseen)
        if finding.excess <= 1:
            return workers, survivors.solution(index).weights
        if finding.suspect is None:
            raise CorruptedMessage(workers, finding.excess)
        suspect = workers[finding.suspect]
        others = tuple(worker for worker in workers if worker != suspect)
        solution = survivors.solution_of(index, others)
        if not math.isfinite(solution.condition):
            raise CorruptedMessage(workers, finding.excess)
        logger.warning(
            "the message of worker %d contradicts those of workers %s %.3g times more than rounding allows: left out",
            suspect,
            list(others),
            finding.excess,
        )
        self.corrupted[index] = suspect
        return others, solution.weights

"""The interface of an engine at a worker, and the work of a worker."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy.typing as npt

from gradcode.rounds.plan import RunPlan
from gradcode.rounds.share import Share

__all__ = ["WorkerLink", "serve"]


class WorkerLink(Protocol):
    """Brings models to one worker, and its answers to the master. The counterpart of `Engine`."""

    def join(self) -> None:
        """Tell the master that the data is loaded."""

    def receive(self) -> tuple[int, npt.NDArray[Any]] | None:
        """Wait for a model; return its round and the parameters, or None if no further round comes.

        The parameters are read-only: workers that hold the same data must see the same ones. They are valid until the
        next call.
        """

    def wanted(self, round: int) -> bool:
        """Whether `round` is still open, as far as the worker has been told."""

    def abandon(self, round: int) -> None:
        """Tell the master that work on `round` has ended without a result."""

    def send_result(
        self,
        round: int,
        message: npt.NDArray[Any],
        scalars: Sequence[Mapping[str, float]],
        compute_seconds: float,
    ) -> None:
        """Send the result of `round`, or call `abandon` if the round is over by then.

        The worker overwrites `message` when it computes for the next round.
        """

    def send_failure(self, traceback: str) -> None:
        """Tell the master that the user's code raised."""

    def leave(self) -> None:
        """Tell the master that this worker leaves. No other call follows."""


def serve(link: WorkerLink, plan: RunPlan, worker: int) -> None:
    """Do the work of a worker: load its share, then answer each model, until no further round comes.

    Parameters
    ----------
    link : WorkerLink
        The connection to the master. If the user's code raises, the master gets the traceback.
    plan : RunPlan
        The run.
    worker : int
        Which worker this is.
    """
    share: Share | None = None
    try:
        share = Share(plan, worker)
    except (Exception, SystemExit):
        link.send_failure(traceback.format_exc())
    else:
        link.join()
    while (order := link.receive()) is not None:
        assert share is not None, "a model came to a worker that has not joined"
        round_, params = order
        started = time.perf_counter()
        try:
            scalars = share.compute(params, round_, link.wanted)
        except (Exception, SystemExit):
            link.send_failure(traceback.format_exc())
            continue
        if scalars is None:
            link.abandon(round_)
        else:
            link.send_result(round_, share.message, scalars, time.perf_counter() - started)
    link.leave()

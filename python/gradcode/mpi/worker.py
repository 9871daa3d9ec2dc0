"""The worker: loads its share, computes what it is asked for, sends what is still wanted."""

from __future__ import annotations

import time
import traceback

import numpy as np

from gradcode.mpi.link import Link
from gradcode.rounds import Plan, Share

__all__ = ["serve"]


def serve(link: Link, plan: Plan, worker: int) -> None:
    """Work until the master says stop. What the user's code raises goes to the master, with its traceback."""
    share: Share | None = None
    try:
        share = Share(plan, worker)
    except (Exception, SystemExit):
        link.send_failure(traceback.format_exc())
    else:
        link.join()
    params = np.empty(plan.gradient_size, np.dtype(plan.dtype))
    seen = params.view()
    seen.setflags(write=False)  # replicas must see the same parameters
    while (round_ := link.receive_model(params)) is not None:
        assert share is not None, "a model came though this worker never joined"
        started = time.perf_counter_ns()
        try:
            scalars = share.compute(seen, round_, link.wanted)
        except (Exception, SystemExit):
            link.send_failure(traceback.format_exc())
            continue
        if scalars is None:
            link.abandon(round_)
        else:
            link.send_result(round_, share.message, scalars, time.perf_counter_ns() - started)
    link.leave()

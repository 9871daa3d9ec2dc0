"""Whether a run can start on these ranks, and what all of them must agree on."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gradcode._version import __version__
from gradcode.mpi.wire import MASTER, VERSION
from gradcode.rounds import Plan

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["admit"]

logger = logging.getLogger("gradcode")


def admit(plan: Plan, configuration: Mapping[str, object], comm: MPI.Comm) -> str:
    """Refuse what this rank cannot run; return the configuration that all ranks must have, as JSON."""
    plan.check()
    from mpi4py import MPI

    if not MPI.Is_thread_main():
        raise RuntimeError("gradcode.mpi.run must be called from the thread that initialised MPI")
    ranks = plan.scheme.n_workers + 1
    if comm.size != ranks:
        raise ValueError(
            f"the number of ranks must be n_workers + 1 = {ranks} (the workers and the master), "
            f"got {comm.size} with n_workers={plan.scheme.n_workers}; start it with: mpirun -n {ranks}"
        )
    if comm.rank == MASTER:
        _check_memory(plan)
    return json.dumps(
        {
            **configuration,
            "scheme": repr(plan.scheme),
            "scheme fingerprint": plan.scheme.fingerprint(),
            "gradient_size": int(plan.gradient_size),
            "dtype": np.dtype(plan.dtype).name,
            "wire_dtype": plan.wire_name,
            "chunks": int(plan.chunks),
            "seed": int(plan.seed),
            "gradcode version": __version__,
            "wire version": VERSION,
        },
        sort_keys=True,
    )


def _check_memory(plan: Plan) -> None:
    """Refuse what cannot fit the master's memory."""
    # The model pool (two buffers, and one more for each worker that lags), a message from every worker, the sum.
    scheme, size, dtype = plan.scheme, plan.gradient_size, np.dtype(plan.dtype)
    messages = scheme.n_workers * scheme.message_size(size, dtype) * plan.message_dtype.itemsize
    needed = 3 * size * dtype.itemsize + messages
    logger.info("the master's buffers take %.1f MiB", needed / 2**20)
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > physical:
        raise MemoryError(
            f"the master's buffers must fit in its memory of {physical / 2**30:.1f} GiB, "
            f"but they take {needed / 2**30:.1f} GiB"
        )

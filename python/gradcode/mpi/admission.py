"""Checks whether a run can start on these ranks, and the settings on which all ranks must agree."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gradcode._version import __version__
from gradcode.mpi.wire import MASTER, VERSION
from gradcode.rounds import RunPlan

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["admit", "check_memory"]

logger = logging.getLogger("gradcode")


def admit(plan: RunPlan, configuration: Mapping[str, object], comm: MPI.Comm, share_result: bool) -> str:
    """Refuse what this rank cannot run; return the configuration that all ranks must have, as JSON.

    Parameters
    ----------
    plan : RunPlan
        The run.
    configuration : mapping of str to JSON values
        What the user wants all ranks to agree on.
    comm : MPI.Comm
        The ranks.
    share_result : bool
        Whether every rank gets the result.

    Raises
    ------
    RuntimeError
        If this is not the thread that initialised MPI.
    ValueError
        If the number of ranks does not fit the scheme.
    MemoryError
        At the master, if its buffers cannot fit.
    """
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
        check_memory(plan)
    return json.dumps(
        {
            **configuration,
            "scheme": repr(plan.scheme),
            "scheme fingerprint": plan.scheme.fingerprint(),
            "gradient_size": int(plan.gradient_size),
            "dtype": plan.message_type.gradient.name,
            "wire_dtype": plan.message_type.wire,
            "chunks": int(plan.chunks),
            "seed": int(plan.seed),
            "share_result": share_result,
            "gradcode version": __version__,
            "wire version": VERSION,
        },
        sort_keys=True,
    )


def check_memory(plan: RunPlan) -> None:
    """Refuse a run whose buffers cannot fit the master's memory; log how much they take."""
    # The model pool (two buffers, and one more for each worker that lags), the sum, and a message from every worker.
    vectors = 3 * plan.gradient_size * plan.message_type.gradient.itemsize
    messages = plan.scheme.n_workers * plan.message_size * plan.message_type.buffer.itemsize
    needed = vectors + messages
    logger.info("the master's buffers take %.1f MiB", needed / 2**20)
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > physical:
        raise MemoryError(
            f"the master's buffers must fit in its memory of {physical / 2**30:.1f} GiB, "
            f"but they take {needed / 2**30:.1f} GiB"
        )

"""One run over MPI, from agreement to goodbye."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

import gradcode
from gradcode.mpi.agreement import agree, gather_texts
from gradcode.mpi.interrupts import deferred_interrupts, ignored_interrupts
from gradcode.mpi.link import Link
from gradcode.mpi.master import MasterEngine
from gradcode.mpi.placement import place
from gradcode.mpi.task import Gradient, Load
from gradcode.mpi.wire import VERSION
from gradcode.mpi.worker import serve
from gradcode.rounds import Cluster
from gradcode.schemes import GradientCode

__all__ = ["run_session"]

logger = logging.getLogger("gradcode")

_MASTER = 0
Result = TypeVar("Result")


def run_session(
    main: Callable[[Cluster], Result],
    scheme: GradientCode,
    gradient: Gradient,
    gradient_size: int,
    load: Load | None,
    dtype: np.dtype[Any],
    comm: MPI.Comm,
    chunks: int,
    seed: int,
    configuration: Mapping[str, object],
    goodbye_seconds: float,
) -> Result | None:
    """See `gradcode.mpi.run`, which has checked the arguments."""
    if not MPI.Is_thread_main():
        raise RuntimeError("gradcode.mpi.run must be called from the thread that initialised MPI")
    if comm.size != scheme.n_workers + 1:
        raise ValueError(
            f"the number of ranks must be n_workers + 1 = {scheme.n_workers + 1} (the workers and the master), "
            f"got {comm.size} with n_workers={scheme.n_workers}"
        )
    message_size = scheme.message_size(gradient_size, dtype)
    data, control = comm.Dup(), comm.Dup()
    for channel in (data, control):
        channel.Set_errhandler(MPI.ERRORS_RETURN)  # errors become exceptions, here and not in MPI
    agree(
        data,
        {
            **configuration,
            "scheme": repr(scheme),
            "scheme fingerprint": scheme.fingerprint(),
            "gradient_size": gradient_size,
            "dtype": dtype.name,
            "chunks": chunks,
            "seed": seed,
            "gradcode version": gradcode.__version__,
            "wire version": VERSION,
        },
    )
    hosts = gather_texts(data, MPI.Get_processor_name())
    refusals = gather_texts(data, _memory_refusal(scheme, gradient_size, message_size, dtype, comm.rank))
    if any(refusals):
        raise MemoryError(next(text for text in refusals if text))
    ranks = place(scheme, hosts)
    if comm.rank == _MASTER:
        logger.info(
            "%r on %d hosts, %s, gradient of %d %s, messages of %d",
            scheme, len(set(hosts)), MPI.Get_library_version().split(",")[0], gradient_size, dtype, message_size,
        )  # fmt: skip
        held = [len(scheme.subsets(worker)) for worker in range(scheme.n_workers)]
        engine = MasterEngine(data, control, ranks, held, gradient_size, message_size, dtype)
        with deferred_interrupts() as interrupted:
            cluster = Cluster(engine, scheme, gradient_size, dtype, interrupted)
            result, clean = _lead(main, engine, cluster, goodbye_seconds)
        if not clean:
            return result
    else:
        worker = ranks.index(comm.rank)
        with ignored_interrupts():
            try:
                serve(Link(data, control), scheme, worker, gradient, load, gradient_size, dtype, chunks, seed)
            except BaseException:
                # Not the user's code: the connection to the master is broken, and the others would wait for ever.
                _abort(comm, f"worker {worker} (rank {comm.rank})")
        result = None
    data.Free()
    control.Free()
    return result


def _lead(
    main: Callable[[Cluster], Result], engine: MasterEngine, cluster: Cluster, goodbye_seconds: float
) -> tuple[Result, bool]:
    """Run `main` on the master and see the workers off whatever happens in it; return whether all have left."""
    try:
        result = main(cluster)
    except BaseException:
        if _stop(engine, goodbye_seconds):
            _abort(MPI.COMM_WORLD, "the master")
        raise
    return result, not _stop(engine, goodbye_seconds)


def _stop(engine: MasterEngine, seconds: float) -> list[int]:
    missing = engine.stop(seconds)
    if missing:
        logger.warning(
            "workers %s have not answered the goodbye in %g s; leaving MPI may have to wait for them", missing, seconds
        )
    return missing


def _abort(comm: MPI.Comm, who: str) -> None:
    sys.stderr.write(f"gradcode: {who} cannot go on, ending all ranks\n{traceback.format_exc()}")
    sys.stderr.flush()
    comm.Abort(1)


def _memory_refusal(scheme: GradientCode, size: int, message_size: int, dtype: np.dtype[Any], rank: int) -> str:
    """Why the master's buffers cannot fit its memory; empty if they can, and on the workers."""
    if rank != _MASTER or "SC_PHYS_PAGES" not in os.sysconf_names:
        return ""
    # The model pool (two buffers unless workers lag), a message from every worker, the sum.
    needed = (2 * size + scheme.n_workers * message_size + size) * dtype.itemsize
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    logger.info("the master's buffers take %.1f MiB", needed / 2**20)
    if needed <= physical:
        return ""
    return f"the master's buffers must fit in its memory of {physical} bytes, but they take {needed} bytes"

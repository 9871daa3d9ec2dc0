"""One run over MPI, from agreement to goodbye."""

from __future__ import annotations

import atexit
import logging
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import numpy as np
from mpi4py import MPI

from gradcode.errors import ProtocolError
from gradcode.mpi.admission import admit
from gradcode.mpi.agreement import agree, gather_texts, together
from gradcode.mpi.link import Link
from gradcode.mpi.master import MasterEngine
from gradcode.mpi.placement import place
from gradcode.mpi.wire import MASTER
from gradcode.mpi.worker import serve
from gradcode.rounds import Cluster, Interrupts, Plan
from gradcode.rounds.interrupts import ignored_signals

__all__ = ["run_session"]

logger = logging.getLogger("gradcode")

# Engines that workers have not taken leave of: MPI may still write into their buffers, so they are never freed.
_unfinished: list[MasterEngine] = []
# On the master, of runs that ended so: the communicator given, and the workers that have not answered the goodbye.
_missing: list[tuple[MPI.Comm, list[int]]] = []


def run_session(plan: Plan, configuration: Mapping[str, object], comm: MPI.Comm) -> Any:
    """See `gradcode.mpi.run`."""
    interrupts = Interrupts()
    with interrupts.handling() if comm.rank == MASTER else ignored_signals():
        agree(comm, together(comm, lambda: admit(plan, configuration, comm)))
        # All ranks are here, so whoever was late has come back.
        _missing[:] = [(other, workers) for other, workers in _missing if other != comm]
        data, control = comm.Dup(), comm.Dup()
        for channel in (data, control):
            channel.Set_errhandler(MPI.ERRORS_RETURN)  # errors become exceptions, here and not in MPI
        clean = False
        try:
            ranks = place(plan.scheme, gather_texts(data, MPI.Get_processor_name()))
            if comm.rank == MASTER:
                result, error, missing = _lead(plan, data, control, ranks, interrupts)
                clean = not missing
                if missing:
                    _missing.append((comm, missing))
            else:
                serve(Link(data, control), plan, ranks.index(comm.rank))
                result, error, clean = None, None, True
        except BaseException:
            # Not the user's code: MPI or the protocol failed, and the other ranks would wait for ever.
            sys.stderr.write(f"gradcode: rank {comm.rank} cannot go on, ending all ranks\n{traceback.format_exc()}")
            sys.stderr.flush()
            comm.Abort(1)
        finally:
            if clean:
                data.Free()
                control.Free()
        if error is not None:
            raise error
        return result


def _lead(
    plan: Plan, data: MPI.Comm, control: MPI.Comm, ranks: list[int], interrupts: Interrupts
) -> tuple[Any, BaseException | None, list[int]]:
    """Run `main` on the master and see the workers off: what it returned, what it raised, who has not left."""
    scheme, size, dtype = plan.scheme, plan.gradient_size, np.dtype(plan.dtype)
    message_size = scheme.message_size(size, dtype)
    wire = plan.wire_name or dtype.name
    logger.info("%r: gradients of %d %s, messages of %d %s", scheme, size, dtype, message_size, wire)
    held = [len(scheme.subsets(worker)) for worker in range(scheme.n_workers)]
    engine = MasterEngine(data, control, ranks, held, size, message_size, dtype, plan.message_dtype)
    cluster = Cluster(engine, scheme, size, dtype, interrupts, plan.patience, plan.wire_dtype)
    result, error = None, None
    try:
        with interrupts.exposed():
            result = plan.main(cluster)
    except (ProtocolError, MPI.Exception):
        raise  # the connection itself is broken, and no goodbye would get through
    except BaseException as raised:
        error = raised
    missing = engine.stop(plan.goodbye_seconds, interrupts.take)
    if missing:
        _unfinished.append(engine)
        logger.warning("gradcode: workers %s have not answered the goodbye", ", ".join(map(str, missing)))
    return result, error, missing


@atexit.register
def _abandon() -> None:
    """End the job at the end of the program, since MPI would wait for the missing workers for ever."""
    for comm, missing in _missing:
        failed = getattr(sys, "last_value", None) is not None
        sys.stdout.flush()
        sys.stderr.write(f"gradcode: ending workers {', '.join(map(str, missing))}, which do not answer\n")
        sys.stderr.flush()
        comm.Abort(1 if failed else 0)

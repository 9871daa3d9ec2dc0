"""One run over MPI, from agreement to goodbye."""

from __future__ import annotations

import atexit
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from mpi4py import MPI

from gradcode.errors import ProtocolError
from gradcode.mpi.admission import admit
from gradcode.mpi.agreement import agree, gather_texts, together
from gradcode.mpi.link import Link
from gradcode.mpi.master import MasterEngine
from gradcode.mpi.placement import place
from gradcode.mpi.sharing import Sharing
from gradcode.mpi.wire import MASTER
from gradcode.rounds import Cluster, Interrupts, RunPlan, serve
from gradcode.rounds.interrupts import ignored_signals

__all__ = ["run_session"]

logger = logging.getLogger("gradcode")

# Engines whose workers have not answered the goodbye. MPI may still write into their buffers, so they are never freed.
_unfinished: list[MasterEngine] = []
# On the master, for each run with such workers: the communicator given, and the workers that have not answered.
_missing: list[tuple[MPI.Comm, list[int]]] = []


def run_session(
    make_plan: Callable[[], RunPlan], configuration: Mapping[str, object], comm: MPI.Comm, share_result: bool
) -> Any:
    """Run one session, on every rank; return the result of this rank (see `gradcode.mpi.run`).

    Parameters
    ----------
    make_plan : callable
        Returns the plan. If it raises on one rank, all ranks raise.
    configuration : mapping
        Settings beside the plan on which all ranks must agree.
    comm : MPI.Comm
        The ranks.
    share_result : bool
        Whether every rank gets the result.
    """
    interrupts = Interrupts()

    def prepare() -> tuple[RunPlan, str]:
        plan = make_plan()
        return plan, admit(plan, configuration, comm, share_result)

    with interrupts.handling() if comm.rank == MASTER else ignored_signals():
        plan, agreed = together(comm, prepare)
        agree(comm, agreed)
        # All ranks are here: workers that were missing after an earlier run have come back.
        _missing[:] = [(other, workers) for other, workers in _missing if other != comm]
        data, control = _channel(comm), _channel(comm)
        sharing = Sharing(_channel(comm), plan) if share_result else None
        clean = False
        try:
            ranks = place(plan.scheme, gather_texts(data, MPI.Get_processor_name()))
            if comm.rank == MASTER:
                engine = MasterEngine(data, control, ranks, plan)
                result, error, missing = _run_master(plan, engine, sharing, interrupts)
                clean = not missing
                if missing:
                    _unfinished.append(engine)
                    _missing.append((comm, missing))
            else:
                serve(Link(data, control, plan), plan, ranks.index(comm.rank))
                result, error = (None, None) if sharing is None else sharing.receive()
                clean = True
        except BaseException:
            # The user's code is not the cause: MPI or the protocol failed, and the other ranks would wait for ever.
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


def _channel(comm: MPI.Comm) -> MPI.Comm:
    channel = comm.Dup()
    channel.Set_errhandler(MPI.ERRORS_RETURN)  # errors become exceptions: MPI would end the process
    return channel


def _run_master(
    plan: RunPlan, engine: MasterEngine, sharing: Sharing | None, interrupts: Interrupts
) -> tuple[Any, BaseException | None, list[int]]:
    """Run `main` on the master, share its result and say goodbye to the workers.

    Return what `main` returned, what it raised, and which workers have not answered the goodbye.
    """
    scheme, size, types = plan.scheme, plan.gradient_size, plan.message_type
    logger.info(
        "%r: gradients of %d %s, messages of %d %s", scheme, size, types.gradient, plan.message_size, types.name
    )
    cluster = Cluster(engine, scheme, size, types, interrupts, plan.patience)
    result, error = None, None
    try:
        with interrupts.immediate():
            result = plan.main(cluster)
        if sharing is not None:
            result = sharing.send(result)
    except (ProtocolError, MPI.Exception):
        raise  # the connection itself is broken, and no goodbye would get through
    except BaseException as raised:
        error = raised
        if sharing is not None:
            sharing.send_error(error)
    missing = engine.stop(plan.goodbye_seconds, interrupts.consume)
    if missing:
        logger.warning("gradcode: workers %s have not answered the goodbye", ", ".join(map(str, missing)))
    if sharing is not None:
        sharing.finish(plan.goodbye_seconds, interrupts.consume)
    return result, error, missing


@atexit.register
def _end_job() -> None:
    """End the job at the end of the program, since MPI would wait for the missing workers for ever."""
    for comm, missing in _missing:
        failed = getattr(sys, "last_value", None) is not None
        sys.stdout.flush()
        sys.stderr.write(f"gradcode: ending all ranks, since workers {', '.join(map(str, missing))} do not answer\n")
        sys.stderr.flush()
        comm.Abort(1 if failed else 0)

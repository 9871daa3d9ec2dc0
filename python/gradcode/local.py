"""Coded rounds inside one process, each worker a thread: for notebooks, for tests, and where there is no MPI.

The round, the schemes and the kernels are those of `gradcode.mpi`; only the engine is another one.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable
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
    Plan,
    Share,
    Traffic,
)
from gradcode.schemes import GradientCode

__all__ = ["run"]

logger = logging.getLogger("gradcode")

Result = TypeVar("Result")

# While the master waits for threads to end, it looks this often whether the user has lost patience.
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
    """Run `main` in this thread, with as many threads as the scheme has workers computing gradients for it.

    The arguments are those of `gradcode.mpi.run`, and the numbers that come out are the same. Threads share the
    process: what `gradient` writes to must be its own worker's, and Python code in it runs in one thread at a time.

    Parameters
    ----------
    main : callable
        ``main(cluster)``, with ``cluster.gradient(params)`` the exact sum of the gradients over all data.
    scheme : GradientCode
        The scheme.
    gradient : callable
        ``gradient(params, task)`` returns the gradient, summed over the samples of ``task.data``, as a contiguous
        array of shape (gradient_size,) and of `dtype`; or the pair of it and a mapping of names to numbers. Once
        ``task.wanted()`` is False, None may be returned. `params` is read-only and shared by all workers.
    gradient_size : int
        Number of parameters, and of elements of a gradient.
    data : callable, optional
        ``data(subset)`` runs once for each chunk on each worker that holds it; what it returns is ``task.data``.
    dtype : dtype
        float32 or float64, of parameters and gradients, and of messages without `wire_dtype`.
    wire_dtype : {"float16", "bfloat16"}, optional
        With float32: messages of 16 bits, half as long; gradients are still added up, and messages decoded, in float32.
        bfloat16 keeps 8 bits of a number and the range of float32; float16 keeps 11, but nothing above 65504 or below
        6e-8. A sum that comes out infinite is refused by ``cluster.gradient``.
    chunks : int
        Each subset is computed in this many parts; between two of them a worker notices that its round is over.
    seed : int
        From which ``task.seed`` is drawn.
    goodbye_seconds : float
        How long to wait, after `main`, for workers that are still computing. A thread cannot be ended from outside;
        one that goes on is left behind, and ends with the process.
    patience : float
        Survivors whose condition is so bad that more than about half the digits of the messages would be lost (above
        1e8 for float64, 1e4 for float32, 45 for float16, 16 for bfloat16) wait for others until the round has lasted
        so many times the median, and are decoded then.

    Returns
    -------
    object
        What `main` returned.

    Raises
    ------
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
    plan = Plan(main, scheme, gradient, gradient_size, data, dtype, chunks, seed, goodbye_seconds, patience, wire_dtype)
    plan.check()
    interrupts = Interrupts()
    with interrupts.handling():
        engine = _Threads(plan)
        try:
            engine.start()
            cluster = Cluster(engine, scheme, gradient_size, dtype, interrupts, patience, wire_dtype)
            with interrupts.exposed():
                return main(cluster)
        finally:
            engine.stop(goodbye_seconds, interrupts.take)


class _Threads:
    """Carries models and messages between threads by reference (see `gradcode.rounds.Engine`)."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._traffic = Traffic()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._closed: float = -1  # the last round that is over
        n_workers = plan.scheme.n_workers
        self._orders: list[queue.SimpleQueue[tuple[int, npt.NDArray[Any]] | None]] = [
            queue.SimpleQueue() for _ in range(n_workers)
        ]
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), name=f"gradcode-worker-{worker}", daemon=True)
            for worker in range(n_workers)
        ]

    def start(self) -> None:
        """Start the workers; where that fails, `stop` ends those that run."""
        for thread in self._threads:
            thread.start()

    # -- the engine ------------------------------------------------------------------------------------------------

    def traffic(self) -> Traffic:
        """Bytes handed over so far; nothing is ever on its way."""
        return Traffic(self._traffic.bytes_down, self._traffic.bytes_up)

    def model(self, params: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A copy, read-only; it lives for as long as a worker computes with it."""
        self._check_usable()
        model = params.copy()
        model.setflags(write=False)
        return model

    def send(self, worker: int, round: int, model: npt.NDArray[Any]) -> None:
        """Give `model` to an idle worker."""
        self._traffic.bytes_down += model.nbytes
        self._orders[worker].put((round, model))

    def close(self, round: int, workers: Iterable[int]) -> None:
        """Round `round` is over, for everybody who asks."""
        self._closed = round

    def next(self, timeout: float) -> Event | None:
        """The next event, waiting for at most `timeout` seconds."""
        self._check_usable()
        try:
            event = self._events.get(block=timeout > 0, timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(event, Arrived):
            self._traffic.bytes_up += event.message.nbytes
        return event

    def stop(self, timeout: float, interrupted: Callable[[], bool]) -> None:
        """Tell all workers to leave, and wait for at most `timeout` seconds or until `interrupted`."""
        self._closed = math.inf
        for orders in self._orders:
            orders.put(None)
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
        if self._closed == math.inf:
            raise GradCodeError("the run is over: its cluster can be used inside main only")

    # -- the workers -----------------------------------------------------------------------------------------------

    def _wanted(self, round_: int) -> bool:
        return round_ > self._closed

    def _work(self, worker: int) -> None:
        """What a worker's thread does."""
        share: Share | None = None
        try:
            share = Share(self._plan, worker)
        except (Exception, SystemExit):
            self._events.put(Failed(worker, traceback.format_exc()))
        else:
            self._events.put(Joined(worker))
        while (order := self._orders[worker].get()) is not None:
            assert share is not None, "a model came though this worker never joined"
            round_, params = order
            started = time.perf_counter()
            try:
                scalars = share.compute(params, round_, self._wanted)
            except (Exception, SystemExit):
                self._events.put(Failed(worker, traceback.format_exc()))
                continue
            if scalars is None:
                self._events.put(Abandoned(worker, round_))
            else:
                seconds = time.perf_counter() - started
                self._events.put(Arrived(worker, round_, share.message, scalars, seconds))

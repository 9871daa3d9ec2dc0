"""The parameters of a run are those of the same optimiser in one process, regardless of stragglers.

``training.py WORKERS...``: with each of these numbers of workers in turn, on a communicator of that many ranks and the
master. The other ranks wait.
"""

import itertools
import sys
import time
import warnings

import numpy as np
from mpi4py import MPI

from gradcode import Grouped, codes
from gradcode.errors import LoadWarning
from gradcode.mpi import run

FEATURES = 33
WORLD = MPI.COMM_WORLD


def logistic(w, X, y):
    margins = y * (X @ w)
    return -(X.T @ (y / (1 + np.exp(margins)))), float(np.logaddexp(0, -margins).sum())


def check(comm):
    """Train with all schemes that fit the ranks of this communicator."""
    n = comm.size - 1
    rounds = 50 if n in (4, 9) else 15
    rng = np.random.default_rng(n)
    X = rng.standard_normal((211, FEATURES))
    y = np.sign(X @ rng.standard_normal(FEATURES) + rng.standard_normal(211))
    rate = 4 / np.linalg.norm(X, 2) ** 2

    def nesterov(gradient):
        w = before = np.zeros(FEATURES)
        for k in range(rounds):
            point = w + k / (k + 3) * (w - before)
            before, w = w, point - rate * gradient(point)
        return w

    def load(subset):
        rows = subset.slice(len(X))
        return X[rows], y[rows]

    def gradient(params, task):
        # Every worker straggles in some rounds, a different set in each, and gives up as soon as it may.
        slow = np.random.default_rng([n, task.round]).choice(n, 1 + task.round % 3 if n > 4 else 1, replace=False)
        if task.worker in slow:
            end = time.monotonic() + 0.01
            while time.monotonic() < end:
                if not task.wanted():
                    return None
                time.sleep(0.001)
        vector, loss = logistic(params, *task.data)
        return vector, {"loss": loss}

    def main(cluster):
        assert cluster.wait_for_workers() == ()
        parameters = nesterov(cluster.gradient)
        loss, _ = cluster.value_and_gradient(parameters)
        error = np.linalg.norm(parameters - expected) / np.linalg.norm(expected)
        np.testing.assert_allclose(loss, logistic(parameters, X, y)[1], rtol=1e-10)
        late = sum(len(record.late) for record in cluster.log)
        print(f"{cluster.scheme}: relative error {error:.1e}, {late} late answers", flush=True)
        assert error < 1e-10
        return late

    expected = nesterov(lambda w: logistic(w, X, y)[0])
    shapes = [(s + m, m) for s, m in itertools.product((1, 2), (1, 2, 3)) if s + m <= n]
    chunks, late = itertools.cycle((1, 3)), []
    for (length, dimension), family in itertools.product(shapes, (codes.harmonic, codes.gaussian)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LoadWarning)
            scheme = Grouped(n, family(length, dimension))
        options = {"gradient_size": FEATURES, "data": load, "chunks": next(chunks), "comm": comm}
        late.append(run(main, scheme, gradient, **options))
    if comm.rank == 0:
        assert len(late) == 2 * len(shapes)
        assert sum(late) > 0, "there was no straggler, so nothing was tested"


for workers in map(int, sys.argv[1:]):
    comm = WORLD.Split(0 if WORLD.rank <= workers else MPI.UNDEFINED, WORLD.rank)
    if comm != MPI.COMM_NULL:
        check(comm)
        comm.Free()
    everybody = WORLD.Ibarrier()
    while not everybody.Test():  # a barrier would keep a core busy
        time.sleep(0.001)
if WORLD.rank == 0:
    print("passed")

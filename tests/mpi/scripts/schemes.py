"""Every scheme over MPI, with stragglers in each round: the parameters equal those of one process."""

import time
import warnings

import numpy as np
from mpi4py import MPI

from gradcode import (
    CyclicRepetition,
    FractionalRepetition,
    GradientCode,
    Grouped,
    IgnoreStragglers,
    Uncoded,
    YeAbbe,
    codes,
)
from gradcode.errors import LoadWarning
from gradcode.mpi import run

ROUNDS, FEATURES = 12, 33
N = MPI.COMM_WORLD.size - 1

rng = np.random.default_rng(N)
X, target = rng.standard_normal((211, FEATURES)), rng.standard_normal(211)
RATE = 1 / np.linalg.norm(X, 2) ** 2


def descend(gradient):
    w = np.zeros(FEATURES)
    for _ in range(ROUNDS):
        w = w - RATE * gradient(w)
    return w


def load(subset):
    rows = subset.slice(len(X))
    return X[rows], target[rows]


def gradient(params, task):
    if task.worker in np.random.default_rng([N, task.round]).choice(N, 2, replace=False):
        end = time.monotonic() + 0.005
        while time.monotonic() < end:
            if not task.wanted():
                return None
            time.sleep(0.001)
    rows, values = task.data
    residual = rows @ params - values
    return rows.T @ residual, {"loss": 0.5 * float(residual @ residual)}


def main(cluster):
    assert cluster.wait_for_workers() == ()
    parameters = descend(cluster.gradient)
    loss, _ = cluster.value_and_gradient(parameters)
    return parameters, loss, sum(len(record.late) for record in cluster.log)


expected = descend(lambda w: X.T @ (X @ w - target))
expected_loss = 0.5 * np.square(X @ expected - target).sum()
rotating = np.roll(np.eye(N), 1, axis=1) + 2 * np.eye(N)
warnings.simplefilter("ignore", LoadWarning)
SCHEMES = [
    Uncoded(N),
    FractionalRepetition(N, 2),
    CyclicRepetition(N, 2),
    CyclicRepetition(N, 3, "harmonic"),
    *(
        YeAbbe(N, 4, 2, 2, nodes)
        for nodes in ("published", "integer", "equispaced", "chebyshev", "gaussian", "harmonic")
    ),
    Grouped(N, codes.hamming_extended(), prefer="decoding"),
    Grouped(N, codes.product(codes.parity(3), codes.repetition(2)), prefer="decoding"),
    Grouped(N, [codes.harmonic(5, 2), codes.parity(3)], shares=[2, 1]),
    GradientCode.from_coefficients(rotating),
]
for scheme in SCHEMES:
    outcome = run(main, scheme, gradient, gradient_size=FEATURES, data=load)
    if outcome is not None:
        parameters, loss, late = outcome
        error = np.linalg.norm(parameters - expected) / np.linalg.norm(expected)
        print(f"{scheme}: relative error {error:.1e}, {late} late answers", flush=True)
        assert error < (1e-10 if "integer" not in repr(scheme) else 1e-8)
        np.testing.assert_allclose(loss, expected_loss, rtol=1e-8)
        assert late > 0 or scheme.stragglers == 0
outcome = run(main, IgnoreStragglers(N, 2), gradient, gradient_size=FEATURES, data=load)
if outcome is not None:
    parameters, loss, late = outcome
    error = np.linalg.norm(parameters - expected) / np.linalg.norm(expected)
    print(f"ignoring stragglers: relative error {error:.1e}, {late} late answers")
    assert late > 0 and 1e-6 < error < 1  # near, and not the same
    print("passed")

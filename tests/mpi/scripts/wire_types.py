"""Messages of 16 bits, with stragglers in each round: the parameters stay close to those with float32 messages."""

import time
import warnings

import numpy as np
from mpi4py import MPI

from gradcode import CyclicRepetition, Uncoded, YeAbbe, design
from gradcode.errors import GradCodeError, PrecisionWarning
from gradcode.mpi import run

ROUNDS, FEATURES = 15, 203
N = MPI.COMM_WORLD.size - 1
UNIT = {None: 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}  # the largest relative error of one rounding

rng = np.random.default_rng(N)
X, target = rng.standard_normal((211, FEATURES)), rng.standard_normal(211)
RATE = 1 / np.linalg.norm(X, 2) ** 2


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
    return gradient_of(params, task.data).astype(np.float32)


def gradient_of(params, data):
    rows, values = data
    return rows.T @ (rows @ params.astype(float) - values)


def magnitudes(scheme, worker, params, chunks):
    """For each element of the message of a worker, the sum of the absolute values of all that enters it."""
    held = [
        sum(np.abs(gradient_of(params, load(chunk))) for chunk in subset.split(chunks))
        for subset in scheme.subsets(worker)
    ]
    size = scheme.message_size(FEATURES, np.float32)
    blocks = np.zeros((len(held), scheme.communication * size))
    blocks[:, :FEATURES] = held
    return np.einsum("ju,jut->t", np.abs(scheme.coefficients(worker)), blocks.reshape(len(held), -1, size))


def rounding(scheme, record, params, chunks, wire_dtype):
    """How far the sum of a round may be off: its terms are rounded in float32, and its messages once more."""
    terms = 2 * (chunks * scheme.n_subsets * scheme.communication + N + 4)
    enters = np.array([magnitudes(scheme, worker, params, chunks) for worker in record.used])
    # The smallest numbers of float16 are 2^-24 apart.
    off = (terms * UNIT[None] + UNIT[wire_dtype]) * enters + (2.0**-25 if wire_dtype == "float16" else 0)
    return np.linalg.norm(np.abs(scheme.weights(record.used)) @ off)


def main_for(scheme, chunks, wire_dtype):
    def main(cluster):
        """Descend; a step shrinks distances, so that at the end the errors of all rounds are at most added up."""
        assert cluster.wait_for_workers() == () and cluster.wire_dtype == wire_dtype
        w, bound = np.zeros(FEATURES, np.float32), 0.0
        for _ in range(ROUNDS):
            vector = cluster.gradient(w)
            assert vector.dtype == np.float32
            bound += RATE * rounding(scheme, cluster.log[-1], w, chunks, wire_dtype)
            w = w - np.float32(RATE) * vector
            bound += 4 * UNIT[None] * (np.linalg.norm(w) + RATE * np.linalg.norm(vector))
        return w, bound, sum(len(record.late) for record in cluster.log), sum(record.bytes_up for record in cluster.log)

    return main


SCHEMES = [
    (Uncoded(N), 2),
    (design(N, stragglers=1, communication=2), 1),
    (design(N, stragglers=2, communication=1), 3),
    (CyclicRepetition(N, 2), 1),
    (YeAbbe(N, 4, 2, 2, "harmonic"), 3),
    (YeAbbe(N, 3, 1, 2), 2),
]
warnings.simplefilter("ignore", PrecisionWarning)
expected = np.zeros(FEATURES)  # in float64, in one process
for _ in range(ROUNDS):
    expected = expected - RATE * gradient_of(expected, (X, target))
for scheme, chunks in SCHEMES:
    exact = None
    for wire_dtype in UNIT:
        outcome = run(
            main_for(scheme, chunks, wire_dtype),
            scheme,
            gradient,
            gradient_size=FEATURES,
            data=load,
            dtype="float32",
            wire_dtype=wire_dtype,
            chunks=chunks,
            patience=0.0,  # take stragglers as lost, though the condition may be bad for so few digits
        )
        if outcome is None:
            continue
        w, bound, late, received = outcome
        assert late > 0 or scheme.stragglers == 0
        if wire_dtype is None:
            exact, its_bound = w.astype(float), bound
            continue
        error = np.linalg.norm(w - exact)
        print(f"{scheme}, {wire_dtype}: off by {error:.1e} of at most {bound + its_bound:.1e}; {late} late", flush=True)
        assert error <= bound + its_bound < np.linalg.norm(exact), np.linalg.norm(exact)
        assert error > 10 * np.linalg.norm(exact - expected), "nothing was rounded to 16 bits"

# Half as many bytes come up, save for the notes of 64 bytes that go before the messages.
heavy, sizes = 10**5, []
for wire_dtype in UNIT:
    record = run(
        lambda cluster: (cluster.gradient(np.ones(heavy, np.float32)), cluster.log[0])[1],
        Uncoded(N),
        lambda params, task: params.copy(),
        gradient_size=heavy,
        dtype="float32",
        wire_dtype=wire_dtype,
    )
    sizes.append(None if record is None else record.bytes_up)
if MPI.COMM_WORLD.rank == 0:
    notes = sizes[0] - 4 * N * heavy
    assert 64 * N <= notes < 1000 * N and sizes[1] == sizes[2] == 2 * N * heavy + notes, sizes


# What float16 cannot hold is noticed, by name, and does not end the cluster.
def overflowing(cluster):
    try:
        cluster.gradient(np.full(5, 7e4, np.float32))
    except GradCodeError as error:
        assert "5 of its 5 elements are not in round 0, with messages of float16" in str(error), error
        assert "send bfloat16 or float32" in str(error)
    else:
        raise AssertionError("an overflow went unnoticed")
    return cluster.gradient(np.ones(5, np.float32))


total = run(
    overflowing,
    Uncoded(N),
    lambda params, task: params.copy(),
    gradient_size=5,
    dtype="float32",
    wire_dtype="float16",
)
if MPI.COMM_WORLD.rank == 0:
    np.testing.assert_array_equal(total, np.float32(N))
    print("passed")

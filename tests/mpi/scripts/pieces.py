"""Messages longer than a piece, in both directions, in all types, with stragglers that give up halfway."""

import numpy as np
from mpi4py import MPI

import gradcode.mpi.wire as wire
from gradcode import design
from gradcode.mpi import run
from gradcode.mpi.link import Link
from gradcode.mpi.master import MasterEngine
from gradcode.mpi.placement import place

wire.PIECE_BYTES = 1000  # on every rank, so that small arrays make long messages
SIZE = 4001
scheme = design(4, stragglers=1, communication=1)


def gradient(params, task):
    return params * (task.round + 1)


TOLERANCES = {None: 1e-6, "float16": 2.0**-11 + 1e-6, "bfloat16": 2.0**-8 + 1e-6}


def main(cluster):
    for round_ in range(6):
        model = np.random.default_rng(round_).standard_normal(SIZE).astype(cluster.dtype)
        result = cluster.gradient(model)
        np.testing.assert_allclose(result, scheme.n_subsets * (round_ + 1) * model, rtol=TOLERANCES[cluster.wire_dtype])
    return cluster.log


for dtype, wire_dtype in (("float32", None), ("float64", None), ("float32", "float16"), ("float32", "bfloat16")):
    run(main, scheme, gradient, gradient_size=SIZE, dtype=dtype, wire_dtype=wire_dtype)


# The worker of rank 2 now stops in the middle of each message: it sends five pieces, and goes on only once it has
# heard that the round is over. The other worker of its group carries the round.
real_wanted, abandoned = Link.wanted, []


class Halfway:
    """Stands in for `Link.wanted`."""

    def __init__(self):
        self.asked = {}

    def __call__(self, link, round_):
        self.asked[round_] = self.asked.get(round_, 0) + 1
        if self.asked[round_] <= 5:
            return True
        while real_wanted(link, round_):
            pass
        abandoned.append(round_)
        return False


if MPI.COMM_WORLD.rank == 2:
    halfway = Halfway()
    Link.wanted = lambda link, round_: halfway(link, round_)  # type: ignore[method-assign]

log = run(main, scheme, gradient, gradient_size=SIZE)
used_ranks = None if log is None else [record.used for record in log]
count = np.array([len(abandoned)])
MPI.COMM_WORLD.Bcast(count, root=2)
assert count[0] > 0, "nothing was abandoned halfway, so nothing was tested"
if MPI.COMM_WORLD.rank == 0:
    # On one host, rank 2 is the worker that the placement makes it.
    worker = place(scheme, ["here"] * 5).index(2)
    assert all(worker not in used for used in used_ranks), used_ranks


# The run ends while all workers still take the pieces of a model: they read the stop after the last piece.
def interrupted(cluster):
    real_send = MasterEngine.send

    def send(engine, worker, round):
        real_send(engine, worker, round)
        cluster.interrupts.put_back()

    cluster.wait_for_workers()
    MasterEngine.send = send  # type: ignore[method-assign]
    try:
        cluster.gradient(np.ones(SIZE))
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        MasterEngine.send = real_send  # type: ignore[method-assign]


wire.PIECE_BYTES = 8  # thousands of pieces, which are under way for longer than the master waits between two looks
outcome = run(interrupted, scheme, gradient, gradient_size=SIZE)
if MPI.COMM_WORLD.rank == 0:
    assert outcome == "interrupted", outcome
    print("passed")

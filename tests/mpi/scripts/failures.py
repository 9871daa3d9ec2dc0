"""What the user's code raises reaches the master and ends the run cleanly: the same ranks then run again."""

import sys

import numpy as np
from mpi4py import MPI

from gradcode import design
from gradcode.errors import GradCodeError, WorkerFailed
from gradcode.mpi import run

scheme = design(3, 0, 3)
RANK = MPI.COMM_WORLD.rank


def good(params, task):
    return params.copy()


def raises(params, task):
    if task.round == 2 and task.worker == 1:
        return 1 / 0
    return params.copy()


def main(cluster):
    for _ in range(4):
        cluster.gradient(np.ones(5))


def returning(value):
    return lambda params, task: value


def writes(params, task):
    params += 1
    return params


def bad_load(subset):
    raise FileNotFoundError("no such share")


FAILURES = [
    (raises, None, 1, "ZeroDivisionError", "in raises"),
    (good, bad_load, None, "FileNotFoundError: no such share", "in bad_load"),
    (returning(np.ones(4)), None, None, "contiguous float64 array of shape (5,), got shape (4,)", ""),
    (returning(np.ones(5, "f4")), None, None, "contiguous float64 array of shape (5,), got dtype float32", ""),
    (returning(np.ones(10)[::2]), None, None, "got shape (5,) with strides (16,)", ""),
    (returning([1.0] * 5), None, None, "got list", ""),
    (returning(None), None, None, "gradient returned None though task.wanted() is True", ""),
    (returning((np.ones(5), {"x" * 25: 1.0})), None, None, "a scalar's name must be a string of 1..24 bytes", ""),
    (returning((np.ones(5), {"loss": "high"})), None, None, "scalar 'loss' must be a number, got 'high'", ""),
    (returning((np.ones(5), {str(i): 1.0 for i in range(17)})), None, None, "at most 16 scalars, got [", ""),
    (lambda params, task: sys.exit(3), None, None, "SystemExit: 3", ""),
    (lambda params, task: exec("raise ValueError('\\ud800')"), None, None, "ValueError: \\ud800", ""),
    (writes, None, None, "output array is read-only", ""),
]

for gradient, load, worker, text, where in FAILURES:
    if RANK == 0:
        try:
            run(main, scheme, gradient, gradient_size=5, data=load)
        except WorkerFailed as error:
            assert worker in (None, error.worker), error
            assert text in str(error) and where in error.traceback, error
        else:
            raise AssertionError(f"{text} did not reach the master")
    else:
        assert run(main, scheme, gradient, gradient_size=5, data=load) is None


class Mine(Exception):
    """The user's own."""


def main_raises(cluster):
    cluster.gradient(np.ones(5))
    raise Mine


try:
    run(main_raises, scheme, good, gradient_size=5)
    raised = False
except Mine:
    raised = True
assert raised == (RANK == 0)

# A cluster is of no use after its run, and says so instead of waiting.
kept = []
run(kept.append, scheme, good, gradient_size=5)
if RANK == 0:
    try:
        kept[0].gradient(np.ones(5))
    except GradCodeError as error:
        assert "the run is over" in str(error)
    else:
        raise AssertionError("a cluster worked on after its run")

# Names of scalars add up over the chunks of a share.
many = run(
    lambda cluster: cluster.gradient(np.ones(5)) is None,
    scheme,
    lambda params, task: (params.copy(), {f"{task.subset.start}": 1.0}),
    gradient_size=5,
    chunks=4,
)
assert many is (False if RANK == 0 else None)
try:
    run(main, scheme, lambda p, t: (p.copy(), {f"{t.subset.start}": 1.0}), gradient_size=5, chunks=20)
except WorkerFailed as error:
    assert "at most 16 scalars" in str(error) and RANK == 0

# After all that, the ranks are as good as new.
result = run(lambda cluster: cluster.gradient(np.arange(5.0)), scheme, good, gradient_size=5)
if RANK == 0:
    np.testing.assert_allclose(result, np.arange(5.0))
    print("passed")

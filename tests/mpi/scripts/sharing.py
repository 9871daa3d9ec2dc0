"""The result of a run on every rank, and what is refused: on all ranks, which then run again."""

import numpy as np
from mpi4py import MPI

from gradcode import design
from gradcode.errors import GradCodeError
from gradcode.mpi import run

RANK, SIZE = MPI.COMM_WORLD.rank, 5
scheme = design(3, 1, 1)


def gradient(params, task):
    return params * (1 + task.subset.index)


def everywhere(main, dtype="float64"):
    return run(main, scheme, gradient, gradient_size=SIZE, dtype=dtype, share_result=True)


def ones(cluster):
    return cluster.gradient(np.ones(SIZE, cluster.dtype))


total = scheme.n_subsets * (scheme.n_subsets + 1) / 2
for dtype in ("float64", "float32"):
    result = everywhere(ones, dtype)
    assert result.dtype == dtype and result.shape == (SIZE,) and result.flags.writeable
    np.testing.assert_allclose(result, total, rtol=1e-6)
    result += RANK  # it is the rank's own

facts = {"rounds": 1, "name": "ü", "nested": [1.5, None, {"a": True}], "tuple": (1, 2)}
array, returned = everywhere(lambda cluster: (ones(cluster)[::-1], facts))
np.testing.assert_allclose(array, total, rtol=1e-15)
assert returned == {**facts, "tuple": [1, 2]}  # the same on the master
array, returned = everywhere(lambda cluster: (ones(cluster), {}))
assert returned == {}
assert run(lambda cluster: 7, scheme, gradient, gradient_size=SIZE) == (7 if RANK == 0 else None)


def refused(main, error, text):
    """`main` ends with `error` on the master, and the workers are told."""
    try:
        everywhere(main)
    except GradCodeError as told:
        assert RANK > 0 and str(told).startswith(f"rank 0 cannot go on: {error.__name__}: ") and text in str(told), told
    except error as raised:
        assert RANK == 0 and text in str(raised), raised
    else:
        raise AssertionError(f"{text} went unnoticed on rank {RANK}")


rule = f"with share_result, main must return a float64 array of shape ({SIZE},), or the pair of it and a mapping"
refused(lambda cluster: None, TypeError, f"{rule} of JSON values, got NoneType")
refused(lambda cluster: [1.0] * SIZE, TypeError, "got list")
refused(lambda cluster: (ones(cluster), 3), TypeError, "got (ndarray, int)")
refused(lambda cluster: (ones(cluster), {}, {}), TypeError, "got tuple")
refused(lambda cluster: np.ones(SIZE + 1), ValueError, f"got float64 of shape ({SIZE + 1},)")
refused(lambda cluster: np.ones(SIZE, "f4"), ValueError, f"got float32 of shape ({SIZE},)")
refused(lambda cluster: (ones(cluster), {"a": {1}}), TypeError, "got a mapping that is not JSON: ")
refused(lambda cluster: (ones(cluster), {"a": "b" * 2**20}), ValueError, "of at most 1048576 bytes, got 10485")


def raises(cluster):
    ones(cluster)
    raise ZeroDivisionError("in main")


refused(raises, ZeroDivisionError, "in main")
np.testing.assert_allclose(everywhere(ones), total, rtol=1e-15)
if RANK == 0:
    print("passed", flush=True)

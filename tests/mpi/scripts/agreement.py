"""Ranks that were started differently find out before the first round, all of them."""

import numpy as np
from mpi4py import MPI

from gradcode import Grouped, Uncoded, codes, design
from gradcode.errors import ConfigMismatch, GradCodeError
from gradcode.mpi import run

RANK = MPI.COMM_WORLD.rank
SIZE = MPI.COMM_WORLD.size


def never(*arguments):
    raise AssertionError("a round was started")


base = {"scheme": design(SIZE - 1, 1, 1), "gradient_size": 5}
odd = RANK == SIZE - 1
for changed, field in [
    ({"scheme": Grouped(SIZE - 1, codes.gaussian(SIZE - 1, 1, seed=int(odd)))}, "scheme fingerprint"),
    ({"gradient_size": 5 + odd}, "gradient_size"),
    ({"dtype": "float32" if odd else "float64"}, "dtype"),
    ({"dtype": "float32", "wire_dtype": "float16" if odd else "bfloat16"}, "wire_dtype"),
    ({"dtype": "float32", "wire_dtype": "bfloat16" if odd else None}, "wire_dtype"),
    ({"chunks": 1 + odd}, "chunks"),
    ({"seed": int(odd)}, "seed"),
    ({"configuration": {"rate": 0.1 + odd}}, "rate"),
    ({"share_result": bool(odd)}, "share_result"),
]:
    arguments = {**base, **changed}
    scheme = arguments.pop("scheme")
    try:
        run(never, scheme, never, **arguments)
    except ConfigMismatch as error:
        assert list(error.fields) == [field] and error.rank == SIZE - 1, error
        assert f"rank {SIZE - 1} differs from rank 0 in {field}" in str(error)
    else:
        raise AssertionError(f"a different {field} went unnoticed")

for workers in (SIZE - 2, SIZE):
    try:
        run(never, design(workers, 0, 1), never, gradient_size=5)
    except ValueError as error:
        assert f"must be n_workers + 1 = {workers + 1} (the workers and the master), got {SIZE}" in str(error), error
    else:
        raise AssertionError("a wrong number of ranks went unnoticed")

# If one rank cannot go on, all ranks hear of it: none waits for a rank that has left.
try:
    run(never, base["scheme"], never, gradient_size=2**50)
except MemoryError as error:
    assert RANK == 0 and "the master's buffers must fit in its memory" in str(error)
except GradCodeError as error:
    assert RANK > 0 and "rank 0 cannot go on: MemoryError: the master's buffers" in str(error)
else:
    raise AssertionError("impossible buffers were accepted")
for changed in ({"chunks": 0 if odd else 1}, {"data": 5 if odd else None}, {"configuration": {"x": {1} if odd else 1}}):
    arguments = {**base, **changed}
    scheme = arguments.pop("scheme")
    try:
        run(never, scheme, never, **arguments)
    except (ValueError, TypeError):
        assert odd
    except GradCodeError as error:
        assert not odd and f"rank {SIZE - 1} cannot go on: " in str(error)
    else:
        raise AssertionError(f"{changed} on one rank went unnoticed")
try:
    run(never, design(SIZE - 1 + odd, 0, 1), never, gradient_size=5)
except ValueError:
    assert odd
except GradCodeError as error:
    assert not odd and f"must be n_workers + 1 = {SIZE + 1}" in str(error)
else:
    raise AssertionError("a rank with another number of workers went unnoticed")

try:
    run(never, **base, wire_dtype="bfloat16", gradient=never)
except ValueError as error:
    assert "wire_dtype must be None with dtype float64, got bfloat16" in str(error), error
else:
    raise AssertionError("messages of 16 bits of float64 gradients were accepted")

# One type has several names.
same = {"dtype": "float32", "wire_dtype": np.float16 if odd else "float16"}
result = run(lambda c: c.gradient(np.ones(5, "f")), Uncoded(SIZE - 1), lambda p, t: p.copy(), gradient_size=5, **same)
if RANK == 0:
    np.testing.assert_array_equal(result, np.full(5, SIZE - 1, np.float32))  # ones are the same in 16 bits

result = run(lambda c: c.gradient(np.ones(5)), base["scheme"], lambda p, t: p.copy(), gradient_size=5)
if RANK == 0:
    np.testing.assert_allclose(result, design(SIZE - 1, 1, 1).n_subsets * np.ones(5))
    print("passed")

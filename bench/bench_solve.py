"""Time the solve for the decoding weights of all groups, against NumPy and SciPy on the same systems."""

import numpy as np
import pytest
import scipy.linalg

import gc_core

# (groups, blocks, length of the code, survivors)
SHAPES = [(1, 2, 4, 3), (1, 4, 20, 18), (1, 16, 32, 28), (25, 2, 4, 3), (250, 4, 8, 6)]


def solve_gradcode(generators, survivors):
    return gc_core.solve(generators, survivors)[0]


def solve_numpy_batched(generators, survivors):
    """Solve for all groups in one call. This needs the same number of survivors in every group."""
    return np.linalg.pinv(np.stack([g[:, s].T for g, s in zip(generators, survivors, strict=True)]))


def solve_numpy_pinv(generators, survivors):
    return [np.linalg.pinv(g[:, s].T) for g, s in zip(generators, survivors, strict=True)]


def solve_scipy_lstsq(generators, survivors):
    identity = np.eye(len(survivors[0]))
    return [scipy.linalg.lstsq(g[:, s].T, identity)[0] for g, s in zip(generators, survivors, strict=True)]


CONTENDERS = [solve_gradcode, solve_numpy_batched, solve_numpy_pinv, solve_scipy_lstsq]


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"Q{s[0]}m{s[1]}d{s[2]}r{s[3]}")
def bench_solve(measure, rng, shape, contender):
    n_groups, parts, length, n_survivors = shape
    generators = [rng.standard_normal((parts, length)) for _ in range(n_groups)]
    survivors = [rng.permutation(length)[:n_survivors].tolist() for _ in range(n_groups)]
    n_bytes = 2 * 8 * n_groups * parts * n_survivors
    weights = measure(
        f"solve Q={n_groups} m={parts} d={length} r={n_survivors}", lambda: contender(generators, survivors), n_bytes
    )
    for generator, columns, w in zip(generators, survivors, weights, strict=True):
        system = generator[:, columns].T
        singular = np.linalg.svd(system, compute_uv=False)
        bound = 16 * sum(system.shape) * np.finfo(float).eps * singular[0] / singular[-1]
        assert np.abs(w @ system - np.eye(parts)).max() <= bound

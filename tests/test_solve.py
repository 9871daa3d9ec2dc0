"""The systems of the survivors against SciPy and NumPy, with bounds from the condition number."""

import numpy as np
import pytest
import reference
import scipy.linalg

import gc_core
from gradcode import kernels

EPS = np.finfo(np.float64).eps


def with_singular_values(rng, singular, length):
    """Return a generator of given singular values: len(singular) rows, `length` columns."""
    parts = len(singular)
    left, _ = np.linalg.qr(rng.standard_normal((parts, parts)))
    right, _ = np.linalg.qr(rng.standard_normal((length, parts)))
    return np.ascontiguousarray(left * np.asarray(singular) @ right.T)


def backward_error(system):
    """Relative backward error granted to one factorisation of the system: a small multiple of eps per dimension."""
    return 4 * sum(system.shape) * EPS


def assert_solution(generator, survivors, weights, rank, condition):
    system = generator[:, survivors].T
    parts = generator.shape[0]
    expected, expected_rank, expected_condition = reference.solve(generator, list(survivors))
    assert rank == expected_rank
    assert weights.shape == (parts, len(survivors))
    assert weights.dtype == np.float64 and weights.flags.c_contiguous
    if expected is None:
        assert np.isnan(weights).all()
        assert condition == np.inf
        return
    # Singular values move by at most the backward error times the largest; the smallest is 1/condition of it.
    growth = 2 * backward_error(system) * expected_condition
    assert abs(condition - expected_condition) <= growth * expected_condition
    # |X^+ - Y^+| <= sqrt(2) |X^+| |Y^+| |X - Y| in the 2-norm, for both the oracle and the routine.
    oracles = [expected, scipy.linalg.lstsq(system, np.eye(len(survivors)))[0]]
    for oracle in oracles:
        assert np.linalg.norm(weights - oracle, 2) <= 2 * np.sqrt(2) * growth * np.linalg.norm(expected, 2)
    assert np.linalg.norm(weights @ system - np.eye(parts), 2) <= growth


def solve_one(generator, survivors):
    weights, rank, condition = kernels.solve([generator], [survivors])
    return weights[0], rank[0], condition[0]


@pytest.mark.parametrize("parts", [1, 2, 3, 8, 40])
@pytest.mark.parametrize("extra", [0, 1, 5, 100])
def test_full_rank(rng, parts, extra):
    generator = rng.standard_normal((parts, parts + extra + 3))
    survivors = rng.permutation(parts + extra + 3)[: parts + extra]
    assert_solution(generator, survivors, *solve_one(generator, survivors))


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_fewer_survivors_than_blocks(rng, parts):
    generator = rng.standard_normal((parts, parts + 2))
    for r in range(parts):
        survivors = list(range(r))
        weights, rank, condition = solve_one(generator, survivors)
        assert rank == r
        assert_solution(generator, survivors, weights, rank, condition)


@pytest.mark.parametrize("singular", [[1, 0], [1, 1, 0], [3, 0, 0, 0], [1e80, 1e-80], [0, 0]])
def test_rank_deficient(rng, singular):
    generator = with_singular_values(rng, singular, 9)
    weights, rank, condition = solve_one(generator, range(9))
    assert rank == sum(value > 1e-10 * max(singular) for value in singular)
    assert_solution(generator, list(range(9)), weights, rank, condition)


def test_repeated_column_is_rank_deficient():
    weights, rank, condition = solve_one(np.ones((2, 5)), [0, 3])
    assert (rank, condition) == (1, np.inf)
    assert np.isnan(weights).all()


@pytest.mark.parametrize("exponent", [2, 6, 10, 13])
def test_near_singular(rng, exponent):
    generator = with_singular_values(rng, np.logspace(0, -exponent, 5), 12)
    weights, rank, condition = solve_one(generator, range(12))
    assert rank == 5
    assert condition == pytest.approx(10.0**exponent, rel=2 * backward_error(generator) * 10.0**exponent)
    assert_solution(generator, list(range(12)), weights, rank, condition)


@pytest.mark.parametrize(("factor", "rank"), [(4, 3), (0.25, 2)])
def test_the_rule_for_the_rank(rng, factor, rank):
    smallest = factor * 20 * EPS  # the rule: max(shape) * eps * largest
    generator = with_singular_values(rng, [1, 0.5, smallest], 20)
    assert solve_one(generator, range(20))[1] == rank


def test_orthonormal_system_has_condition_one(rng):
    generator = with_singular_values(rng, [2.5, 2.5, 2.5], 6)
    weights, _, condition = solve_one(generator, range(6))
    assert abs(condition - 1) <= backward_error(generator)
    assert np.abs(weights - generator / 2.5**2).max() <= backward_error(generator)


def test_columns_follow_the_order_of_the_survivors(rng):
    generator = rng.standard_normal((3, 7))
    weights, _, condition = solve_one(generator, [0, 2, 4, 5, 6])
    shuffled, _, _ = solve_one(generator, [6, 0, 5, 2, 4])
    bound = 4 * backward_error(generator) * condition * np.abs(weights).max()
    assert np.abs(shuffled - weights[:, [4, 0, 3, 1, 2]]).max() <= bound


def test_hundreds_of_groups_of_many_sizes(rng):
    parts = 4
    shared = rng.standard_normal((parts, 10))
    generators, survivors = [], []
    for q in range(300):
        generator = shared if q % 3 else rng.standard_normal((parts, int(rng.integers(1, 30))))
        length = generator.shape[1]
        generators.append(generator)
        survivors.append(tuple(int(i) for i in rng.permutation(length)[: rng.integers(0, length + 1)]))
    untouched = [generator.copy() for generator in generators]
    weights, rank, condition = kernels.solve(generators, survivors)
    assert len(weights) == 300 and rank.shape == condition.shape == (300,)
    assert {0, 1, parts} <= set(rank.tolist())
    for q in range(300):
        assert_solution(generators[q], survivors[q], weights[q], rank[q], condition[q])
        assert (generators[q] == untouched[q]).all()


def test_no_groups_and_no_survivors(rng):
    weights, rank, condition = kernels.solve([], [])
    assert weights == [] and rank.size == condition.size == 0
    weights, rank, condition = kernels.solve([rng.standard_normal((2, 3))] * 2, [[], ()])
    assert [w.shape for w in weights] == [(2, 0), (2, 0)]
    assert rank.tolist() == [0, 0] and condition.tolist() == [np.inf, np.inf]


def test_survivors_may_be_any_integers(rng):
    generator = rng.standard_normal((2, 4))
    expected = solve_one(generator, [0, 1, 2])[0]
    for survivors in (range(3), np.arange(3), np.arange(3, dtype=np.uint8), (0, np.int32(1), 2)):
        assert (solve_one(generator, survivors)[0] == expected).all()


def test_read_only_generators_are_taken(rng):
    generator = rng.standard_normal((2, 4))
    generator.flags.writeable = False
    assert solve_one(generator, [0, 1])[1] == 2


G = np.ones((2, 5))


@pytest.mark.parametrize(
    ("generators", "survivors", "error", "text"),
    [
        ([G], [], ValueError, "survivors must have one entry for each of the 1 generators, got 0"),
        ([[[1.0]]], [[0]], TypeError, r"generators\[0\] must be a numpy.ndarray, got list"),
        ([G, G.astype("f4")], [[0]] * 2, TypeError, r"generators\[1\] must be float64 in native byte order, got <f4"),
        ([G.astype(">f8")], [[0]], TypeError, r"generators\[0\] must be float64 in native byte order, got >f8"),
        ([G[0]], [[0]], ValueError, r"generators\[0\] must be a non-empty two-dimensional array, got shape \(5,\)"),
        ([G[:0]], [[0]], ValueError, r"generators\[0\] must be a non-empty two-dimensional array, got shape \(0, 5\)"),
        ([G[:, ::2]], [[0]], ValueError, r"generators\[0\] must be C-contiguous and aligned, got strides \(40, 16\)"),
        ([G, np.ones((3, 5))], [[0]] * 2, ValueError, r"generators\[1\] must have 2 rows, as .*\[0\] has, got 3"),
        ([G, G * np.nan], [[0]] * 2, ValueError, r"generators\[1\] must be finite, got nan"),
        ([G * 1e120], [[0]], ValueError, r"magnitude of generators\[0\] .* must be in 1e-100..1e\+100, got 1e\+120"),
        ([G, G * 1e-120], [[0]] * 2, ValueError, r"generators\[1\] .* must be in 1e-100..1e\+100, got 1e-120"),
        ([G, G], [[0], [0, 5]], ValueError, r"survivors\[1\] must be in 0..4, got 5"),
        ([G], [[-1]], ValueError, r"survivors\[0\] must be in 0..4, got -1"),
        ([G], [[2, 1, 2]], ValueError, r"survivors\[0\] must be distinct, got 2 twice"),
        ([G], [[1.0]], TypeError, r"survivors\[0\] must be integers in 0..4, got 1.0"),
        ([G], [[True]], TypeError, r"survivors\[0\] must be integers in 0..4, got True"),
        ([G], [[10**30]], ValueError, r"survivors\[0\] must be in 0..4, got 10{30}"),
    ],
)
def test_bad_arguments(generators, survivors, error, text):
    with pytest.raises(error, match=text):
        gc_core.solve(generators, survivors)

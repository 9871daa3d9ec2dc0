"""Linear codes: the mathematics of their generators."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from contract import uncountable_code

from gradcode import LinearCode, codes
from gradcode.errors import CodeParameterError

SMALL = [(d, m) for d in range(1, 9) for m in range(1, d + 1)]


def brute_force_distance(generator):
    m, d = generator.shape
    for survivors in range(d, -1, -1):
        for columns in itertools.combinations(range(d), survivors):
            if survivors == 0 or np.linalg.matrix_rank(generator[:, columns]) < m:
                return d - survivors
    raise AssertionError("no set of columns loses rank")


@pytest.mark.parametrize(("d", "m"), SMALL)
@pytest.mark.parametrize("family", [codes.harmonic, codes.gaussian])
def test_the_families_are_mds(family, d, m):
    code = family(d, m)
    assert (code.length, code.dimension, code.generator.shape) == (d, m, (m, d))
    assert code.minimum_distance == d - m + 1 == brute_force_distance(code.generator)


@pytest.mark.parametrize(("d", "m"), [(d, m) for d, m in SMALL if m < d])
def test_distance_is_found_from_the_generator(d, m):
    rng = np.random.default_rng([d, m])
    for _ in range(5):
        generator = rng.integers(-1, 2, (m, d)).astype(float)  # many dependent columns
        if np.linalg.matrix_rank(generator) < m:
            continue
        assert codes.from_generator(generator).minimum_distance == brute_force_distance(generator)


def test_known_distances():
    hamming = [[1, 0, 0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 1, 0, 1, 1], [0, 0, 1, 0, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 0]]
    assert codes.from_generator(hamming).minimum_distance == 4  # extended Hamming [8, 4, 4]
    assert codes.from_generator(np.eye(4)).minimum_distance == 1
    assert codes.from_generator([[1, 1, 0]]).minimum_distance == 2  # the third column is zero
    assert codes.repetition(5).minimum_distance == 5


@pytest.mark.parametrize(("d", "m"), [(5, 2), (6, 3), (9, 4), (12, 7)])
def test_the_harmonic_frame_is_tight_with_unit_columns(d, m):
    generator = codes.harmonic(d, m).generator
    np.testing.assert_allclose(generator @ generator.T, d / m * np.eye(m), atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(generator, axis=0), 1, rtol=1e-14)


def test_harmonic_of_two_rows_reaches_the_bound():
    for d in range(3, 20):
        assert codes.harmonic(d, 2).worst_condition() == pytest.approx(1 / math.tan(math.pi / (2 * d)), rel=1e-10)


def test_gaussian_is_the_same_everywhere_and_better_with_draws():
    assert codes.gaussian(8, 4) == codes.gaussian(8, 4, seed=0)
    assert codes.gaussian(8, 4) != codes.gaussian(8, 4, seed=1)
    assert codes.gaussian(8, 4, draws=20).worst_condition() < codes.gaussian(8, 4).worst_condition()
    # The median worst condition of this family is known to about a factor of 3.
    median = np.median([codes.gaussian(8, 4, seed=s).worst_condition() for s in range(101)])
    assert 248 / 3 < median < 600 * 3


def test_condition_is_the_ratio_of_singular_values():
    code = codes.gaussian(7, 3)
    for survivors in ([0, 1, 2], [6, 2, 4, 1], range(7)):
        assert code.condition(survivors) == pytest.approx(np.linalg.cond(code.generator[:, list(survivors)]), rel=1e-10)
    assert code.condition([0, 1]) == math.inf
    assert code.condition([]) == math.inf


def test_lengthening_keeps_the_distance_and_dimension():
    for code in [
        codes.harmonic(4, 2),
        codes.gaussian(5, 3, seed=2),
        codes.repetition(2),
        codes.from_generator(np.eye(2)),
        codes.from_generator([[1, 0, 1, 1], [0, 1, 1, 2]]),
    ]:
        for length in range(code.length, 2 * code.length):
            longer = code.lengthened(length)
            assert (longer.length, longer.dimension) == (length, code.dimension)
            assert brute_force_distance(longer.generator) == longer.minimum_distance >= code.minimum_distance


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: codes.harmonic(3, 4), "dimension must be in 1..length, got 4 with length=3"),
        (lambda: codes.harmonic(0, 1), "length must be an integer of at least 1, got 0"),
        (lambda: codes.gaussian(3, 2, seed=-1), "seed must be an integer of at least 0, got -1"),
        (lambda: codes.gaussian(3, 2, draws=0), "draws must be an integer of at least 1, got 0"),
        (lambda: codes.from_generator([[1, 2], [2, 4]]), "generator must have rank m=2, got rank 1"),
        (lambda: codes.from_generator([[1], [2]]), r"at most as many rows \(m\) as columns \(d\), got shape \(2, 1\)"),
        (lambda: codes.from_generator([[1, math.nan]]), "generator must be finite, got nan"),
        (lambda: codes.from_generator([1, 2]), r"two-dimensional array, got shape \(2,\)"),
        (lambda: codes.harmonic(4, 2).condition([4]), "survivors must be in 0..3, got 4"),
        (lambda: codes.harmonic(4, 2).condition([1, 1]), "survivors must be distinct, got 1 twice"),
        (lambda: codes.harmonic(4, 2).lengthened(3), "length must be an integer of at least 4, got 3"),
        (lambda: codes.harmonic(4, 2).worst_condition(5), "survivors must be an integer in 0..4, got 5 with length=4"),
        (lambda: codes.harmonic(4, 2).worst_condition(limit=0), "limit must be an integer of at least 1, got 0"),
    ],
)
def test_bad_parameters_name_argument_rule_and_value(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize("value", [2.5, "3", True, None])
def test_lengths_are_integers(value):
    with pytest.raises(TypeError, match="length must be an integer of at least 1, got"):
        codes.repetition(value)


def test_complex_generators_are_refused():
    with pytest.raises(TypeError, match="generator must be real numbers, got dtype complex128"):
        codes.from_generator([[1j, 1]])


def test_a_code_cannot_be_changed_from_outside():
    array = np.eye(2)
    code = codes.from_generator(array)
    array[0, 0] = 5
    assert code.generator[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        code.generator[0, 0] = 5


def test_a_distance_that_cannot_be_counted_is_a_bound_and_says_so():
    code = uncountable_code()
    assert not code.minimum_distance_is_exact and 3 <= code.minimum_distance < 21
    assert not code.is_mds
    assert repr(code) == f"<LinearCode [40, 20, ≥{code.minimum_distance}]>"
    repeated = np.hstack([np.eye(20)] * 2)
    code = LinearCode(repeated)  # found by looking at erasures: both copies of a column
    assert code.minimum_distance_is_exact and code.minimum_distance == 2


def test_worst_condition_of_a_non_mds_code_is_over_the_sets_that_always_decode():
    code = codes.from_generator([[1, 0, 1, 0], [0, 1, 0, 1]])  # each half twice: distance 2
    sets = itertools.combinations(range(4), 3)
    assert code.worst_condition() == pytest.approx(max(code.condition(s) for s in sets))


def test_the_error_is_a_gradcode_error():
    with pytest.raises(CodeParameterError, match=r"dimension must be in 1..length, got 4 with length=3"):
        codes.harmonic(3, 4)

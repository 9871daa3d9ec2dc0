"""Every family of codes: distances, conditions known from the literature study, and configurations."""

from __future__ import annotations

import copy
import itertools
import json
import math
import pickle

import numpy as np
import pytest
from contract import uncountable_code

from gradcode import LinearCode, codes
from gradcode.codes import Condition
from gradcode.codes.conditioning import conditions_of, search_sets
from gradcode.errors import CodeParameterError

GOLAY = "11011100010 10111000101 01110001011 11100010110 11000101101 10001011011 00010110111 00101101110 01011011100"
GOLAY = [*GOLAY.split(), "10110111000", "01101110001"]


def golay():
    """The extended binary Golay code [24, 12], read over the real numbers."""
    circulant = np.array([[int(bit) for bit in row] for row in GOLAY])
    checks = np.block([[circulant, np.ones((11, 1))], [np.ones((1, 11)), np.zeros((1, 1))]])
    return np.hstack([np.eye(12), checks])


def parities(*lengths):
    first, second = map(codes.parity, lengths)
    return codes.product(first, second)


HAMMING_7 = [[1, 0, 0, 0, 0, 1, 1], [0, 1, 0, 0, 1, 0, 1], [0, 0, 1, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1, 1]]
RM_1_3 = [[1] * 8, [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 1, 1], [0, 1, 0, 1, 0, 1, 0, 1]]
# (code, distance, worst and typical condition with distance - 1 missing), from the study.
KNOWN = {
    "repetition x2 (8,4)": (codes.product(codes.repetition(2), codes.identity(4)), 2, 1.41, 1.41),
    "repetition x4 (8,2)": (codes.product(codes.repetition(4), codes.identity(2)), 4, 2.0, 1.22),
    "parity (3,2)": (codes.parity(3), 2, 2.62, None),
    "parity (5,4)": (codes.parity(5), 2, 4.79, None),
    "parity (9,8)": (codes.parity(9), 2, 8.89, None),
    "parity (17,16)": (codes.parity(17), 2, 16.9, None),
    "[4,2] integer": (codes.from_generator([[1, 0, 1, 1], [0, 1, 1, -1]]), 3, 2.62, None),
    "Hamming (7,4)": (codes.from_generator(HAMMING_7), 3, 6.18, 3.84),
    "extended Hamming (8,4)": (codes.hamming_extended(), 4, 6.18, 3.84),
    "RM(1,3)": (codes.from_generator(RM_1_3), 4, 7.84, 5.66),
    "simplex (7,3)": (codes.simplex(), 4, 4.42, 3.15),
    "parity x parity (9,4)": (parities(3, 3), 4, 6.58, 3.51),
    "parity x parity (16,9)": (parities(4, 4), 4, 10.4, 6.3),
    "parity x parity (15,8)": (parities(5, 3), 4, 10.1, 5.9),
}


@pytest.mark.parametrize("name", KNOWN)
def test_non_mds_codes_are_as_the_study_found_them(name):
    code, distance, worst, typical = KNOWN[name]
    assert (code.minimum_distance, code.minimum_distance_is_exact) == (distance, True)
    found = codes.from_generator(code.generator)  # and not only what the construction says
    assert (found.minimum_distance, found.minimum_distance_is_exact) == (distance, True)
    assert code.worst_condition().kind == "exact"
    digits = 10.0 ** (-len(f"{worst:g}".partition(".")[2]))
    assert code.worst_condition() == pytest.approx(worst, abs=0.51 * digits)
    assert math.isinf(code.worst_condition(code.length - distance))
    if typical is not None:
        assert code.conditions().typical == pytest.approx(typical, abs=0.51 * 10.0 ** (-len(f"{typical:g}"[2:])))


@pytest.mark.parametrize(
    ("name", "fraction"),
    [
        ("repetition x2 (8,4)", 0.14),
        ("repetition x4 (8,2)", 0.03),
        ("Hamming (7,4)", 0.17),
        ("extended Hamming (8,4)", 0.14),
        ("RM(1,3)", 0.17),
        ("simplex (7,3)", 0.17),
        ("parity x parity (9,4)", 0.07),
        ("parity x parity (16,9)", 0.020),
        ("parity x parity (15,8)", 0.022),
    ],
)
def test_how_many_sets_with_one_more_missing_are_lost(name, fraction):
    code, distance, *_ = KNOWN[name]
    values = code.conditions(code.length - distance).values
    assert np.isinf(values).mean() == pytest.approx(fraction, abs=0.005)


@pytest.mark.slow
def test_the_golay_code_has_distance_8_over_the_real_numbers():
    code = codes.from_generator(golay())
    assert (code.minimum_distance, code.minimum_distance_is_exact) == (8, True)
    assert not code.is_mds


@pytest.mark.parametrize(("d", "m"), [(4, 2), (6, 3), (8, 4), (9, 3), (12, 4), (12, 6), (16, 8)])
def test_the_systematic_form_keeps_every_condition(d, m):
    plain, systematic = codes.harmonic(d, m), codes.harmonic(d, m, systematic=True)
    information = [i * d // m for i in range(m)]
    np.testing.assert_array_equal(systematic.generator[:, information], np.eye(m))
    for survivors in (m, m + 1):
        a, b = (np.sort(code.conditions(survivors).values) for code in (plain, systematic))
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize(("d", "m"), [(5, 1), (5, 3), (6, 6), (12, 5)])
def test_haar_codes_have_orthonormal_rows_and_are_mds(d, m):
    code = codes.haar(d, m, seed=1)
    np.testing.assert_allclose(code.generator @ code.generator.T, np.eye(m), atol=1e-13)
    assert code.is_mds and codes.from_generator(code.generator).is_mds


# Median worst condition over draws, of the study (3 to 5 draws; here 101).
RANDOM = {
    ("gaussian", 5, 2): 32,
    ("gaussian", 8, 2): 43,
    ("gaussian", 6, 3): 55,
    ("gaussian", 8, 4): 248,
    ("gaussian", 8, 6): 166,
    ("gaussian", 10, 8): 673,
    ("haar", 8, 2): 68,
    ("haar", 6, 3): 70,
    ("haar", 8, 4): 304,
    ("haar", 8, 6): 175,
    ("haar", 10, 8): 309,
    ("haar", 10, 6): 2e3,
}


@pytest.mark.parametrize(("family", "d", "m"), RANDOM)
def test_random_families_are_within_a_factor_of_three(family, d, m):
    worst = [getattr(codes, family)(d, m, seed=seed).worst_condition() for seed in range(101)]
    assert RANDOM[family, d, m] / 3 < np.median(worst) < RANDOM[family, d, m] * 3


# Chebyshev-Vandermonde: all sets. (d, m): worst, to the digits printed.
CHEBYSHEV = {(5, 2): 8.6, (8, 2): 25, (12, 2): 59, (5, 3): 12, (6, 3): 32, (8, 3): 130, (8, 4): 237, (8, 6): 72}
CHEBYSHEV |= {(10, 8): 161, (6, 4): 25, (12, 3): 842, (32, 2): 438}


def half_a_digit(printed):
    """Half of the last digit of a number as it stands in the source."""
    mantissa, _, exponent = f"{printed:.15g}".partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    if "." not in mantissa:  # 13900.0 was 1.39e4
        decimals -= len(mantissa) - len(mantissa.rstrip("0"))
    return 0.501 * 10.0**-decimals


@pytest.mark.parametrize(("shape", "worst"), CHEBYSHEV.items(), ids=str)
def test_chebyshev_vandermonde(shape, worst):
    assert codes.chebyshev_vandermonde(*shape).worst_condition() == pytest.approx(worst, abs=half_a_digit(worst))


def test_vandermonde_on_equal_steps_in_minus_one_to_one():
    assert codes.vandermonde(np.linspace(-1, 1, 8), 4).worst_condition() == pytest.approx(185, rel=2e-3)
    assert codes.vandermonde(range(1, 9), 4).condition(range(4)) == pytest.approx(1.2e3, rel=0.03)


# Harmonic frames of the study, three digits or more; where there are too many sets, that of neighbouring columns.
HARMONIC = {
    (5, 2): 3.077683537175253,
    (8, 2): 5.027,
    (12, 2): 7.596,
    (32, 2): 20.36,
    (64, 2): 40.7,
    (5, 3): 3.618,
    (6, 3): 5.828,
    (8, 3): 11.865469301587,
    (12, 3): 29.8,
    (32, 3): 230,
    (6, 4): 4.732050807569,
    (8, 4): 15.257051688265,
    (10, 4): 35.8,
    (12, 4): 69.225029293898,
    (16, 4): 185,
    (24, 4): 687,
    (32, 4): 1685,
    (64, 4): 1.39e4,
    (8, 6): 7.249,
    (10, 5): 42.337059806947,
    (10, 6): 36.4,
    (12, 6): 121.546995898,
    (16, 6): 714,
    (20, 6): 2625,
    (32, 6): 3.5e4,
    (9, 8): 3.0,
    (10, 8): 10.1073560080,
    (12, 8): 72.2,
    (16, 8): 1059.539664560505,
    (20, 8): 7039,
    (24, 8): 3.09e4,
    (32, 8): 2.97e5,
    (24, 12): 8.99e4,
    (20, 16): 463,
    (24, 16): 3.10e4,
    (32, 16): 8.18e6,
    (64, 16): 9.5e11,
    (64, 8): 5.3e7,
}


@pytest.mark.parametrize(("shape", "worst"), HARMONIC.items(), ids=str)
def test_harmonic_frames(shape, worst):
    code = codes.harmonic(*shape)
    neighbours = code.condition(range(code.dimension))
    assert neighbours == pytest.approx(worst, abs=half_a_digit(worst), rel=1e-9)
    assert code.worst_condition() == pytest.approx(neighbours, rel=1e-9)


SURVEYED = [
    pytest.param(shape, marks=[pytest.mark.slow] if math.comb(*shape) > 50_000 else [], id=str(shape))
    for shape in HARMONIC
    if math.comb(*shape) <= 1_000_000
]


@pytest.mark.parametrize("shape", SURVEYED)
def test_the_worst_survivors_of_a_harmonic_frame_are_neighbours(shape):
    code = codes.harmonic(*shape)
    found = search_sets(code.length, code.dimension, conditions_of(code.generator), 1_000_000)
    assert found.exhaustive and found.worst == pytest.approx(code.condition(range(code.dimension)), rel=1e-9)


def test_theory_of_the_harmonic_frame():
    for d in range(4, 16):
        assert codes.harmonic(d, d - 1).worst_condition() == pytest.approx(math.sqrt(d), rel=1e-9)
        if d > 4:
            expected = math.sqrt(d) / (2 * math.sin(math.pi / (2 * d)))
            assert codes.harmonic(d, d - 2).worst_condition() == pytest.approx(expected, rel=1e-9)


# Harmonic and table codes with one or two survivors to spare, and typical conditions.
SURPLUS = [
    (codes.harmonic(5, 2), {3: 1.83, 4: 1.29}, 2.2),
    (codes.harmonic(8, 4), {5: 5.1, 6: 2.4, 8: 1.0}, 5.0),
    (codes.harmonic(12, 4), {5: 24, 6: 11, 8: 3.5}, 6.0),
    (codes.harmonic(12, 6), {7: 32, 8: 11, 10: 2.4}, 8.4),
    (codes.default(12, 4), {5: 8.3, 6: 5.0}, 5.0),
    (codes.default(12, 6), {7: 8.0, 8: 5.5}, 7.5),
    (codes.default(16, 8), {9: 27, 10: 8.6}, 9.1),
]


@pytest.mark.parametrize(("code", "worst", "typical"), SURPLUS, ids=lambda value: repr(value))
def test_conditions_with_survivors_to_spare(code, worst, typical):
    for survivors, value in worst.items():
        assert code.worst_condition(survivors) == pytest.approx(value, rel=0.03)
    assert code.conditions(code.dimension).typical == pytest.approx(typical, rel=0.03)


def test_a_search_says_that_it_is_a_lower_bound():
    code = codes.haar(24, 8)
    found = code.worst_condition(limit=3000)
    assert found.kind == "lower bound" and repr(found).startswith("at least ")
    assert found == code.worst_condition(limit=3000)  # the same every time
    assert code.conditions(limit=3000).exhaustive is False
    assert codes.harmonic(40, 8).worst_condition().kind == "closed form"
    assert codes.harmonic(40, 8).worst_condition(9).kind == "lower bound"
    exact = codes.haar(9, 4)
    assert exact.worst_condition().kind == "exact"
    assert exact.worst_condition(limit=20) <= exact.worst_condition() * (1 + 1e-9)
    everything = [exact.condition(columns) for columns in itertools.combinations(range(9), 4)]
    assert exact.worst_condition() == pytest.approx(max(everything), rel=1e-9)


def test_a_condition_keeps_what_is_known_of_it():
    marked = Condition(3.5, "lower bound")
    for other in (copy.deepcopy(marked), pickle.loads(pickle.dumps(marked))):
        assert (other, other.kind, f"{other:.1f}") == (3.5, "lower bound", "3.5")


EVERY = [
    codes.harmonic(8, 4),
    codes.harmonic(8, 4, systematic=True),
    codes.frequency(12, (2, 10), 13),
    codes.gaussian(6, 3, seed=4, draws=3),
    codes.haar(6, 3, seed=4, draws=3),
    codes.vandermonde(np.linspace(-1, 1, 5), 2),
    codes.chebyshev_vandermonde(6, 2),
    codes.repetition(3),
    codes.identity(3),
    codes.parity(4),
    codes.hamming_extended(),
    codes.simplex(),
    codes.icosahedron(),
    codes.product(codes.parity(3), codes.gaussian(3, 2, seed=np.int64(2))),
    codes.from_generator([[1, 1 / 3], [0, 1]]),
    LinearCode([[0.1, 0.2, 0.3]]),
    codes.harmonic(3, 2).lengthened(5),
    codes.parity(3).lengthened(5),
]


@pytest.mark.parametrize("code", EVERY, ids=repr)
def test_configurations_survive_json(code):
    config = json.loads(json.dumps(code.to_config()))
    again = LinearCode.from_config(config)
    assert again == code and hash(again) == hash(code)
    assert again.to_config() == code.to_config()
    if "lengthened" not in code.name and code.name != "LinearCode":
        assert repr(again) == repr(code)


def test_every_construction_has_been_tried():
    from gradcode.codes.recipes import CONSTRUCTIONS

    assert {code.to_config()["code"] for code in EVERY} == set(CONSTRUCTIONS)


def test_a_configuration_keeps_no_reference_to_its_arguments():
    nodes = [0.0, 1.0, 2.0]
    code = codes.vandermonde(nodes, 2)
    nodes[0] = 9
    assert LinearCode.from_config(code.to_config()) == code


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"code": "repetition", "length": 3}, "config must have version 1, got None"),
        ({"version": 2, "code": "repetition", "length": 3}, "config must have version 1, got 2"),
        ({"version": 1, "code": "turbo"}, r"config's code must be one of .*repetition.*, got 'turbo'"),
        ({"version": 1, "code": "repetition"}, r"config does not fit the code repetition: missing .*length"),
        ({"version": 1, "code": "repetition", "length": 3, "x": 1}, "config does not fit the code repetition: got an"),
        ({"version": 1, "code": "repetition", "length": 0}, "length must be an integer of at least 1, got 0"),
    ],
)
def test_bad_configurations_are_refused(config, text):
    with pytest.raises(ValueError, match=text):
        LinearCode.from_config(config)
    with pytest.raises(TypeError, match="config must be a mapping, got str"):
        LinearCode.from_config("harmonic")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: codes.harmonic(7, 3, systematic=True), "dimension must divide length .*, got 3 with length=7"),
        (lambda: codes.frequency(14, (2, 10), 13), "length must be in 1..full_length, got 14 with full_length=13"),
        (lambda: codes.frequency(5, (2, 2), 13), r"frequencies must be distinct, and at least one, got \[2, 2\]"),
        (lambda: codes.frequency(5, (), 13), r"frequencies must be distinct, and at least one, got \[\]"),
        (lambda: codes.frequency(5, (14,), 13), "frequencies must be an integer in 0..12, got 14"),
        (lambda: codes.vandermonde([1, 2, 1], 2), r"nodes must be distinct numbers, got \[1.0, 2.0, 1.0\]"),
        (lambda: codes.vandermonde([1, math.inf], 2), "nodes must be finite, got inf"),
        (lambda: codes.parity(1), "length must be an integer of at least 2, got 1"),
        (lambda: codes.haar(4, 5), "dimension must be in 1..length, got 5 with length=4"),
        (lambda: codes.default(4, 5), "dimension must be in 1..length, got 5 with length=4"),
        (lambda: codes.chebyshev_vandermonde(4, 5), "dimension must be in 1..length, got 5 with length=4"),
        (
            lambda: codes.product(codes.parity(3), uncountable_code()),
            "second must have a known minimum distance, got <LinearCode",
        ),
    ],
)
def test_bad_parameters_name_argument_rule_and_value(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: codes.product(codes.parity(3), 3), "second must be a LinearCode, got int"),
        (lambda: codes.harmonic(4, 2, systematic=1), "systematic must be True or False, got 1"),
        (lambda: codes.frequency(4, 2, 13), "frequencies must be a sequence of integers, got int"),
    ],
)
def test_bad_types_name_argument_and_rule(call, text):
    with pytest.raises(TypeError, match=text):
        call()


def test_an_unreachable_distance_is_refused():
    with pytest.raises(ValueError, match=r"minimum_distance must be an integer in 1..2, got 3"):
        LinearCode([[1, 0, 1], [0, 1, 1]], minimum_distance=3)
    assert isinstance(CodeParameterError("x"), ValueError)

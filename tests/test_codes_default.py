"""The code that is taken where none is named: the precomputed choice, derived again."""

from __future__ import annotations

import math

import pytest

from gradcode import codes
from gradcode.codes.conditioning import conditions_of, search_sets
from gradcode.codes.frequencies import FREQUENCIES

# Every frequency set of the study: dimension, full length, frequencies, exact worst condition of all its columns.
TABLE = [
    (4, 13, (2, 10), 30.26207159),
    (4, 14, (1, 5), 54.62396828),
    (4, 17, (2, 8), 77.01502263),
    (4, 25, (2, 14), 130.925547),
    (4, 30, (1, 27), 338.6433202),
    (5, 13, (0, 2, 10), 79.29806582),
    (5, 14, (0, 2, 8), 101.99),
    (5, 17, (0, 2, 8), 107.2072088),
    (5, 25, (0, 2, 14), 1292.624699),
    (6, 13, (2, 6, 8), 24.37421651),
    (6, 19, (2, 14, 16), 290.0951886),
    (6, 22, (1, 3, 7), 1820),
    (6, 26, (1, 3, 7), 4750),
    (7, 13, (0, 2, 6, 8), 25.57280065),
    (7, 17, (0, 2, 4, 8), 627.8676483),
    (7, 19, (0, 2, 14, 16), 982.8682758),
    (8, 13, (2, 4, 6, 10), 92.31093987),
    (8, 17, (2, 4, 8, 16), 101.7505421),
    (9, 17, (0, 2, 4, 8, 16), 104.4988418),
    (10, 14, (1, 3, 5, 7, 11), 74.10534718),
    (10, 17, (2, 4, 6, 8, 16), 629.055441),
    (12, 16, (1, 3, 5, 7, 9, 13), 115.3968799),
    (12, 17, (2, 4, 6, 8, 10, 16), 138.155986),
    (12, 19, (2, 4, 6, 10, 14, 16), 1153.408865),
]


def exact_worst(code):
    """Over all sets of m columns, whatever the code says of itself."""
    found = search_sets(code.length, code.dimension, conditions_of(code.generator), 1_000_000)
    assert found.exhaustive
    return found.worst


@pytest.mark.slow
def test_the_frequency_table_has_the_worst_conditions_of_the_study():
    for dimension, length, frequencies, worst in TABLE:
        code = codes.frequency(length, frequencies, length)
        assert code.dimension == dimension
        digits = 1e-6 if worst != round(worst, 2) else 2e-3
        assert exact_worst(code) == pytest.approx(worst, rel=digits), (length, frequencies)


@pytest.mark.parametrize(
    "dimension",
    [pytest.param(d, marks=[pytest.mark.slow] if d in (5, 6) else []) for d in sorted({entry[0] for entry in TABLE})],
)
def test_the_choice_is_the_smallest_worst_condition(dimension):
    entries = [entry for entry in TABLE if entry[0] == dimension]
    assert {(e[1], e[2]) for e in entries} >= {(r.full_length, r.frequencies) for r in FREQUENCIES[dimension]}
    longest = max(entry[1] for entry in entries)
    exact = {}  # of the table's codes, cut to each length
    for length in range(dimension + 1, longest + 2):
        harmonic = codes.harmonic(length, dimension)
        plain = harmonic.condition(range(dimension))  # the worst; tests/test_codes_families.py
        for _, full, frequencies, _ in entries:
            if full >= length:
                cut = codes.frequency(length, frequencies, full)
                exact[length, full] = (exact_worst(cut), cut)
        at_length = [value for key, value in exact.items() if key[0] == length]
        best = min(at_length, default=(math.inf, None), key=lambda value: value[0])
        chosen = codes.default(length, dimension)
        if best[0] <= plain / 1.15:
            assert chosen == best[1], (length, dimension)
        elif (length, dimension) != (6, 3):
            assert chosen == harmonic, (length, dimension)
        assert chosen.is_mds


def test_the_choice_elsewhere():
    assert codes.default(1, 1) == codes.repetition(1)
    assert codes.default(7, 1) == codes.repetition(7)
    assert codes.default(7, 7) == codes.identity(7)
    assert codes.default(6, 3).worst_condition() == pytest.approx(3.702, abs=5e-4)
    for length in range(3, 30):
        assert codes.default(length, 2) == codes.harmonic(length, 2)
        assert codes.default(length + 1, length) == codes.harmonic(length + 1, length)
        if length > 3:
            assert codes.default(length, length - 2) == codes.harmonic(length, length - 2)
    assert codes.default(50, 20) == codes.harmonic(50, 20)


def test_table_codes_know_that_they_are_mds_without_a_search():
    for ranges in FREQUENCIES.values():
        for choice in ranges:
            code = codes.frequency(choice.full_length, choice.frequencies, choice.full_length)
            assert "_distance" in vars(code) and code.is_mds

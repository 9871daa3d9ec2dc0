"""Every scheme and code, from every set of survivors up to nine workers (twelve: slow), from random ones beyond."""

from __future__ import annotations

import contract
import numpy as np
import pytest

from gradcode import (
    CyclicRepetition,
    FractionalRepetition,
    GradientCode,
    Grouped,
    Uncoded,
    YeAbbe,
    codes,
    design,
)
from gradcode.errors import CodeParameterError

pytestmark = pytest.mark.filterwarnings("ignore::gradcode.errors.LoadWarning")

ALL = [(n, s, m) for n in range(1, 13) for s in range(n) for m in range(1, n - s + 1)]
SLOW = pytest.mark.slow
each_n = pytest.mark.parametrize("n", [*range(1, 10), *(pytest.param(n, marks=SLOW) for n in range(10, 13))])


@each_n
@pytest.mark.parametrize(
    ("prefer", "placement"), [("stability", "auto"), ("decoding", "auto"), ("stability", "grouped")]
)
def test_designs(n, prefer, placement):
    for s, m in ((s, m) for size, s, m in ALL if size == n):
        scheme = design(n, s, m, prefer=prefer, placement=placement)
        assert scheme.stragglers >= s and scheme.communication == m
        contract.check_patterns(scheme)


@each_n
@pytest.mark.parametrize("nodes", ["published", "equispaced", "chebyshev", "gaussian", "harmonic", "integer"])
def test_ye_abbe(n, nodes):
    for s, m in ((s, m) for size, s, m in ALL if size == n):
        if nodes == "harmonic" and m % 2:
            continue
        try:
            scheme = YeAbbe(n, s + m, s, m, nodes)
        except CodeParameterError as error:
            # Powers of 1..n lose everything, which is said.
            assert nodes == "integer" and n >= 11 and "no digits would be left" in str(error)
            continue
        assert (scheme.load, scheme.stragglers, scheme.communication) == (s + m, s, m)
        contract.check_patterns(scheme)


@each_n
def test_cyclic_repetition(n):
    for s in range(n):
        scheme = CyclicRepetition(n, s)
        assert (scheme.load, scheme.stragglers, scheme.communication) == (s + 1, s, 1)
        contract.check_patterns(scheme)
        if (n - s) % 2:
            contract.check_patterns(CyclicRepetition(n, s, "harmonic"))


@each_n
def test_fractional_repetition_and_uncoded(n):
    contract.check_patterns(Uncoded(n))
    for s in range(n):
        contract.check_patterns(FractionalRepetition(n, s))


CODES = [
    codes.gaussian(5, 3),
    codes.haar(6, 2),
    codes.harmonic(6, 3, systematic=True),
    codes.frequency(12, (2, 10), 13),
    codes.vandermonde(np.linspace(-1, 1, 6), 3),
    codes.chebyshev_vandermonde(6, 4),
    codes.parity(5),
    codes.hamming_extended(),
    codes.simplex(),
    codes.icosahedron(),
    codes.product(codes.parity(3), codes.parity(3)),
    codes.product(codes.repetition(3), codes.identity(3)),
    codes.from_generator([[1, 0, 1, 1], [0, 1, 1, -1]]),
    codes.identity(4),
]


@pytest.mark.parametrize("code", CODES, ids=repr)
@pytest.mark.parametrize("prefer", ["stability", "decoding"])
@pytest.mark.parametrize("sizes", [range(10), pytest.param(range(10, 13), marks=SLOW)], ids=str)
def test_every_code_makes_a_scheme(code, prefer, sizes):
    for n in range(max(code.length, sizes.start), sizes.stop):
        contract.check_patterns(Grouped(n, code, prefer=prefer))


def own(n, s, seed=0):
    """Coefficients of somebody's own: three of every four subsets of a cyclic scheme and a repeated pair."""
    cyclic = CyclicRepetition(n, s, seed=seed)
    table = np.zeros((n, n))
    for worker in range(n):
        for subset, (value,) in zip(cyclic.subsets(worker), cyclic.coefficients(worker), strict=True):
            table[worker, subset.index] = value
    return table


@pytest.mark.parametrize("n", range(2, 10))
def test_coefficients_of_ones_own(n):
    for s in range(min(n, 4)):
        table = own(n, s)
        scheme = GradientCode.from_coefficients(table)
        assert scheme.stragglers == s and scheme.communication == 1
        contract.check_patterns(scheme)
        mixed = np.zeros((n + 2, n + 1))
        mixed[:n, :n] = table
        mixed[n:, n] = (1, -2)  # two more workers with a subset of their own
        both = GradientCode.from_coefficients(mixed)
        assert len(both.systems) == (2 if s or n > 1 else 1) + (n - 1 if s == 0 else 0)
        assert both.stragglers == min(s, 1)
        contract.check_patterns(both)


LARGE = [
    Grouped(100, codes.default(10, 5)),
    Grouped(100, codes.default(20, 10)),
    Grouped(97, codes.default(12, 6)),
    Grouped(100, codes.hamming_extended(), prefer="decoding"),
    Grouped(60, [codes.default(8, 4)] * 3 + [codes.default(12, 4)] * 3, shares=[1, 1, 1, 2, 2.5, 2]),
    CyclicRepetition(40, 3),
    YeAbbe(50, 10, 6, 4, "harmonic"),
    YeAbbe(18, 5, 3, 2, "published"),
]


LARGEST = [CyclicRepetition(51, 4, "harmonic"), YeAbbe(100, 5, 3, 2, "harmonic"), YeAbbe(60, 5, 2, 3, "gaussian")]


@pytest.mark.parametrize("scheme", [*LARGE, *(pytest.param(scheme, marks=SLOW) for scheme in LARGEST)], ids=repr)
def test_random_patterns_of_large_schemes(scheme):
    n, s = scheme.n_workers, scheme.stragglers
    rng = np.random.default_rng(n)
    gradients = rng.standard_normal((scheme.n_subsets, 30))
    messages = contract.encode_all(scheme, gradients)
    contract.check_shares(scheme)
    neighbours = [tuple((start + i) % n for i in range(s)) for start in range(0, n, 17)]
    for lost in [*neighbours, *(tuple(rng.choice(n, s, replace=False)) for _ in range(20))]:
        contract.check_decode(scheme, gradients, messages, [w for w in range(n) if w not in lost])


SMALL = [
    design(6, 2, 2),
    CyclicRepetition(6, 2),
    CyclicRepetition(7, 2, "harmonic"),
    CyclicRepetition(5, 1),
    YeAbbe(6, 4, 2, 2, "harmonic"),
    YeAbbe(7, 4, 1, 3),
    YeAbbe(8, 4, 2, 2),
    YeAbbe(7, 3, 1, 2, "gaussian"),
    GradientCode.from_coefficients(own(6, 2)),
    GradientCode.from_coefficients([[0.5, 1, 0], [0, 1, -1], [0.5, 0, 1]]),
    # A worker too many that helps with one subset only, and four that repeat each other.
    GradientCode.from_coefficients([[1, 0, 0], [0, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 5]]),
    Grouped(7, [codes.parity(3), codes.harmonic(4, 2)]),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scheme", SMALL, ids=repr)
def test_the_contract(scheme, dtype):
    contract.check_scheme(scheme, dtype, sizes=(1, 33))
    contract.check_refusals(scheme)

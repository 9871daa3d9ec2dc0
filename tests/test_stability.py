"""How much decoding loses: bounds for random schemes, and float32 against a plain sum."""

from __future__ import annotations

import functools
import warnings

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
    condition_bound,
    design,
)
from gradcode.errors import CodeParameterError, PrecisionWarning, ScaleWarning

pytestmark = pytest.mark.filterwarnings("ignore::gradcode.errors.LoadWarning")

EPS32 = np.finfo(np.float32).eps


@pytest.mark.parametrize(("d", "m"), [(5, 2), (8, 4), (12, 6)])
def test_float32_is_as_good_as_a_plain_sum(d, m):
    n, size = 1000, 600
    scheme = Grouped(n, codes.default(d, m))
    rng = np.random.default_rng([d, m])
    subsets = rng.standard_normal((n, size)).astype(np.float32)
    exact = subsets.sum(axis=0, dtype=np.float64)

    plain = np.zeros(size, np.float32)
    for gradient in subsets:
        plain += gradient
    plain_error = np.linalg.norm(plain - exact) / np.linalg.norm(exact)

    shares = np.zeros((scheme.n_subsets, size), np.float32)
    for share, subset in zip(shares, (scheme.subsets(s.workers[0])[0] for s in scheme.systems), strict=True):
        for gradient in subsets[subset.slice(n)]:
            share += gradient
    messages = [scheme.encode(w, shares[scheme.subsets(w)[0].index]) for w in range(n)]

    made = {system.matrix.shape[1]: code for system, code in zip(scheme.systems, scheme.codes, strict=True)}
    worst = {size: worst_missing(code) for size, code in made.items()}
    for pattern in range(11):
        survivors = []
        for system in scheme.systems:
            lost = worst[len(system.workers)] if pattern == 0 else None
            if lost is None:
                lost = rng.choice(len(system.workers), len(system.workers) - m, replace=False)
            survivors += [w for i, w in enumerate(system.workers) if i not in lost]
        decoder = scheme.decoder(size, "float32")
        for worker in survivors:
            decoder.add(worker, messages[worker])
        condition = max(decoder.survivors.solution(index).condition for index in range(len(scheme.systems)))
        error = np.linalg.norm(decoder.result() - exact) / np.linalg.norm(exact)
        assert error <= plain_error + 0.3 * condition * EPS32, (pattern, error, plain_error, condition)


def worst_missing(code):
    """The columns that are lost where the worst m are left."""
    from itertools import combinations

    left = max(combinations(range(code.length), code.dimension), key=code.condition)
    return [i for i in range(code.length) if i not in left]


# (grouped bound, Ye-Abbe bound) of the study, for probability 1/2.
BOUNDS = {
    (10, 5, 3, 2): (102, 4.3e3),
    (20, 5, 3, 2): (102, 9.9e4),
    (20, 10, 5, 5): (6.4e3, 1.2e6),
    (24, 8, 4, 4): (1.4e3, 1.1e6),
}


@pytest.mark.parametrize("shape", BOUNDS, ids=str)
def test_bounds_have_the_values_of_the_study(shape):
    n, d, s, m = shape
    grouped, ye_abbe = BOUNDS[shape]
    assert condition_bound(Grouped(n, codes.gaussian(d, m)), 0.5) == pytest.approx(grouped, rel=0.03)
    assert condition_bound(YeAbbe(n, d, s, m, "gaussian"), 0.5) == pytest.approx(ye_abbe, rel=0.08)  # encoding included


@functools.cache
def worst_conditions(d, m, draws):
    return np.array([codes.gaussian(d, m, seed=seed).worst_condition() for seed in range(draws)])


@pytest.mark.parametrize(("d", "m"), [(5, 2), (6, 3), (8, 4)])
@pytest.mark.parametrize("probability", [0.5, 0.2, 0.05])
def test_grouped_draws_exceed_the_bound_less_often_than_promised(d, m, probability):
    draws = 400
    bound = condition_bound(Grouped(d, codes.gaussian(d, m)), probability)
    exceeded = (worst_conditions(d, m, draws) > bound).sum()
    assert exceeded / draws <= probability
    assert exceeded > 0 or probability < 0.5  # the bound is no more than an order of magnitude off


@pytest.mark.parametrize("probability", [0.5, 0.1])
def test_ye_abbe_draws_exceed_the_bound_less_often_than_promised(probability):
    n, d, s, m = 8, 4, 2, 2
    bound = condition_bound(YeAbbe(n, d, s, m, "gaussian"), probability)
    exceeded, draws = 0, 300
    for seed in range(draws):
        basis = np.random.default_rng([seed, 0]).standard_normal((n - s, n))  # one draw, and not the best of twenty
        code = codes.from_generator(basis)
        encoding = max(np.linalg.cond(basis[: n - d, [(j + 1 + i) % n for i in range(n - d)]]) for j in range(n))
        exceeded += max(code.conditions(n - s).worst, encoding) > bound
    assert exceeded / draws <= probability


def test_bounds_are_for_random_schemes():
    for scheme in (design(12, 2, 2), YeAbbe(8, 4, 2, 2), CyclicRepetition(5, 2)):
        with pytest.raises(CodeParameterError, match=r"must be made of Gaussian matrices, got .*worst_condition"):
            condition_bound(scheme, 0.5)
    for bad in (0, 1.5, -1):
        with pytest.raises(ValueError, match="probability must be"):
            condition_bound(Grouped(4, codes.gaussian(4, 2)), bad)
    with pytest.raises(TypeError, match="scheme must be a GradientCode, got LinearCode"):
        condition_bound(codes.gaussian(4, 2), 0.5)
    assert condition_bound(Grouped(4, codes.gaussian(4, 1)), 0.1) == 1


def test_worst_conditions_of_schemes():
    assert design(12, 2, 2).worst_condition() == codes.harmonic(4, 2).worst_condition()
    mixed = Grouped(9, [codes.harmonic(5, 2), codes.gaussian(4, 2)])  # any two may be missing, of either group
    expected = max(codes.harmonic(5, 2).worst_condition(3), codes.gaussian(4, 2).worst_condition(2))
    assert mixed.worst_condition() == expected and mixed.worst_condition().kind == "exact"
    assert Uncoded(5).worst_condition() == FractionalRepetition(6, 1).worst_condition() == 1
    assert Grouped(80, codes.harmonic(40, 8)).worst_condition().kind == "closed form"
    assert Grouped(40, codes.haar(20, 8)).worst_condition(limit=50).kind == "lower bound"
    cyclic = CyclicRepetition(8, 2)
    assert cyclic.worst_condition().kind == "exact"
    # It is what decoding multiplies rounding by: about the error of the weights in eps.
    assert 1 <= CyclicRepetition(5, 2, "harmonic").worst_condition() < 10
    assert YeAbbe(10, 5, 3, 2, "harmonic").worst_condition() < 30 < YeAbbe(10, 5, 3, 2).worst_condition() / 100


def test_float32_is_warned_of_where_it_loses_digits():
    lossy = Grouped(24, codes.harmonic(24, 12))  # worst condition 9e4
    with pytest.warns(PrecisionWarning, match=r"can lose 5.0 of their 7 digits .* is 9.0e\+04"):
        lossy.decoder(24, "float32")
    with pytest.warns(PrecisionWarning, match="float32"):
        YeAbbe(12, 6, 3, 3).decoder(12, "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lossy.decoder(24)
        Grouped(16, codes.default(16, 8)).decoder(16, "float32")
        YeAbbe(20, 5, 3, 2, "harmonic").decoder(20, "float32")


def test_a_code_that_leaves_no_digits_is_refused():
    with pytest.raises(CodeParameterError, match="no digits would be left"):
        Grouped(90, codes.harmonic(90, 20))
    near = 1e-13
    with pytest.raises(CodeParameterError, match=r"at most 1e\+12, got 2.0e\+13 for .*: no digits would be left"):
        Grouped(3, codes.from_generator([[1, 1, 0], [0, near, 1]]))


def test_no_scheme_does_it_with_less_load():
    """d = s + m − 1 is refused with the reason, by whoever is asked."""
    with pytest.raises(CodeParameterError, match=r"max_load must be at least stragglers \+ communication = 4, got 3"):
        design(12, 2, 2, max_load=3)
    with pytest.raises(CodeParameterError, match=r"load must be stragglers \+ communication = 4, got 3: no scheme"):
        YeAbbe(12, 3, 2, 2)
    # Coefficients that claim it do not decode: three of the workers hold each subset, in halves, two missing.
    rng = np.random.default_rng(0)
    table = np.zeros((6, 6, 2))
    for worker in range(6):
        for step in range(3):
            table[worker, (worker + step) % 6] = rng.standard_normal(2)
    with pytest.raises(
        CodeParameterError, match=r"block 1 of it is no combination of what workers \[0, 1, 2, 3, 4, 5\] send"
    ):
        GradientCode.from_coefficients(table, stragglers=2)


def test_ten_thousand_workers():
    scheme = design(10_000, 2, 2)
    assert (scheme.n_subsets, scheme.load) == (2500, 4)
    survivors = [w for w in range(10_000) if w % 4 != w // 4 % 4]
    weights = scheme.weights(survivors)
    for start in (0, 3 * 777):
        coefficients = np.array([scheme.coefficients(w)[0] for w in survivors[start : start + 3]])
        np.testing.assert_allclose(weights[:, start : start + 3] @ coefficients, np.eye(2), atol=1e-13)


@pytest.mark.filterwarnings("ignore::gradcode.errors.PrecisionWarning")
def test_large_cyclic_schemes_are_warned_of(monkeypatch):
    from gradcode.schemes import scale

    monkeypatch.setattr(scale, "SLOW_SYSTEM", 30)  # making 600 workers' takes seconds
    with pytest.warns(ScaleWarning, match="means solving a system of 38 unknowns, a second or more each time"):
        CyclicRepetition(40, 2)
    with pytest.warns(ScaleWarning):
        YeAbbe(40, 4, 2, 2, "harmonic")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        YeAbbe(20, 4, 2, 2, "harmonic")
        design(10_000, 2, 2)

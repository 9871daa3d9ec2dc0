"""Ye and Abbe's scheme: its trade-off, and how its nodes lose digits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gradcode import YeAbbe
from gradcode.errors import CodeParameterError, NotDecodable

DIAGONAL = [(n, d, s, m) for n in (8, 12, 16, 20, 24, 30) for d, s, m in [(n // 2, n // 2 - n // 4, n // 4)]]
SHAPES = sorted({*DIAGONAL, *((n, 4, 1, 3) for n, *_ in DIAGONAL), *((n, n // 2, n // 2 - 2, 2) for n, *_ in DIAGONAL)})


def published_nodes(n):
    positive = 1 + np.arange(n // 2) / 2
    return np.concatenate([-positive[::-1], [0.0] * (n % 2), positive])


def decode_errors(n, d, s, m):
    """Relative errors from ten random sets: decoded by us (None where refused), and by solving with the powers."""
    scheme = YeAbbe(n, d, s, m, "published", max_condition=np.inf)
    rng = np.random.default_rng([n, d, m])
    gradients = rng.standard_normal((n, 40 * m))
    exact = gradients.sum(axis=0)
    messages = [scheme.encode(w, [gradients[subset.index] for subset in scheme.subsets(w)]) for w in range(n)]
    powers = np.vander(published_nodes(n), n - s, increasing=True)
    ours, theirs = [], []
    for _ in range(10):
        survivors = np.sort(rng.choice(n, n - s, replace=False)).tolist()
        received = np.array([messages[w] for w in survivors])
        try:
            result = (scheme.weights(survivors) @ received).ravel()
            ours.append(np.linalg.norm(result - exact) / np.linalg.norm(exact))
        except NotDecodable:
            ours.append(None)
        result = np.linalg.solve(powers[survivors], received)[n - s - m :].ravel()
        theirs.append(np.linalg.norm(result - exact) / np.linalg.norm(exact))
    return ours, theirs


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0] <= 20], ids=str)
def test_published_nodes_are_accurate_up_to_twenty_workers(shape):
    ours, theirs = decode_errors(*shape)
    limit = 1e-6 if shape[0] <= 16 else 1e-3
    assert None not in ours and max(ours) < limit
    assert max(theirs) < limit
    YeAbbe(*shape)  # and not refused


@pytest.mark.parametrize(("shape", "least"), [((24, 12, 6, 6), 1e-2), ((30, 15, 8, 7), 1.0)], ids=str)
def test_published_nodes_fail_beyond_and_are_refused(shape, least):
    ours, theirs = decode_errors(*shape)
    assert max(theirs) > least
    assert None in ours or max(ours) > least / 10
    scheme = YeAbbe(*shape, max_condition=np.inf)
    decoder = scheme.decoder(1)
    for worker in range(scheme.n_workers - scheme.stragglers):
        assert not decoder.add(worker, np.zeros(1))  # waits for more, unless told to accept any condition
    with pytest.raises(CodeParameterError, match=r"condition of decoding must be at most 1e\+12, got .* no digits"):
        YeAbbe(*shape)


@pytest.mark.parametrize("n", [24, 30])
def test_more_is_lost_to_the_powers_than_to_the_code(n):
    ours, theirs = decode_errors(n, 4, 1, 3)
    assert max(ours) < 1e-3 * max(theirs) and max(ours) < 1e-7


@pytest.mark.parametrize(
    ("shape", "worst"),
    [
        ((20, 4, 2, 2), 2e-15),
        ((20, 10, 6, 4), 4e-14),
        ((20, 10, 2, 8), 3e-15),
        ((50, 10, 6, 4), 1e-13),
        ((100, 5, 3, 2), 7e-15),
        pytest.param((100, 10, 6, 4), 2e-13, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_harmonic_variant_loses_next_to_nothing(shape, worst):
    scheme = YeAbbe(*shape, "harmonic")
    n, s = scheme.n_workers, scheme.stragglers
    rng = np.random.default_rng(n)
    gradients = rng.standard_normal((n, 40))
    exact = gradients.sum(axis=0)
    messages = np.array([scheme.encode(w, [gradients[x.index] for x in scheme.subsets(w)]) for w in range(n)])
    sets = [sorted((start + i) % n for i in range(n - s)) for start in range(0, n, n // 4)]
    sets += [np.sort(rng.choice(n, n - s, replace=False)).tolist() for _ in range(12)]
    errors = [np.linalg.norm((scheme.weights(S) @ messages[S]).ravel() - exact) / np.linalg.norm(exact) for S in sets]
    assert max(errors) < 5 * worst  # five times what the study found over other sets
    assert max(np.abs(scheme.coefficients(w)).max() for w in range(n)) < 4


def test_load_is_stragglers_plus_communication_and_nothing_else():
    for n, s, m in itertools.product((5, 8), range(4), range(1, 4)):
        if s + m > n:
            continue
        YeAbbe(n, s + m, s, m, "gaussian")
        with pytest.raises(
            CodeParameterError, match=rf"load must be stragglers \+ communication = {s + m}, got {s + m + 1}"
        ):
            YeAbbe(n, s + m + 1, s, m)
        if s + m > 1:
            with pytest.raises(CodeParameterError, match="no scheme tolerates more at that load"):
                YeAbbe(n, s + m - 1, s, m)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((6, 4, 2, 2, "roots"), "nodes must be one of published, integer, .*, got 'roots'"),
        ((6, 4, 1, 3, "harmonic"), "communication must be even with nodes harmonic, got 3"),
        ((6, 7, 4, 3), r"stragglers \+ communication must be at most n_workers, got 4 \+ 3 = 7 with n_workers=6"),
        ((6, 3, 6, 1), "stragglers must be an integer in 0..5, got 6 with n_workers=6"),
        ((400, 5, 3, 2, "integer"), "n_workers must be smaller with nodes integer, got 400: numbers overflow"),
    ],
)
def test_bad_arguments_name_argument_rule_and_value(arguments, text):
    with pytest.raises(ValueError, match=text):
        YeAbbe(*arguments)


def test_the_same_seed_is_the_same_scheme():
    assert YeAbbe(7, 4, 1, 3, "gaussian").fingerprint() == YeAbbe(7, 4, 1, 3, "gaussian", seed=0).fingerprint()
    assert YeAbbe(7, 4, 1, 3, "gaussian", seed=1).fingerprint() != YeAbbe(7, 4, 1, 3, "gaussian").fingerprint()
    assert "seed=1" in repr(YeAbbe(7, 4, 1, 3, "gaussian", seed=1))

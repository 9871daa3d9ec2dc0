"""Approximations from too few messages, and schemes that are approximations throughout."""

from __future__ import annotations

import copy
import itertools
import pickle

import contract
import numpy as np
import pytest

from gradcode import (
    CyclicRepetition,
    FractionalRepetition,
    GradientCode,
    Grouped,
    IgnoreStragglers,
    YeAbbe,
    codes,
    design,
)

SCHEMES = [
    FractionalRepetition(6, 1),
    design(8, 2, 2),
    Grouped(9, [codes.harmonic(5, 2), codes.harmonic(4, 2)], shares=[1, 2]),
    CyclicRepetition(6, 2),
    YeAbbe(6, 4, 2, 2, "harmonic"),
    IgnoreStragglers(5, 2),
    GradientCode.from_coefficients([[1, 0, 0], [0, 1, 1], [0, 1, -1], [1, 0, 0]]),
]


def whole(scheme):
    """Coefficients of all workers in all blocks, and those of the sum."""
    m = scheme.communication
    table = np.zeros((scheme.n_workers, scheme.n_subsets, m))
    for worker in range(scheme.n_workers):
        for subset, row in zip(scheme.subsets(worker), scheme.coefficients(worker), strict=True):
            table[worker, subset.index] = row
    return table.reshape(scheme.n_workers, -1), np.tile(np.eye(m), scheme.n_subsets)


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_it_is_the_least_squares_approximation_with_its_exact_error(scheme, rng):
    n, m, size = scheme.n_workers, scheme.communication, 6 * scheme.communication
    gradients = rng.standard_normal((scheme.n_subsets, size))
    messages = contract.encode_all(scheme, gradients)
    coefficients, wanted = whole(scheme)
    exact = gradients.sum(axis=0)
    for count in range(n + 1):
        for workers in itertools.islice(itertools.combinations(range(n), count), 20):
            decoder = scheme.decoder(size)
            for worker in workers:
                decoder.add(worker, messages[worker])
            found, factor = decoder.estimate()
            rows = coefficients[list(workers)]
            if scheme.exact or not decoder.ready:
                weights = np.linalg.lstsq(rows.T, wanted.T, rcond=None)[0].T if workers else np.zeros((m, 0))
            else:
                weights = scheme.weights(workers)
            residual = weights @ rows - wanted
            received = np.array([messages[w] for w in workers]).reshape(count, len(messages[0]))
            expected = (weights @ received).ravel()
            np.testing.assert_allclose(found, expected, atol=1e-10)
            assert factor == pytest.approx(np.linalg.norm(residual, 2), abs=1e-7)
            # The promise, for these gradients ...
            norm = np.sqrt(np.square(gradients).sum())
            assert np.linalg.norm(found - exact) <= factor * norm + 1e-10
            # ... and there are gradients for which it is met.
            worst = np.linalg.svd(residual)[2][0].reshape(scheme.n_subsets, m)
            assert np.linalg.norm(residual @ worst.ravel()) == pytest.approx(factor, abs=1e-7)
            covered = {s.index: s.stop - s.start for w in workers for s in scheme.subsets(w)}
            assert decoder.data_share == pytest.approx(float(sum(covered.values())))
            if scheme.exact and scheme.is_decodable(workers):
                assert factor == 0
                np.testing.assert_allclose(found, decoder.result(), atol=1e-10)


def test_the_decoder_stays_as_it_was():
    scheme = design(8, 2, 2)
    gradients = np.random.default_rng(0).standard_normal((2, 10))
    messages = contract.encode_all(scheme, gradients)
    decoder, out = scheme.decoder(10), np.full(10, np.nan)
    first = decoder.estimate(out)
    assert first.gradient is out and (out == 0).all() and first.error_factor == pytest.approx(2**0.5)
    assert decoder.data_share == 0
    decoder.add(0, messages[0])
    assert decoder.estimate().error_factor > 1 and decoder.data_share == 0.5
    for worker in (3, 5, 6):
        decoder.add(worker, messages[worker])
    np.testing.assert_allclose(decoder.result(), gradients.sum(axis=0), atol=1e-13)
    with pytest.raises(ValueError, match=r"out must be a float64 array of shape \(10,\), got float64 \(9,\)"):
        decoder.estimate(np.empty(9))


def test_float32_estimates_are_float32():
    scheme = FractionalRepetition(4, 1)
    decoder = scheme.decoder(3, "float32")
    decoder.add(2, np.ones(3, np.float32))
    estimate = decoder.estimate()
    assert estimate.gradient.dtype == np.float32 and (estimate.gradient == 1).all()


def test_ignoring_stragglers_is_inexact_and_says_so():
    scheme = IgnoreStragglers(5, 2)
    assert not scheme.exact and "inexact" in repr(scheme) and scheme.load == 1 and scheme.stragglers == 2
    assert design(6, 1, 1).exact
    contract.check_shares(scheme)
    gradients = np.random.default_rng(0).standard_normal((5, 4))
    messages = contract.encode_all(scheme, gradients)
    decoder = scheme.decoder(4)
    for worker in (4, 0):
        assert not decoder.add(worker, messages[worker])
    assert decoder.missing == (1, 2, 3)
    assert decoder.add(2, messages[2])
    np.testing.assert_allclose(decoder.result(), 5 / 3 * gradients[[4, 0, 2]].sum(axis=0))
    everybody = scheme.weights(range(5))
    np.testing.assert_array_equal(everybody, np.ones((1, 5)))  # then it is the sum
    with pytest.raises(ValueError, match=r"stragglers must be an integer in 0..4, got 5 with n_workers=5"):
        IgnoreStragglers(5, 5)


@pytest.mark.parametrize(
    ("table", "options", "text"),
    [
        ([1, 2], {}, r"non-empty array of shape \(workers, subsets, m\) or \(workers, subsets\), got shape \(2,\)"),
        ([[1, np.nan]], {}, "coefficients must be finite, got nan"),
        (
            [[1, 0], [1, 0]],
            {},
            "every subset must be held by some worker, but the coefficients of subset 1 are all zero",
        ),
        ([[1, 1], [0, 0]], {}, "every worker must hold some subset, but the coefficients of worker 1 are all zero"),
        (
            [[1, 2], [2, 4]],
            {},
            r"be decoded from all workers, but block 0 of it is no combination of what workers \[0, 1\]",
        ),
        ([[1, 0], [0, 1]], {"stragglers": 1}, "stragglers must be at most 0 with these coefficients, got 1"),
        ([[1, 0], [0, 1]], {"stragglers": 2}, "stragglers must be an integer in 0..1, got 2 with n_workers=2"),
    ],
)
def test_coefficients_that_make_no_scheme_are_refused(table, options, text):
    with pytest.raises(ValueError, match=text):
        GradientCode.from_coefficients(table, **options)


def test_own_coefficients_may_be_of_any_scheme():
    for scheme in (design(6, 1, 2), YeAbbe(6, 4, 2, 2, "harmonic"), CyclicRepetition(7, 3)):
        coefficients, _ = whole(scheme)
        own = GradientCode.from_coefficients(coefficients.reshape(scheme.n_workers, scheme.n_subsets, -1), name="Mine")
        assert (own.stragglers, own.communication, own.load) == (scheme.stragglers, scheme.communication, scheme.load)
        assert repr(own).startswith("Mine(") and len(own.systems) == len(scheme.systems)
        contract.check_patterns(own)
    with pytest.raises(TypeError, match="coefficients must be real numbers, got dtype complex128"):
        GradientCode.from_coefficients([[1j]])


def test_a_claim_that_cannot_be_checked_in_full_is_taken_at_its_word():
    scheme = CyclicRepetition(30, 12)
    coefficients, _ = whole(scheme)
    found = GradientCode.from_coefficients(coefficients)
    assert 1 <= found.stragglers < 12  # as far as a few seconds go
    assert GradientCode.from_coefficients(coefficients, stragglers=12).stragglers == 12


def test_what_is_known_to_fail_is_refused_whatever_cannot_be_counted():
    """One part fails without two workers; the other is too large to look at."""
    large, _ = whole(CyclicRepetition(30, 12))
    table = np.zeros((32, 31))
    table[:30, :30] = large
    table[30:, 30] = (1, 2)
    assert GradientCode.from_coefficients(table).stragglers == 1
    for order in (range(32), [30, 31, *range(30)]):
        with pytest.raises(ValueError, match="stragglers must be at most 1 with these coefficients, got 5"):
            GradientCode.from_coefficients(table[list(order)], stragglers=5)
    with pytest.raises(ValueError, match=r"largest magnitude of a worker's coefficients must be in .*, got 1e\+200"):
        GradientCode.from_coefficients([[1e200]])


@pytest.mark.parametrize("scheme", [design(12, 2, 2), CyclicRepetition(6, 2), YeAbbe(6, 4, 2, 2, "harmonic")], ids=repr)
def test_a_copy_decodes_as_the_scheme_it_was_made_of(scheme):
    survivors = [w for w in range(scheme.n_workers) if w not in (1, 4)]
    weights = scheme.weights(survivors)  # and remembered
    for other in (copy.deepcopy(scheme), pickle.loads(pickle.dumps(scheme))):
        assert other.fingerprint() == scheme.fingerprint() and repr(other) == repr(scheme)
        np.testing.assert_array_equal(other.weights(survivors), weights)
        np.testing.assert_array_equal(other.weights(range(scheme.n_workers)), scheme.weights(range(scheme.n_workers)))

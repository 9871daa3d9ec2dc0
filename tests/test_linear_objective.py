"""What stands beside the loss of all rows: the regularisation, and batches."""

from itertools import pairwise

import numpy as np
import pytest

from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import batch_of, regularised


def test_regularised_adds_once_and_changes_nothing():
    w, g = np.array([3.0, -4.0]), np.array([1.0, 1.0])
    value, gradient = regularised(2.0, g, w, 0.5)
    assert value == 2.0 + 0.25 * 25
    np.testing.assert_array_equal(gradient, [2.5, -1.0])
    np.testing.assert_array_equal(g, [1.0, 1.0])
    with pytest.raises(ValueError, match="regularisation must be a finite number of at least 0, got -1"):
        regularised(2.0, g, w, -1)
    with pytest.raises(ValueError, match=r"gradient must have the shape of w, \(2,\), got \(1,\)"):
        regularised(2.0, g[:1], w, 1)


def test_regularised_in_float32_sums_in_float64():
    w = np.full(10_000_001, 0.1, np.float32)
    value, gradient = regularised(0.0, np.zeros_like(w), w, 2.0)
    assert gradient.dtype == np.float32
    assert value == pytest.approx(len(w) * float(np.float32(0.1)) ** 2, rel=1e-9)


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_rows", "size"), [(1, 1), (10, 10), (97, 30), (20_000, 3), (20_000, 5_000)])
def test_a_batch_has_distinct_rows_in_order(n_rows, size):
    batch = batch_of(n_rows, size, 0, 5, 0, n_rows)
    assert batch.dtype == np.intp and batch.shape == (size,)
    assert (np.diff(batch) > 0).all() and batch[0] >= 0 and batch[-1] < n_rows


@pytest.mark.parametrize("edges", [(0, 97), (0, 13, 50, 97), (0, 0, 96, 97), range(98)])
def test_shares_of_a_batch_tile_it(edges):
    whole = batch_of(97, 30, 3, 11, 0, 97)
    parts = [a + batch_of(97, 30, 3, 11, a, b) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_batch_depends_on_seed_and_round_alone():
    assert np.array_equal(batch_of(97, 30, 3, 11, 0, 97), batch_of(97, 30, 3, 11, 0, 97))
    batches = {tuple(batch_of(97, 30, seed, round, 0, 97)) for seed in range(4) for round in range(25)}
    assert len(batches) == 100


def test_a_batch_estimates_the_sum_without_bias():
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((60, 3)), rng.choice([-1.0, 1.0], 60), rng.standard_normal(3)
    loss, size, rounds = LOSSES["logistic"].value_and_gradient, 12, 4000
    whole = loss(w, X, y)[1]
    estimates = np.empty((rounds, 3))
    for round in range(rounds):
        rows = batch_of(60, size, 0, round, 0, 60)
        estimates[round] = 60 / size * loss(w, X[rows], y[rows])[1]
    # Five standard errors of the mean; the variance is that of drawing without replacement.
    terms = np.array([loss(w, X[i : i + 1], y[i : i + 1])[1] for i in range(60)])
    variance = 60**2 * (1 - size / 60) / size * terms.var(axis=0, ddof=1)
    np.testing.assert_array_less(np.abs(estimates.mean(axis=0) - whole), 5 * np.sqrt(variance / rounds))
    np.testing.assert_allclose(estimates.var(axis=0, ddof=1), variance, rtol=0.2)


@pytest.mark.parametrize(
    ("change", "error", "rule"),
    [
        ({"size": 0}, ValueError, r"size must be an integer in 1\.\.97, got 0 with n_rows=97"),
        ({"size": 98}, ValueError, r"size must be an integer in 1\.\.97, got 98 with n_rows=97"),
        ({"size": 2.5}, TypeError, "size must be an integer"),
        ({"n_rows": 0}, ValueError, "n_rows must be an integer of at least 1, got 0"),
        ({"seed": -1}, ValueError, "seed must be an integer of at least 0, got -1"),
        ({"round": -1}, ValueError, "round must be an integer of at least 0, got -1"),
        ({"stop": 98}, ValueError, r"stop must be an integer in 0\.\.97, got 98"),
        ({"start": 60, "stop": 50}, ValueError, r"start must be an integer in 0\.\.50, got 60 with stop=50"),
    ],
)
def test_arguments_of_a_batch_are_checked(change, error, rule):
    arguments = {"n_rows": 97, "size": 30, "seed": 0, "round": 0, "start": 0, "stop": 97} | change
    with pytest.raises(error, match=rule):
        batch_of(**arguments)

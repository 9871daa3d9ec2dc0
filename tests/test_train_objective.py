"""The logistic loss, its gradient, and the descent that uses them."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp

from gradcode.errors import GradCodeError, MissingExtra
from gradcode.train.objective import auc, loss_and_gradient, regularised
from gradcode.train.optimisers import OPTIMISERS, gradient_descent, nesterov


def problem(rows=50, columns=12, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    X = sp.random_array((rows, columns), density=0.4, rng=rng, format="csr").astype(dtype)
    return rng.standard_normal(columns).astype(dtype), X, rng.choice([-1.0, 1.0], rows).astype(dtype)


# --- loss and gradient ------------------------------------------------------------------------------------------------


def test_loss_is_the_sum_of_the_definition():
    w, X, y = problem()
    loss, _ = loss_and_gradient(w, X, y)
    assert isinstance(loss, float)
    assert loss == pytest.approx(np.log(1 + np.exp(-y * (X.toarray() @ w))).sum(), rel=1e-14)


def test_gradient_is_the_derivative_of_the_loss():
    w, X, y = problem()
    _, gradient = loss_and_gradient(w, X, y)
    h = 1e-6
    for i, step in enumerate(np.eye(len(w)) * h):
        slope = (loss_and_gradient(w + step, X, y)[0] - loss_and_gradient(w - step, X, y)[0]) / (2 * h)
        assert gradient[i] == pytest.approx(slope, abs=1e-7)


def test_shares_add_up_to_the_whole():
    w, X, y = problem()
    loss, gradient = loss_and_gradient(w, X, y)
    parts = [loss_and_gradient(w, X[a:b], y[a:b]) for a, b in ((0, 17), (17, 17), (17, 50))]
    assert sum(part[0] for part in parts) == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(sum(part[1] for part in parts), gradient, rtol=1e-12, atol=1e-14)


def test_large_margins_neither_overflow_nor_vanish():
    X, y = sp.csr_array([[1.0], [1.0]]), np.array([1.0, -1.0])
    with np.errstate(all="raise", under="ignore"):
        loss, gradient = loss_and_gradient([1000.0], X, y)
        assert loss == 1000.0
        np.testing.assert_array_equal(gradient, [1.0])
        # log1p(exp(-40)) is far below the resolution of 1 + exp(-40).
        loss, _ = loss_and_gradient([40.0], X[:1], y[:1])
        assert loss == pytest.approx(np.exp(-40.0), rel=1e-12)


def test_no_rows_give_zero():
    for dtype in ("float64", "float32"):
        loss, gradient = loss_and_gradient(np.ones(4), sp.csr_array((0, 4), dtype=dtype), np.zeros(0))
        assert loss == 0.0
        np.testing.assert_array_equal(gradient, np.zeros(4, dtype), strict=True)


def test_float32_stays_float32_and_inputs_stay_as_they_were():
    w, X, y = problem(dtype="float32")
    copies = w.copy(), X.copy(), y.copy()
    loss, gradient = loss_and_gradient(w.astype(np.float64), X, y)
    assert gradient.dtype == np.float32
    exact, direction = loss_and_gradient(w.astype(np.float64), X.astype(np.float64), y.astype(np.float64))
    assert loss == pytest.approx(exact, rel=1e-6)
    np.testing.assert_allclose(gradient, direction, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(w, copies[0])
    assert (copies[1] != X).nnz == 0
    np.testing.assert_array_equal(y, copies[2])


def test_wrong_shapes():
    w, X, y = problem()
    with pytest.raises(ValueError, match=r"w must have one element per column of X, 12, got shape \(11,\)"):
        loss_and_gradient(w[:-1], X, y)
    with pytest.raises(ValueError, match=r"y must have one label per row of X, 50, got shape \(49,\)"):
        loss_and_gradient(w, X, y[:-1])


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


def test_auc_counts_ordered_pairs():
    pytest.importorskip("sklearn")
    X, y = sp.csr_array([[1.0], [2.0], [3.0], [4.0]]), np.array([-1.0, 1.0, -1.0, 1.0])
    assert auc([1.0], X, y) == 0.75
    assert auc([-1.0], X, y) == 0.25
    assert auc([0.0], X, y) == 0.5


def test_auc_refuses_what_has_none(monkeypatch):
    X, y = sp.csr_array([[1.0], [2.0]]), np.array([-1.0, 1.0])
    with pytest.raises(ValueError, match=r"y must hold both labels, -1 and \+1, got \[1.0\]"):
        auc([1.0], X, np.ones(2))
    with pytest.raises(ValueError, match="w must be finite, got nan"):
        auc([np.nan], X, y)
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(MissingExtra, match="the test AUC needs scikit-learn"):
        auc([1.0], X, y)


# --- descent ----------------------------------------------------------------------------------------------------------

each = pytest.mark.parametrize("optimise", OPTIMISERS.values(), ids=OPTIMISERS.keys())


def quadratic(scales):
    scales = np.asarray(scales, dtype=np.float64)
    return lambda w: (float(w @ (scales * w)) / 2, scales * w)


def test_names():
    assert dict(OPTIMISERS) == {"nesterov": nesterov, "gd": gradient_descent}


def test_gradient_descent_is_its_formula():
    w = gradient_descent(quadratic([1, 4]), [1.0, 1.0], rate=0.2, iterations=5)
    np.testing.assert_allclose(w, [0.8**5, 0.2**5], rtol=1e-13)


def test_nesterov_is_its_formula():
    scales, rate = np.array([1.0, 3.0]), 0.3
    x = before = np.array([1.0, -2.0])
    expected, points = [], []
    for k in range(6):
        y = x + k / (k + 3) * (x - before)
        before, x = x, y - rate * scales * y
        expected.append(x)
        points.append(y @ (scales * y) / 2)
    seen = []
    w = nesterov(
        quadratic(scales),
        np.array([1.0, -2.0]),
        rate=rate,
        iterations=6,
        callback=lambda k, w, value: seen.append((k, w.copy(), value)),
    )
    np.testing.assert_allclose(w, x, rtol=1e-13)
    assert [k for k, _, _ in seen] == list(range(6))
    np.testing.assert_allclose([w for _, w, _ in seen], expected, rtol=1e-13)
    np.testing.assert_allclose([value for _, _, value in seen], points, rtol=1e-13)


@each
def test_reaches_the_optimum_of_a_logistic_problem(optimise):
    _, X, y = problem(rows=200, columns=5)

    def value_and_gradient(w):
        return regularised(*loss_and_gradient(w, X, y), w, 1.0)

    rate = 1 / (np.linalg.norm(X.toarray(), 2) ** 2 / 4 + 1.0)
    w = optimise(value_and_gradient, np.zeros(5), rate=rate, iterations=400)
    assert np.abs(value_and_gradient(w)[1]).max() < 1e-5


def test_nesterov_is_faster_on_an_uneven_problem():
    f, w0 = quadratic(np.geomspace(1e-3, 1, 20)), np.ones(20)
    values = {name: f(o(f, w0, rate=1.0, iterations=100))[0] for name, o in OPTIMISERS.items()}
    assert values["nesterov"] < values["gd"] / 2


@each
def test_start_is_not_changed_and_dtype_is_kept(optimise):
    for dtype in (np.float32, np.float64):
        w0 = np.ones(3, dtype)
        w = optimise(lambda w: (1.0, np.ones(3)), w0, rate=0.1, iterations=3)
        assert w.dtype == dtype
        np.testing.assert_array_equal(w0, 1)
    again = optimise(lambda w: (1.0, w), w0, rate=0.1, iterations=0)
    np.testing.assert_array_equal(again, w0)
    assert again is not w0


@each
def test_no_allocation_per_iteration(optimise):
    gradient, buffers = np.ones(4), set()
    optimise(
        lambda w: (1.0, gradient), np.ones(4), rate=0.1, iterations=20, callback=lambda k, w, v: buffers.add(id(w))
    )
    assert len(buffers) <= 2


@each
def test_divergence_names_iteration_and_rate(optimise):
    values = iter([1.0, 2.0, np.inf])
    with pytest.raises(
        GradCodeError, match=r"loss must stay finite, got inf in iteration 2: the rate, 7.5, is too large"
    ):
        optimise(lambda w: (next(values), np.ones(1)), np.ones(1), rate=7.5, iterations=9)
    with pytest.raises(
        GradCodeError, match=r"parameters must stay finite, but are not after iteration 0: the rate, 1,"
    ):
        optimise(lambda w: (1.0, np.array([np.nan])), np.ones(1), rate=1, iterations=1)


@each
def test_interrupt_passes_through(optimise):
    def interrupted(w):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimise(interrupted, np.ones(1), rate=1, iterations=1)


@each
@pytest.mark.parametrize(
    ("change", "error", "rule"),
    [
        ({"rate": 0}, ValueError, "rate must be a finite number above 0, got 0"),
        ({"rate": np.nan}, ValueError, "rate must be a finite number above 0, got nan"),
        ({"iterations": -1}, ValueError, "iterations must be an integer of at least 0, got -1"),
        ({"iterations": 2.5}, TypeError, "iterations must be an integer"),
        ({"w0": np.ones((2, 2))}, ValueError, r"w0 must be one-dimensional, got shape \(2, 2\)"),
        ({"w0": np.ones(2, int)}, TypeError, "w0.dtype must be one of float32, float64, got int64"),
        ({"w0": np.array([1.0, np.inf])}, ValueError, "w0 must be finite, got inf"),
    ],
)
def test_arguments_are_checked_before_work(optimise, change, error, rule):
    def never(w):
        pytest.fail("no gradient may be taken")

    arguments = {"w0": np.ones(2), "rate": 0.1, "iterations": 3} | change
    with pytest.raises(error, match=rule):
        optimise(never, arguments.pop("w0"), **arguments)

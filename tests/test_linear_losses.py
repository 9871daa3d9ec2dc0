"""The losses, their gradients, and what they score."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import logsumexp

from gradcode.errors import MissingExtra
from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import regularised

K = 4
each = pytest.mark.parametrize("name", LOSSES)
layouts = pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, sp.csr_array, sp.csr_matrix])


def problem(name, rows=50, columns=6, dtype="float64", seed=0):
    """Parameters, dense rows of which most are zero, and labels that the loss takes."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, columns)) * (rng.random((rows, columns)) < 0.4)
    y = {
        "binary": lambda: rng.choice([-1.0, 1.0], rows),
        "number": lambda: rng.standard_normal(rows),
        "classes": lambda: rng.integers(K, size=rows).astype(np.float64),
    }[LOSSES[name].target]()
    w = rng.standard_normal(LOSSES[name].n_parameters(columns, K))
    return w.astype(dtype), X.astype(dtype), y.astype(dtype)


def definition(name, w, X, y):
    """The loss as the textbook writes it."""
    match name:
        case "logistic":
            return np.log(1 + np.exp(-y * (X @ w))).sum()
        case "squared":
            return sum((x @ w - t) ** 2 / 2 for x, t in zip(X, y, strict=True))
        case "multinomial":
            scores = X @ w.reshape(X.shape[1], K)
            return sum(logsumexp(s) - s[int(k)] for s, k in zip(scores, y, strict=True))


def test_names_and_what_they_need():
    assert {name: loss.target for name, loss in LOSSES.items()} == {
        "logistic": "binary",
        "squared": "number",
        "multinomial": "classes",
    }
    assert [LOSSES[name].n_parameters(5, 3) for name in ("logistic", "squared", "multinomial")] == [5, 5, 15]
    assert LOSSES["squared"].n_parameters(5, 0) == 5
    assert all(loss.formula.startswith("sum over rows of ") for loss in LOSSES.values())
    with pytest.raises(ValueError, match="n_classes must be an integer of at least 2, got 1"):
        LOSSES["multinomial"].n_parameters(5, 1)
    with pytest.raises(ValueError, match="n_features must be an integer of at least 1, got 0"):
        LOSSES["logistic"].n_parameters(0, 2)


@each
@layouts
def test_value_is_the_definition(name, layout):
    w, X, y = problem(name)
    value, _ = LOSSES[name].value_and_gradient(w, layout(X), y)
    assert isinstance(value, float)
    assert value == pytest.approx(definition(name, w, X, y), rel=1e-13)


@each
@layouts
def test_gradient_is_the_derivative(name, layout):
    w, X, y = problem(name)
    loss, X = LOSSES[name].value_and_gradient, layout(X)
    gradient = loss(w, X, y)[1]
    # Central differences: h^2/6 of the third derivative, and rounding of the value over h, both below 1e-7 here.
    h = 1e-5
    slopes = [(loss(w + e, X, y)[0] - loss(w - e, X, y)[0]) / (2 * h) for e in np.eye(len(w)) * h]
    np.testing.assert_allclose(gradient, slopes, rtol=0, atol=1e-7)


@each
@layouts
def test_float32_is_float64_to_rounding_and_inputs_stay(name, layout):
    w, X, y = problem(name, dtype="float32")
    given, copies = (w, layout(X), y), (w.copy(), X.copy(), y.copy())
    value, gradient = LOSSES[name].value_and_gradient(*given)
    assert gradient.dtype == np.float32 and gradient.shape == w.shape and gradient.flags.c_contiguous
    exact, direction = LOSSES[name].value_and_gradient(*(a.astype(np.float64) for a in (w, X, y)))
    # Each of the 50 rows is off by some ten roundings of numbers whose sizes stay below 2^5.
    bound = 50 * 10 * 2**5 * 2.0**-24
    assert abs(value - exact) < bound
    np.testing.assert_allclose(gradient, direction, rtol=0, atol=bound)
    for now, before in zip((w, X, y), copies, strict=True):
        np.testing.assert_array_equal(now, before)
    # Parameters and labels of another type are cast to that of the rows.
    other = LOSSES[name].value_and_gradient(w.astype(np.float64), given[1], y.astype(np.float64))
    assert other[0] == value
    np.testing.assert_array_equal(other[1], gradient, strict=True)


@each
@layouts
def test_shares_add_up_to_the_whole(name, layout):
    w, X, y = problem(name)
    X = layout(X)
    value, gradient = LOSSES[name].value_and_gradient(w, X, y)
    parts = [LOSSES[name].value_and_gradient(w, X[a:b], y[a:b]) for a, b in ((0, 17), (17, 17), (17, 50))]
    assert sum(part[0] for part in parts) == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(sum(part[1] for part in parts), gradient, rtol=1e-12, atol=1e-13)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_rows_give_zero(name, dtype):
    w = np.ones(LOSSES[name].n_parameters(4, K))
    for X in (np.zeros((0, 4), dtype), sp.csr_array((0, 4), dtype=dtype)):
        value, gradient = LOSSES[name].value_and_gradient(w, X, np.zeros(0))
        assert value == 0.0
        np.testing.assert_array_equal(gradient, np.zeros(len(w), dtype), strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logistic_with_large_margins(dtype):
    X, y = np.array([[1.0], [1.0]], dtype), np.array([1.0, -1.0])
    loss = LOSSES["logistic"].value_and_gradient
    with np.errstate(all="raise", under="ignore"):
        value, gradient = loss([1e4], X, y)
        assert value == 1e4
        np.testing.assert_array_equal(gradient, [1.0])
        # exp(-40) is far below the resolution of 1 + exp(-40).
        assert loss([40.0], X[:1], y[:1])[0] == pytest.approx(np.exp(-40.0), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_multinomial_with_large_margins(dtype):
    X, loss = np.ones((1, 1), dtype), LOSSES["multinomial"].value_and_gradient
    with np.errstate(all="raise", under="ignore"):
        value, gradient = loss([1e4, -1e4, 0.0], X, [1.0])
        assert value == 2e4
        np.testing.assert_array_equal(gradient, [1.0, -1.0, 0.0])
        assert loss([1e4, -1e4, 0.0], X, [0.0])[0] == 0.0
        assert loss([40.0, 0.0, 0.0], X, [0.0])[0] == pytest.approx(2 * np.exp(-40.0), rel=1e-6)
        # Equal scores, however large, are no information.
        assert loss([1e30, 1e30, 1e30], X, [2.0])[0] == pytest.approx(np.log(3), rel=1e-6)


def test_the_loss_is_accumulated_in_float64():
    n = 2**18
    rows = np.ones((n, 1), np.float32)
    assert LOSSES["logistic"].value_and_gradient([0.0], rows, np.ones(n))[0] == n * float(np.log(np.float32(2)))
    assert LOSSES["squared"].value_and_gradient([0.1], rows, np.zeros(n))[0] == pytest.approx(
        n * float(np.float32(0.1)) ** 2 / 2, rel=1e-12
    )


@each
def test_smoothness_bounds_the_hessian(name):
    w, X, y = problem(name)
    loss = LOSSES[name]
    bound = loss.smoothness(np.linalg.norm(X, 2) ** 2)
    h = 1e-5

    def curvature(at):
        g = loss.value_and_gradient
        return np.array([(g(at + e, X, y)[1] - g(at - e, X, y)[1]) / (2 * h) for e in np.eye(len(at)) * h])

    assert all(np.linalg.norm(curvature(at), 2) <= bound * (1 + 1e-6) for at in (w, 0 * w))
    # And no smaller bound would do for logistic and squared, which reach it at zero.
    if name != "multinomial":
        assert np.linalg.norm(curvature(0 * w), 2) >= bound * (1 - 1e-6)
    with pytest.raises(ValueError, match="spectral_norm_squared must be a finite number of at least 0, got -1"):
        loss.smoothness(-1)


def test_multinomial_smoothness_is_reached_by_two_classes():
    X = np.ones((1, 1))
    # Two classes are equally likely and the third is not: diag(p) - p p' has the eigenvalue 1/2.
    w, h = np.array([0.0, 0.0, -50.0]), 1e-5
    g = LOSSES["multinomial"].value_and_gradient
    hessian = np.array([(g(w + e, X, [0.0])[1] - g(w - e, X, [0.0])[1]) / (2 * h) for e in np.eye(3) * h])
    assert np.linalg.norm(hessian, 2) == pytest.approx(LOSSES["multinomial"].smoothness(1.0), rel=1e-6)


# --- against scikit-learn ---------------------------------------------------------------------------------------------


def optimum(name, X, y, size, lam):
    loss = LOSSES[name].value_and_gradient
    found = minimize(
        lambda w: regularised(*loss(w, X, y), w, lam),
        np.zeros(size),
        jac=True,
        method="L-BFGS-B",
        options={"gtol": 1e-9, "ftol": 0.0},
    )
    return found.x


@each
@pytest.mark.parametrize("layout", [np.ascontiguousarray, sp.csr_array])
def test_optimum_is_that_of_scikit_learn(name, layout):
    linear = pytest.importorskip("sklearn.linear_model")
    _, X, y = problem(name, rows=200, columns=5)
    lam, loss = 0.7, LOSSES[name]
    if name == "squared":
        theirs = linear.Ridge(alpha=lam, fit_intercept=False).fit(X, y).coef_
    else:
        model = linear.LogisticRegression(C=1 / lam, fit_intercept=False, solver="newton-cg", tol=1e-12)
        theirs = model.fit(X, y).coef_.T.ravel()
    ours = optimum(name, layout(X), y, loss.n_parameters(5, K), lam)
    # The objective is strongly convex with constant lam: a gradient g leaves a distance of |g| / lam.
    for w in (ours, theirs):
        assert np.linalg.norm(regularised(*loss.value_and_gradient(w, X, y), w, lam)[1]) < 1e-5
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 / lam)


def test_scores_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    for name in LOSSES:
        w, X, y = problem(name)
        raw = X @ (w.reshape(-1, K) if name == "multinomial" else w)
        expected = {
            "logistic": lambda raw=raw, y=y: {
                "auc": metrics.roc_auc_score(y, raw),
                "accuracy": metrics.accuracy_score(y, np.where(raw > 0, 1, -1)),
            },
            "multinomial": lambda raw=raw, y=y: {"accuracy": metrics.accuracy_score(y, raw.argmax(axis=1))},
            "squared": lambda raw=raw, y=y: {
                "r2": metrics.r2_score(y, raw),
                "rmse": np.sqrt(((y - raw) ** 2).mean()),
            },
        }[name]()
        for rows in (X, sp.csr_array(X)):
            scores = LOSSES[name].scores(w, rows, y)
            assert list(scores) == list(expected)
            assert all(type(value) is float for value in scores.values())
            assert scores == pytest.approx(expected, rel=1e-12)


def test_auc_counts_ordered_pairs():
    pytest.importorskip("sklearn")
    X, y = sp.csr_array([[1.0], [2.0], [3.0], [4.0]]), np.array([-1.0, 1.0, -1.0, 1.0])
    assert [LOSSES["logistic"].scores([w], X, y)["auc"] for w in (1.0, -1.0, 0.0)] == [0.75, 0.25, 0.5]


def test_scores_that_are_not_defined():
    pytest.importorskip("sklearn")
    X = np.array([[1.0], [2.0]])
    assert LOSSES["logistic"].scores([1.0], X, [1.0, 1.0]) == {"auc": None, "accuracy": 1.0}
    assert LOSSES["squared"].scores([0.0], X, [3.0, 3.0]) == {"r2": None, "rmse": 3.0}
    assert LOSSES["squared"].scores([1.0], X[:1], [3.0]) == {"r2": None, "rmse": 2.0}
    nothing = np.zeros((0, 1))
    assert LOSSES["logistic"].scores([1.0], nothing, []) == {"auc": None, "accuracy": None}
    assert LOSSES["squared"].scores([1.0], nothing, []) == {"r2": None, "rmse": None}
    assert LOSSES["multinomial"].scores([1.0, 2.0], nothing, []) == {"accuracy": None}


@each
def test_scores_need_finite_parameters_and_scikit_learn(name, monkeypatch):
    w, X, y = problem(name)
    with pytest.raises(ValueError, match="w must be finite, got nan"):
        LOSSES[name].scores(np.full_like(w, np.nan), X, y)
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(MissingExtra, match="test scores need scikit-learn"):
        LOSSES[name].scores(w, X, y)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "error", "rule"),
    [
        ("logistic", {"w": np.ones(5)}, ValueError, r"w must have one element per column of X, 6, got shape \(5,\)"),
        ("squared", {"w": np.ones((6, 1))}, ValueError, r"one element per column of X, 6, got shape \(6, 1\)"),
        ("multinomial", {"w": np.ones(25)}, ValueError, r"K elements per column of X, 6, .* got shape \(25,\)"),
        ("multinomial", {"w": np.ones(6)}, ValueError, r"with K of at least 2, got shape \(6,\)"),
        ("multinomial", {"w": np.ones((6, 4))}, ValueError, r"got shape \(6, 4\)"),
        ("logistic", {"y": np.ones(49)}, ValueError, r"y must have one label per row of X, 50, got shape \(49,\)"),
        ("logistic", {"y": np.zeros(50)}, ValueError, r"y must be -1 or \+1, got 0"),
        ("logistic", {"y": np.full(50, np.nan)}, ValueError, r"y must be -1 or \+1, got nan"),
        ("multinomial", {"y": np.full(50, 4.0)}, ValueError, r"y must be classes in 0\.\.3, got 4"),
        ("multinomial", {"y": np.full(50, -1.0)}, ValueError, r"y must be classes in 0\.\.3, got -1"),
        ("multinomial", {"y": np.full(50, 0.5)}, ValueError, r"y must be classes in 0\.\.3, got 0.5"),
        ("multinomial", {"y": np.full(50, np.nan)}, ValueError, r"y must be classes in 0\.\.3, got nan"),
        ("squared", {"y": np.full(50, np.inf)}, ValueError, "y must be finite numbers, got inf"),
        ("squared", {"X": np.ones((50, 6), int)}, TypeError, "X.dtype must be one of float32, float64, got int64"),
        ("squared", {"X": np.ones(50)}, ValueError, r"X must be two-dimensional, got shape \(50,\)"),
        ("squared", {"X": [[1.0]]}, TypeError, "X must be a NumPy array or a SciPy sparse array, got list"),
    ],
)
def test_bad_input(name, change, error, rule):
    w, X, y = problem(name)
    arguments = {"w": w, "X": X, "y": y} | change
    for method in (LOSSES[name].value_and_gradient, LOSSES[name].scores):
        with pytest.raises(error, match=rule):
            method(**arguments)

"""Descent: each optimiser against its formula, and all of them against what they promise."""

from itertools import count, pairwise

import numpy as np
import pytest
from scipy.optimize import minimize

from gradcode.errors import GradCodeError
from gradcode.linear.first_order import adam, gradient_descent, nesterov
from gradcode.linear.iteration import Minimised
from gradcode.linear.lbfgs import lbfgs
from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import regularised
from gradcode.linear.optimisers import OPTIMISERS, default_rate, optimiser_of

FUNCTIONS = {"gd": gradient_descent, "nesterov": nesterov, "adam": adam, "lbfgs": lbfgs}
each = pytest.mark.parametrize("name", FUNCTIONS)
each_with_rate = pytest.mark.parametrize("name", ["gd", "nesterov", "adam"])


def run(name, f, w0, *, rate=0.1, **kwargs):
    return FUNCTIONS[name](f, w0, rate=None if name == "lbfgs" else rate, **kwargs)


def quadratic(scales):
    scales = np.asarray(scales, dtype=np.float64)
    return lambda w: (float(w @ (scales * w)) / 2, (scales * w).astype(w.dtype))


def rosenbrock(w):
    a, b = w
    value = (1 - a) ** 2 + 100 * (b - a**2) ** 2
    return float(value), np.array([-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2)])


class Counted:
    """A function that keeps where it was evaluated, and what it gave."""

    def __init__(self, f):
        self.f, self.points, self.values, self.gradients = f, [], [], []

    def __call__(self, w):
        value, gradient = self.f(w)
        self.points.append(w.copy())
        self.values.append(value)
        self.gradients.append(gradient.copy())
        return value, gradient

    def __len__(self):
        return len(self.points)


def logistic(rows=200, columns=5, lam=1.0, dtype="float64"):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((rows, columns)).astype(dtype), rng.choice([-1.0, 1.0], rows).astype(dtype)
    loss = LOSSES["logistic"]
    smoothness = loss.smoothness(np.linalg.norm(X, 2) ** 2) + lam
    return (lambda w: regularised(*loss.value_and_gradient(w, X, y), w, lam)), smoothness


def test_names():
    functions = {
        "nesterov": nesterov,
        "gd": gradient_descent,
        "lbfgs": lbfgs,
        "sgd": gradient_descent,
        "adam": adam,
    }
    assert {name: optimiser.minimise for name, optimiser in OPTIMISERS.items()} == functions
    assert {name for name, optimiser in OPTIMISERS.items() if optimiser.stochastic} == {"sgd", "adam"}


def test_default_rates():
    rates = {name: default_rate(name, 4.0) for name in OPTIMISERS}
    assert rates == {"nesterov": 0.25, "gd": 0.25, "sgd": 0.25, "adam": 1e-3, "lbfgs": None}
    with pytest.raises(ValueError, match=r"name must be one of 'nesterov', .*, got 'newton'"):
        default_rate("newton", 1.0)
    with pytest.raises(ValueError, match="smoothness must be a finite number above 0, got 0"):
        default_rate("gd", 0)


# --- each is its formula ----------------------------------------------------------------------------------------------


def test_gradient_descent_is_its_formula():
    w, reason = gradient_descent(quadratic([1, 4]), [1.0, 1.0], rate=0.2, iterations=5)
    np.testing.assert_allclose(w, [0.8**5, 0.2**5], rtol=1e-13)
    assert reason == "iterations"


def test_nesterov_is_its_formula():
    scales, rate = np.array([1.0, 3.0]), 0.3
    x = before = np.array([1.0, -2.0])
    expected, points = [], []
    for k in range(6):
        y = x + k / (k + 3) * (x - before)
        before, x = x, y - rate * scales * y
        expected.append(x)
        points.append(y)
    f, seen = Counted(quadratic(scales)), []
    w, reason = nesterov(f, [1.0, -2.0], rate=rate, iterations=6, callback=lambda w: seen.append(w.copy()))
    np.testing.assert_allclose(w, x, rtol=1e-13)
    np.testing.assert_allclose(seen, expected, rtol=1e-13)
    np.testing.assert_allclose(f.points, points, rtol=1e-13)
    assert reason == "iterations"


def test_adam_is_its_formula():
    """Algorithm 1 of arXiv 1412.6980, line by line."""
    f = quadratic([1.0, 100.0, 0.0])
    theta, m, v = np.array([3.0, -0.01, 5.0]), np.zeros(3), np.zeros(3)
    expected = []
    for t in range(1, 51):
        g = f(theta)[1]
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        theta = theta - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        expected.append(theta)
    seen = []
    w, reason = adam(f, [3.0, -0.01, 5.0], rate=0.1, iterations=50, callback=lambda w: seen.append(w.copy()))
    np.testing.assert_allclose(seen, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(w, seen[-1])
    assert reason == "iterations" and w[2] == 5.0


def test_lbfgs_is_that_of_scipy():
    f, accepted, theirs = Counted(rosenbrock), [], []
    w, reason = lbfgs(f, [-1.2, 1.0], iterations=200, tolerance=1e-9, callback=lambda w: accepted.append(w.copy()))
    assert reason == "tolerance"
    first = np.abs(rosenbrock(np.array([-1.2, 1.0]))[1]).max()
    found = minimize(
        rosenbrock,
        [-1.2, 1.0],
        jac=True,
        method="L-BFGS-B",
        callback=theirs.append,
        options={"ftol": 0.0, "gtol": 1e-9 * first},
    )
    np.testing.assert_array_equal(w, found.x)
    np.testing.assert_array_equal(accepted, theirs)
    assert len(f) == found.nfev
    np.testing.assert_allclose(w, [1, 1], rtol=1e-6)


def test_steps_take_what_is_a_batch():
    """Stochastic gradient descent: the mean of its iterates comes to the optimum, which no single batch has."""
    rng = np.random.default_rng(0)
    targets = rng.standard_normal((64, 3))
    draws, iterates = count(), []

    def estimate(w):
        batch = targets[np.random.default_rng([0, next(draws)]).choice(64, 8, replace=False)]
        difference = w - batch
        return 8 * float((difference**2).sum()) / 2, 8 * difference.sum(axis=0)

    optimiser_of("sgd", 64)(
        estimate,
        np.zeros(3),
        rate=default_rate("sgd", 64.0 * 10),
        iterations=4000,
        callback=lambda w: iterates.append(w.copy()),
    )
    # With rate 1/(10 L) the iterates average the batch means over 4000 draws, less some 10 at the start.
    spread = np.sqrt(targets.var(axis=0, ddof=1) / 8 * (1 - 8 / 64) / 4000)
    np.testing.assert_array_less(np.abs(np.mean(iterates[100:], axis=0) - targets.mean(axis=0)), 5 * spread)


# --- all of them find the optimum -------------------------------------------------------------------------------------


@each
def test_reaches_the_optimum_of_a_logistic_problem(name):
    f, smoothness = logistic()
    reference = minimize(f, np.zeros(5), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    w, _ = run(name, f, np.zeros(5), rate=default_rate(name, smoothness) or 0.01, iterations=2000)
    # Strongly convex with constant 1, so a distance of at most the gradient's norm.
    assert np.linalg.norm(f(w)[1]) < 1e-5
    np.testing.assert_allclose(w, reference, rtol=0, atol=2e-5)


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    X, digit = datasets.load_digits(return_X_y=True)
    X, y = np.hstack([X / 16, np.ones((len(X), 1))]), np.where(digit % 2, 1.0, -1.0)
    lam, loss = 0.1, LOSSES["logistic"]
    linear = pytest.importorskip("sklearn.linear_model")
    model = linear.LogisticRegression(C=1 / lam, fit_intercept=False, solver="newton-cg", tol=1e-8).fit(X, y)

    def f(w, X=X, y=y):
        return regularised(*loss.value_and_gradient(w, X.astype(w.dtype, copy=False), y), w, lam)

    smoothness = loss.smoothness(np.linalg.norm(X, 2) ** 2) + lam
    return f, smoothness, model.coef_[0]


def test_digits_by_lbfgs(digits):
    f, _, best = digits
    w, reason = lbfgs(f, np.zeros(65), iterations=1000, tolerance=1e-7)
    assert reason == "tolerance"
    assert f(w)[0] == pytest.approx(f(best)[0], rel=1e-9)


def test_digits_by_nesterov_and_gradient_descent(digits):
    f, smoothness, best = digits
    gaps = {}
    for name in ("nesterov", "gd"):
        w, _ = run(name, f, np.zeros(65), rate=1 / smoothness, iterations=150)
        gaps[name] = f(w)[0] - f(best)[0]
    # What the theory promises after k steps: 2 L |w*|^2 / (k+1)^2, and L |w*|^2 / 2k.
    assert 0 < gaps["nesterov"] < 2 * smoothness * (best @ best) / 151**2
    assert gaps["nesterov"] < gaps["gd"] / 4 < smoothness * (best @ best) / (2 * 150) / 4


def test_lbfgs_in_float32_gets_as_far_as_float32_goes(digits):
    f, _, best = digits
    g = Counted(f)
    w, reason = lbfgs(g, np.zeros(65, np.float32), iterations=2000)
    assert reason == "precision" and len(g) < 2000
    assert w.dtype == np.float32
    assert {p.dtype for p in g.points} == {np.dtype("float32")}
    # No point is evaluated twice in a row, though points that differ in float64 only are many.
    assert not any(np.array_equal(a, b) for a, b in pairwise(g.points))
    # The loss of each of the 1797 rows is rounded to 2^-24 of a margin below 2^5 or so.
    assert f(w.astype(np.float64))[0] - f(best)[0] < 1797 * 2**5 * 2.0**-24


# --- what they promise ------------------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("iterations", [*range(12), 40])
def test_no_more_gradients_than_asked_for(name, iterations):
    f, accepted = Counted(rosenbrock), []
    w, reason = run(
        name, f, [-1.2, 1.0], rate=1e-4, iterations=iterations, callback=lambda w: accepted.append(w.copy())
    )
    assert reason == "iterations" or (name == "lbfgs" and len(f) < iterations)
    if reason == "iterations":
        assert len(f) == iterations
    np.testing.assert_array_equal(w, accepted[-1] if accepted else [-1.2, 1.0])


def test_lbfgs_in_the_middle_of_a_line_search_keeps_the_last_iterate():
    whole, accepted_at = Counted(rosenbrock), []
    lbfgs(whole, [-1.2, 1.0], iterations=40, callback=lambda w: accepted_at.append((len(whole), w.copy())))
    taken = [n for n, _ in accepted_at]
    inside = [n for n in range(2, 40) if n not in taken]
    assert inside, "this problem has line searches of several gradients"
    for n in range(1, 40):
        f = Counted(rosenbrock)
        w, reason = lbfgs(f, [-1.2, 1.0], iterations=n)
        assert (len(f), reason) == (n, "iterations")
        np.testing.assert_array_equal(w, [w for at, w in accepted_at if at <= n][-1] if n >= taken[0] else [-1.2, 1.0])


@each
@pytest.mark.parametrize("tolerance", [0.5, 1e-3, 1e-6])
def test_tolerance_is_kept_and_no_sooner_or_later(name, tolerance):
    objective, smoothness = logistic()
    f, seen = Counted(objective), []
    w, reason = run(
        name,
        f,
        np.zeros(5),
        rate=default_rate(name, smoothness) if name != "adam" else 0.02,
        iterations=5000,
        tolerance=tolerance,
        callback=lambda w: seen.append(w.copy()),
    )
    assert reason == "tolerance"
    sizes = [np.abs(g).max() for g in f.gradients]
    assert sizes[-1] <= tolerance * sizes[0]
    # The point returned is the very one whose gradient was small, and the callback had it.
    np.testing.assert_array_equal(w, f.points[-1])
    np.testing.assert_array_equal(w, seen[-1])
    assert np.abs(objective(w)[1]).max() == sizes[-1]
    if name != "lbfgs":  # which looks at accepted points only
        assert all(size > tolerance * sizes[0] for size in sizes[:-1])


@each
def test_tolerance_that_the_start_meets(name):
    f = Counted(quadratic([1, 4]))
    w, reason = run(name, f, [1.0, 1.0], iterations=10, tolerance=1)
    assert (len(f), reason) == (1, "tolerance")
    np.testing.assert_array_equal(w, [1, 1])
    w, reason = run(name, lambda w: (0.0, np.zeros(2)), [1.0, 1.0], iterations=10, tolerance=1e-3)
    assert reason == "tolerance"


@each_with_rate
def test_without_tolerance_even_a_zero_gradient_goes_on(name):
    f = Counted(lambda w: (0.0, np.zeros(2)))
    assert run(name, f, [1.0, 1.0], iterations=10).reason == "iterations"
    assert len(f) == 10


def test_lbfgs_without_tolerance_ends_where_rounding_does():
    f = Counted(quadratic([1.0, 10.0, 1000.0]))
    w, reason = lbfgs(f, np.ones(3), iterations=1000)
    assert reason == "precision" and len(f) < 1000
    assert f.f(w)[0] < 1e-25
    # Where the optimum is not at zero, the parameters themselves are rounded.
    w, reason = lbfgs(rosenbrock, [-1.2, 1.0], iterations=1000)
    assert reason == "precision"
    np.testing.assert_allclose(w, [1, 1], rtol=1e-7)
    assert lbfgs(lambda w: (0.0, np.zeros(2)), np.ones(2), iterations=9).reason == "precision"


@each
def test_start_is_not_changed_and_dtype_is_kept(name):
    for dtype in (np.float32, np.float64):
        w0 = np.ones(3, dtype)
        w, _ = run(name, quadratic([1, 2, 3]), w0, iterations=3)
        assert w.dtype == dtype
        np.testing.assert_array_equal(w0, 1)
        again = run(name, quadratic([1, 2, 3]), w0, iterations=0)
        assert isinstance(again, Minimised) and again.reason == "iterations"
        np.testing.assert_array_equal(again.w, w0)
        assert again.w is not w0


@each
def test_function_is_given_points_that_stay_as_they_are_during_the_call(name):
    """And what it returns is not changed: it may return the same buffer each time."""
    buffer, copies = np.empty(3), []

    def f(w):
        if copies:
            np.testing.assert_array_equal(buffer, copies[-1])
        np.multiply([1.0, 20.0, 3.0], w, out=buffer)
        copies.append(buffer.copy())
        return float(w @ buffer) / 2, buffer

    plain = run(name, quadratic([1, 20, 3]), np.ones(3), rate=0.01, iterations=10).w
    np.testing.assert_array_equal(run(name, f, np.ones(3), rate=0.01, iterations=10).w, plain)


@each
def test_no_allocation_per_iteration(name):
    buffers, f = set(), quadratic([1, 20, 3])
    run(name, f, np.ones(3), rate=0.01, iterations=8, callback=lambda w: buffers.add(id(w)))
    assert 1 <= len(buffers) <= 2


@each_with_rate
def test_divergence_names_iteration_and_rate(name):
    values = iter([1.0, 2.0, np.inf])
    with pytest.raises(
        GradCodeError, match=r"loss must stay finite, got inf in iteration 2: the rate, 7.5, is too large"
    ):
        run(name, lambda w: (next(values), np.ones(1)), np.ones(1), rate=7.5, iterations=9)
    with pytest.raises(
        GradCodeError, match=r"parameters must stay finite, but are not after iteration 0: the rate, 1,"
    ):
        run(name, lambda w: (1.0, np.array([np.nan])), np.ones(1), rate=1, iterations=1)


@pytest.mark.parametrize(
    ("value", "gradient", "text"),
    [
        (np.inf, [1.0, 1.0], "got inf and a largest component of 1.0 in iteration 2"),
        (np.nan, [1.0, 1.0], "got nan and a largest component of 1.0 in iteration 2"),
        (0.1, [1.0, np.nan], "got 0.1 and a largest component of nan in iteration 2"),
        (0.1, [-np.inf, 1.0], "got 0.1 and a largest component of inf in iteration 2"),
    ],
)
def test_lbfgs_refuses_what_is_not_finite(value, gradient, text):
    f, calls = quadratic([1.0, 50.0]), count()
    with pytest.raises(GradCodeError, match=f"loss and its gradient must stay finite, {text}"):
        lbfgs(lambda w: (value, np.array(gradient)) if next(calls) == 2 else f(w), np.ones(2), iterations=9)


@each
@pytest.mark.parametrize("where", ["function", "callback"])
def test_interrupt_passes_through(name, where):
    def interrupted(w):
        raise KeyboardInterrupt

    f = {"function": interrupted, "callback": quadratic([1.0, 2.0])}[where]
    with pytest.raises(KeyboardInterrupt):
        run(name, f, np.ones(2), iterations=5, callback=interrupted)


BAD = [
    ({"iterations": -1}, ValueError, "iterations must be an integer of at least 0, got -1"),
    ({"iterations": 2.5}, TypeError, "iterations must be an integer"),
    ({"tolerance": -1e-3}, ValueError, "tolerance must be a finite number of at least 0, got -0.001"),
    ({"tolerance": np.nan}, ValueError, "tolerance must be a finite number of at least 0, got nan"),
    ({"w0": np.ones((2, 2))}, ValueError, r"w0 must be one-dimensional, got shape \(2, 2\)"),
    ({"w0": np.ones(2, int)}, TypeError, "w0.dtype must be one of float32, float64, got int64"),
    ({"w0": np.array([1.0, np.inf])}, ValueError, "w0 must be finite, got inf"),
]
BAD_RATE = [
    ({"rate": 0}, ValueError, "rate must be a finite number above 0, got 0"),
    ({"rate": np.nan}, ValueError, "rate must be a finite number above 0, got nan"),
    ({"rate": None}, TypeError, "rate must be a finite number above 0, got None"),
]


def never(w):
    pytest.fail("no gradient may be taken")


@each
@pytest.mark.parametrize(("change", "error", "rule"), BAD)
def test_arguments_are_checked_before_work(name, change, error, rule):
    arguments = {"w0": np.ones(2), "iterations": 3} | change
    with pytest.raises(error, match=rule):
        run(name, never, arguments.pop("w0"), **arguments)


@each_with_rate
@pytest.mark.parametrize(("change", "error", "rule"), BAD_RATE)
def test_rate_is_checked_before_work(name, change, error, rule):
    with pytest.raises(error, match=rule):
        FUNCTIONS[name](never, np.ones(2), iterations=3, **change)


def test_lbfgs_takes_no_rate():
    with pytest.raises(ValueError, match=r"rate must be None with lbfgs, whose line search finds the steps, got 0.1"):
        lbfgs(never, np.ones(2), rate=0.1, iterations=3)

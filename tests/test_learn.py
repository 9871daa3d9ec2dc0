"""The estimator against scikit-learn's own, in threads; tests/mpi/test_learn_run.py has the ranks."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_info

from gradcode import Uncoded, design
from gradcode.errors import WorkerFailed
from gradcode.learn import CodedLogisticRegression
from gradcode.linear.losses import LOSSES

# With this much regularisation, such a tolerance makes the coefficients this exact (the first test that uses them has
# the bound); a tolerance ten times smaller comes near to what the rounding of the objective leaves to be seen.
STRONG, TOL, CLOSE = 0.1, 1e-6, 1e-4
EPS = np.finfo(float).eps


# Not one check is expected to fail. (The checks themselves warn where an optional library is not there.)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([CodedLogisticRegression(design(4, stragglers=1))])
def test_it_is_an_estimator_as_scikit_learn_understands_it(estimator, check):
    check(estimator)


def problem(name):
    X, y = {"binary": load_breast_cancer, "multinomial": load_wine}[name](return_X_y=True)
    X = StandardScaler().fit_transform(X)
    X[np.abs(X) < 0.3] = 0  # something for sparse rows to leave out
    return X, y


class Objective:
    """scikit-learn's objective, written out row by row: C * sum of losses + |coef|^2 / 2, as softmax over all classes.

    With two classes the scores are (-s/2, s/2), which has the same loss as s alone.
    """

    def __init__(self, X, y, C, fit_intercept):
        self.X = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
        self.Y = y[:, np.newaxis] == np.unique(y)
        self.C = C
        self.penalised = np.r_[np.ones(X.shape[1]), np.zeros(int(fit_intercept))]
        # How the parameters become scores: one or K columns of W for K classes.
        self.mix = np.array([[-0.5, 0.5]]) if self.Y.shape[1] == 2 else np.eye(self.Y.shape[1])

    def matrix(self, model):
        rows = model.coef_ if len(self.penalised) == model.coef_.shape[1] else np.c_[model.coef_, model.intercept_]
        return rows.T.astype(float)

    def gradient(self, W):
        residual = softmax(self.X @ W @ self.mix, axis=1) - self.Y
        return self.C * self.X.T @ residual @ self.mix.T + self.penalised[:, np.newaxis] * W

    def smallest_curvature(self, W):
        """Least eigenvalue of the Hessian, in the directions in which the loss or the penalty changes at all."""
        total = np.kron(np.diag(self.penalised), np.eye(W.shape[1]))
        for x, p in zip(self.X, softmax(self.X @ W @ self.mix, axis=1), strict=True):
            total += self.C * np.kron(np.outer(x, x), self.mix @ (np.diag(p) - np.outer(p, p)) @ self.mix.T)
        eigenvalues = np.linalg.eigvalsh(total)
        return eigenvalues[eigenvalues > 1e-9 * eigenvalues[-1]][0]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, STRONG])
@pytest.mark.parametrize("name", ["binary", "multinomial"])
def test_coefficients_are_those_of_scikit_learn(name, C, fit_intercept):
    X, y = problem(name)
    model = CodedLogisticRegression(C=C, fit_intercept=fit_intercept, tol=TOL).fit(X, y)
    reference = LogisticRegression(C=C, fit_intercept=fit_intercept, solver="newton-cg", tol=1e-10, max_iter=1000)
    reference.fit(X, y)

    objective = Objective(X, y, C, fit_intercept)
    ours, theirs = objective.matrix(model), objective.matrix(reference)
    first = np.abs(objective.gradient(np.zeros_like(ours))).max()
    reached = objective.gradient(ours)
    assert np.abs(reached).max() <= TOL * first + len(X) * EPS * first  # what `tol` promises, and rounding
    # Twice what Newton's method says of two points this near to the optimum.
    bound = 2 * (np.linalg.norm(reached) + np.linalg.norm(objective.gradient(theirs)))
    bound /= objective.smallest_curvature(theirs)
    assert np.linalg.norm(ours - theirs) <= bound < CLOSE
    assert model.coef_.shape == reference.coef_.shape and model.intercept_.shape == reference.intercept_.shape
    assert model.coef_.dtype == model.intercept_.dtype == np.float64
    if not fit_intercept:
        assert not model.intercept_.any()


SCHEMES = [Uncoded(1), Uncoded(3), design(6, stragglers=1, communication=2), design(3, 0, 3), design(6, 2, 1)]


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("name", ["binary", "multinomial"])
def test_every_scheme_comes_to_the_same_coefficients(name, scheme):
    X, y = problem(name)
    model = CodedLogisticRegression(scheme, C=STRONG, tol=TOL).fit(X, y)
    plain = CodedLogisticRegression(Uncoded(2), C=STRONG, tol=TOL).fit(X, y)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=0, atol=CLOSE)
    assert repr(model.scheme_) == repr(scheme)
    assert len(model.rounds_) >= model.n_iter_[0] >= 1
    assert all(len(record.used) + len(record.late) <= scheme.n_workers for record in model.rounds_)


@pytest.mark.parametrize("make", [sp.csr_matrix, sp.csr_array, sp.csc_array, sp.coo_matrix])
@pytest.mark.parametrize("name", ["binary", "multinomial"])
def test_sparse_rows_give_what_dense_ones_give(name, make):
    X, y = problem(name)
    dense = CodedLogisticRegression(C=STRONG, tol=TOL).fit(X, y)
    sparse = CodedLogisticRegression(C=STRONG, tol=TOL).fit(make(X), y)
    np.testing.assert_allclose(sparse.coef_, dense.coef_, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(sparse.predict_proba(make(X)), dense.predict_proba(X), rtol=0, atol=CLOSE)


@pytest.mark.parametrize("name", ["binary", "multinomial"])
def test_float32_stays_float32(name):
    X, y = problem(name)
    single = CodedLogisticRegression().fit(X.astype(np.float32), y)
    double = CodedLogisticRegression().fit(X, y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.rounds_[0].bytes_up < double.rounds_[0].bytes_up
    objective = Objective(X, y, 1.0, True)
    # Both have the gradient that `tol` asks for; float32 rows and sums shift it by their rounding.
    rounding = 1e-4 + len(X) * np.finfo(np.float32).eps
    for model in (single, double):
        gradients = [objective.gradient(W) for W in (objective.matrix(model), np.zeros_like(objective.matrix(model)))]
        assert np.abs(gradients[0]).max() <= rounding * np.abs(gradients[1]).max()


@pytest.mark.parametrize("name", ["binary", "multinomial"])
def test_predictions_are_those_of_scikit_learn_for_the_same_coefficients(name):
    X, y = problem(name)
    y = np.array(["a", "b", "c"])[y]
    model = CodedLogisticRegression().fit(X, y)
    reference = LogisticRegression().fit(X, y)
    reference.coef_, reference.intercept_ = model.coef_, model.intercept_
    np.testing.assert_array_equal(model.classes_, reference.classes_)
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))
    assert model.score(X, y) == reference.score(X, y)
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        np.testing.assert_allclose(getattr(model, method)(X), getattr(reference, method)(X), rtol=1e-9, atol=1e-12)
    far = 1e4 * X
    assert np.isfinite(model.predict_log_proba(far)).all() and model.predict_proba(far).min() == 0


class Loss:
    """A loss that does something first, in the thread of the worker that computes it."""

    def __init__(self, name, first):
        self._loss, self._first = LOSSES[name], first

    def n_parameters(self, n_features, n_classes):
        return self._loss.n_parameters(n_features, n_classes)

    def value_and_gradient(self, w, X, y):
        self._first(threading.current_thread().name.removeprefix("gradcode-worker-"))
        return self._loss.value_and_gradient(w, X, y)


@pytest.mark.parametrize("scheme", [None, design(6, stragglers=1, communication=2)], ids=repr)
def test_a_worker_that_never_answers_does_not_matter(scheme, monkeypatch, caplog):
    X, y = problem("binary")
    expected = CodedLogisticRegression(Uncoded(2), C=STRONG, tol=TOL).fit(X, y).coef_
    for straggler in range(scheme.n_workers if scheme else 4):
        reached, release = threading.Event(), threading.Event()

        def first(worker, straggler=str(straggler), reached=reached, release=release):
            if worker == straggler:
                reached.set()
                release.wait()
            reached.wait()  # nobody ends the first round before the straggler is busy with it

        with monkeypatch.context() as patch:
            patch.setitem(LOSSES, "logistic", Loss("logistic", first))
            try:
                model = CodedLogisticRegression(scheme, C=STRONG, tol=TOL, goodbye_seconds=0).fit(X, y)
            finally:
                release.set()
        for thread in threading.enumerate():
            if thread.name.startswith("gradcode-worker-"):
                thread.join(30)
        np.testing.assert_allclose(model.coef_, expected, rtol=0, atol=CLOSE)
        assert all(straggler in record.late and straggler not in record.used for record in model.rounds_)
        # With no time for the goodbye, others may not have left yet either.
        left_behind = caplog.records[-1].getMessage().removeprefix("gradcode: workers ").split(" have not ended")[0]
        assert str(straggler) in left_behind.split(", ")


@pytest.mark.parametrize("n_workers", [1, 4])
def test_the_threads_of_blas_are_shared_out_meanwhile(n_workers, monkeypatch):
    def blas():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before, meanwhile = blas(), []
    if not before:
        pytest.skip("this BLAS does not tell its threads")
    monkeypatch.setitem(LOSSES, "logistic", Loss("logistic", lambda worker: meanwhile.extend(blas())))
    CodedLogisticRegression(Uncoded(n_workers)).fit(*problem("binary"))
    assert set(meanwhile) == {min(max(1, os.cpu_count() // n_workers), *before)}
    assert blas() == before


def test_an_interrupt_passes_through_and_leaves_the_estimator_unfitted(monkeypatch):
    X, y = problem("binary")
    monkeypatch.setitem(LOSSES, "logistic", Loss("logistic", lambda worker: signal.raise_signal(signal.SIGINT)))
    model = CodedLogisticRegression()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_what_goes_wrong_on_a_worker_is_raised(monkeypatch):
    def first(worker):
        raise MemoryError("no room")

    monkeypatch.setitem(LOSSES, "logistic", Loss("logistic", first))
    with pytest.raises(WorkerFailed, match="MemoryError: no room"):
        CodedLogisticRegression().fit(*problem("binary"))


def test_more_workers_than_rows_leave_some_with_nothing_to_do():
    X, y = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]]), np.array([0, 0, 1])
    model = CodedLogisticRegression(Uncoded(8), C=STRONG, tol=TOL).fit(X, y)
    reference = LogisticRegression(C=STRONG, solver="newton-cg", tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, rtol=0, atol=CLOSE)


def test_parameters_are_those_given_and_copies_are_fitted_alike():
    scheme = design(6, stragglers=1, communication=2)
    model = CodedLogisticRegression(scheme, C=STRONG, tol=TOL)
    assert model.get_params() == {
        "scheme": scheme,
        "C": STRONG,
        "fit_intercept": True,
        "tol": TOL,
        "max_iter": 1000,
        "engine": "auto",
        "goodbye_seconds": 10.0,
    }
    X, y = problem("multinomial")
    model.fit(X, y)
    copy = clone(model).set_params(C=1.0)
    assert not hasattr(copy, "coef_") and model.C == STRONG
    np.testing.assert_allclose(copy.set_params(C=STRONG).fit(X, y).coef_, model.coef_, rtol=0, atol=CLOSE)
    kept = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(kept.predict_proba(X), model.predict_proba(X))
    assert kept.rounds_ == model.rounds_


def test_it_works_in_a_pipeline_and_in_a_search():
    X, y = load_wine(return_X_y=True)
    ours = make_pipeline(StandardScaler(), CodedLogisticRegression())
    theirs = make_pipeline(StandardScaler(), LogisticRegression())
    np.testing.assert_array_equal(cross_val_score(ours, X, y, cv=3), cross_val_score(theirs, X, y, cv=3))
    step = "codedlogisticregression__"
    grid = {f"{step}C": [1e-4, 1.0], f"{step}scheme": [Uncoded(2), design(4, stragglers=1)]}
    search = GridSearchCV(ours, grid, scoring="neg_log_loss", cv=3).fit(X, y)
    reference = GridSearchCV(theirs, {"logisticregression__C": [1e-4, 1.0]}, scoring="neg_log_loss", cv=3).fit(X, y)
    assert search.best_params_[f"{step}C"] == reference.best_params_["logisticregression__C"] == 1.0
    assert search.best_score_ == pytest.approx(reference.best_score_, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_iter": 3}, "tol=0.0001 was not reached: all max_iter=3 gradients were taken"),
        ({"tol": 0}, "tol=0 was not reached: rounding in float64 left no lower value"),
    ],
)
def test_missing_the_tolerance_is_a_warning(options, text):
    with pytest.warns(ConvergenceWarning, match=text):
        model = CodedLogisticRegression(**options).fit(*problem("multinomial"))
    assert len(model.rounds_) <= model.max_iter


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"scheme": "grouped"}, TypeError, "scheme must be a GradientCode or None, got str"),
        ({"C": 0}, ValueError, "C must be a finite number above 0, got 0"),
        ({"C": "1"}, TypeError, "C must be a finite number above 0, got '1'"),
        ({"tol": -1e-3}, ValueError, "tol must be a finite number of at least 0, got -0.001"),
        ({"tol": np.nan}, ValueError, "tol must be a finite number of at least 0, got nan"),
        ({"max_iter": 0}, ValueError, "max_iter must be an integer of at least 1, got 0"),
        ({"max_iter": 10.5}, TypeError, "max_iter must be an integer of at least 1, got 10.5"),
        ({"fit_intercept": "yes"}, TypeError, "fit_intercept must be True or False, got 'yes'"),
        ({"engine": "gpu"}, ValueError, "engine must be one of 'auto', 'local', 'mpi', got 'gpu'"),
        ({"goodbye_seconds": -1}, ValueError, "goodbye_seconds must be a finite number of at least 0, got -1"),
    ],
)
def test_bad_parameters_are_refused_by_fit_before_any_work(options, error, text, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread was started"))
    model = CodedLogisticRegression(**options)  # which takes anything, as scikit-learn wants it
    with pytest.raises(error, match=text):
        model.fit(*problem("binary"))


@pytest.mark.parametrize(
    ("X", "y", "text"),
    [
        (np.ones((4, 2)), [1, 1, 1, 1], "y must hold at least two classes, got one class: np.int64\\(1\\)"),
        (np.ones((4, 2)), [0, 1, 0], "inconsistent numbers of samples"),
        (np.ones((4, 2)), [0.1, 0.2, 0.3, 0.4], "Unknown label type: continuous"),
        ([[np.nan], [1.0]], [0, 1], "contains NaN"),
    ],
)
def test_bad_data_are_refused(X, y, text):
    with pytest.raises(ValueError, match=text):
        CodedLogisticRegression().fit(X, y)


def test_threads_can_be_asked_for_inside_mpi(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    model = CodedLogisticRegression(engine="local").fit(*problem("binary"))
    assert model.scheme_.n_workers == 4 and model.rounds_


def test_without_scikit_learn_it_says_what_to_install():
    script = "import sys; sys.modules['sklearn'] = None; import gradcode.learn"
    completed = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False)
    assert completed.returncode == 1
    assert (
        "MissingExtra: gradcode.learn needs scikit-learn 1.6 or later; install it with: pip install "
        in completed.stderr
    )

"""Logistic regression with the interface of scikit-learn."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import ThreadpoolController  # which scikit-learn requires

import gradcode.local
from gradcode._validate import check_int, check_number
from gradcode.learn.problem import Problem, Solution
from gradcode.mpi import load_mpi
from gradcode.mpi import run as run_over_mpi
from gradcode.mpi.launch import inside_mpi
from gradcode.rounds import Cluster, RoundRecord
from gradcode.schemes import GradientCode, design

__all__ = ["CodedLogisticRegression"]

_ENGINES = ("auto", "local", "mpi")
_THREADS = 4  # workers of the default scheme outside MPI


class CodedLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """L2-regularised logistic regression whose gradients do not wait for stragglers.

    It minimises ``C * (sum of the log losses of all rows) + |coef|^2 / 2``. This is the objective of scikit-learn's
    `LogisticRegression`, and the coefficients are the same. With more than two classes the loss is multinomial. Each
    worker holds contiguous shares of the rows, some of which other workers hold too. L-BFGS runs on the exact sum of
    all gradients, regardless of stragglers.

    Inside ``mpirun`` or ``srun`` every rank constructs the estimator and calls `fit` with the same data. Rank 0 is the
    master and the others are workers; afterwards the estimator is fitted on all of them. Ranks with different data
    (after an unseeded shuffle, for example) are refused. Every rank reads all rows, to check them, but a worker keeps
    a copy of its share only: `X` may be a memory map (`numpy.memmap`) of float32 or float64 that is larger than memory.
    If scikit-learn wraps this estimator, leave ``n_jobs`` alone: processes that a rank starts are not ranks.

    Outside MPI the workers are threads of this process, each with a copy of its share. While they work, BLAS is limited
    so that all its threads together are not more than the cores.

    Rounding depends on which workers are late. So two fits agree to rounding, but not to the last bit.

    Parameters
    ----------
    scheme : GradientCode, optional
        Who computes what. Inside MPI it must be for one worker fewer than there are ranks. Default:
        ``gradcode.design(n_workers, stragglers=1)``, which tolerates any one straggler, with all workers that MPI has,
        or 4 threads. A single worker cannot straggle.
    C : float
        Inverse of the strength of the regularisation, above 0.
    fit_intercept : bool
        Whether to add a constant column. Its coefficient is not regularised.
    tol : float
        Stop once the largest component of the gradient, in absolute value, is at most this fraction of what it was at
        the start, with all coefficients 0.
    max_iter : int
        How many gradients to take at most, including those within a line search. (scikit-learn counts iterations, most
        of which take one.)
    engine : {"auto", "local", "mpi"}
        "local": threads of this process; "mpi": ranks; "auto": ranks if mpirun or srun has started this process, and
        threads otherwise.
    goodbye_seconds : float
        How long to wait at the end for workers that are still computing (see `gradcode.mpi.run`,
        `gradcode.local.run`).

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The labels, sorted.
    coef_ : ndarray, shape (1, n_features) or (n_classes, n_features)
        Coefficients; one row if there are two classes. If `X` is float32, they are float32, and so is everything that
        is computed and sent; otherwise float64.
    intercept_ : ndarray, shape (1,) or (n_classes,)
        Coefficients of the constant column, or zeros.
    n_iter_ : ndarray, shape (1,)
        Iterations of L-BFGS.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray, shape (n_features_in_,)
        Names of the columns, if `X` had any.
    scheme_ : GradientCode
        A copy of the scheme, or the default.
    rounds_ : list of RoundRecord
        Every round: seconds, bytes, whose messages were used and who was late. The list is empty on ranks other than
        the master.

    Examples
    --------
    >>> import gradcode
    >>> from sklearn.datasets import load_iris
    >>> from gradcode.learn import CodedLogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> scheme = gradcode.design(n_workers=6, stragglers=1, communication=2)
    >>> model = CodedLogisticRegression(scheme, engine="local").fit(X, y)
    >>> model.coef_.shape, round(model.score(X, y), 2)
    ((3, 4), 0.97)
    """

    def __init__(
        self,
        scheme: GradientCode | None = None,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        tol: float = 1e-4,
        max_iter: int = 1000,
        engine: str = "auto",
        goodbye_seconds: float = 10.0,
    ) -> None:
        self.scheme = scheme
        self.C = C
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.engine = engine
        self.goodbye_seconds = goodbye_seconds

    def fit(self, X: Any, y: Any) -> CodedLogisticRegression:
        """Fit the model.

        Parameters
        ----------
        X : array_like or sparse, shape (n_rows, n_features)
            Rows, finite. Sparse rows of any format are converted to CSR and stay sparse.
        y : array_like, shape (n_rows,)
            Labels, of two classes or more.

        Returns
        -------
        CodedLogisticRegression
            This estimator.

        Raises
        ------
        ValueError, TypeError
            If the data or a parameter of the estimator cannot be used; before any work.
        ConfigMismatch
            Inside MPI, if ranks were given different data or parameters; on every rank.
        GradCodeError
            Inside MPI, if another rank could not go on; it says which, and why.
        WorkerFailed
            If a worker ran out of memory, for example.
        MissingExtra
            If MPI is asked for, but mpi4py or an MPI library is not installed.

        Warns
        -----
        ConvergenceWarning
            If `tol` was not reached; at the master only.
        """
        if self.engine not in _ENGINES:
            raise ValueError(f"engine must be one of {', '.join(map(repr, _ENGINES))}, got {self.engine!r}")
        if self.engine == "mpi" or (self.engine == "auto" and inside_mpi()):
            problem, solution = self._fit_over_mpi(X, y)
        else:
            problem, solution = self._fit_in_threads(X, y)
        w = solution.w.reshape(self.n_features_in_ + bool(self.fit_intercept), -1)
        self.coef_ = np.array(w[: self.n_features_in_].T, order="C")
        self.intercept_ = w[-1].copy() if self.fit_intercept else np.zeros(w.shape[1], w.dtype)
        self.classes_, self.scheme_ = problem.classes, problem.scheme
        self.n_iter_ = np.array([solution.iterations], np.int32)
        self.rounds_ = solution.rounds
        return self

    def decision_function(self, X: Any) -> npt.NDArray[Any]:
        """Return the scores of rows.

        Parameters
        ----------
        X : array_like or sparse, shape (n_rows, n_features)
            Rows.

        Returns
        -------
        ndarray, shape (n_rows,) or (n_rows, n_classes)
            With two classes there is one score a row, above 0 for the second class.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        scores: npt.NDArray[Any] = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the likeliest class of each row, shape (n_rows,).

        Parameters
        ----------
        X : array_like or sparse, shape (n_rows, n_features)
            Rows.
        """
        scores = self.decision_function(X)
        best = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        chosen: npt.NDArray[Any] = self.classes_[best.astype(np.intp)]
        return chosen

    def predict_proba(self, X: Any) -> npt.NDArray[Any]:
        """Return the probability of each class, shape (n_rows, n_classes), in the order of ``classes_``.

        Parameters
        ----------
        X : array_like or sparse, shape (n_rows, n_features)
            Rows.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.stack([expit(-scores), expit(scores)], axis=1)
        return np.asarray(softmax(scores, axis=1))

    def predict_log_proba(self, X: Any) -> npt.NDArray[Any]:
        """Return the logarithms of `predict_proba`, finite where the probability is too small for its type.

        Parameters
        ----------
        X : array_like or sparse, shape (n_rows, n_features)
            Rows.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.stack([log_expit(-scores), log_expit(scores)], axis=1)
        return np.asarray(log_softmax(scores, axis=1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    def _fit_in_threads(self, X: Any, y: Any) -> tuple[Problem, Solution]:
        problem = self._problem(X, y, _THREADS)
        # Workers share the cores. If each had BLAS threads for all cores, the fit would take several times as long.
        blas = ThreadpoolController().select(user_api="blas")
        share = max(1, (os.cpu_count() or 1) // problem.scheme.n_workers)
        with blas.limit(limits=min([share, *(library.num_threads for library in blas.lib_controllers)])):
            return problem, gradcode.local.run(
                problem.minimise,
                problem.scheme,
                problem.gradient,
                gradient_size=problem.gradient_size,
                data=problem.load,
                dtype=problem.X.dtype,
                goodbye_seconds=self.goodbye_seconds,
            )

    def _fit_over_mpi(self, X: Any, y: Any) -> tuple[Problem, Solution]:
        comm = load_mpi()
        from gradcode.mpi.agreement import together

        def prepare() -> tuple[Problem, dict[str, object]]:
            # At least one worker: `run` then says how many ranks there must be.
            problem = self._problem(X, y, max(1, comm.size - 1))
            return problem, problem.configuration()

        problem, configuration = together(comm, prepare)
        rounds: list[RoundRecord] = []

        def main(cluster: Cluster) -> tuple[npt.NDArray[Any], dict[str, int]]:
            solution = problem.minimise(cluster)
            rounds.extend(solution.rounds)
            return solution.w, {"iterations": solution.iterations}

        shared = run_over_mpi(
            main,
            problem.scheme,
            problem.gradient,
            gradient_size=problem.gradient_size,
            data=problem.load,
            dtype=problem.X.dtype,
            comm=comm,
            configuration=configuration,
            goodbye_seconds=self.goodbye_seconds,
            share_result=True,
        )
        assert shared is not None  # on every rank
        w, facts = shared
        return problem, Solution(w, facts["iterations"], rounds)

    def _problem(self, X: Any, y: Any, n_workers: int) -> Problem:
        """Check the estimator's parameters and the data, and prepare the problem for so many workers."""
        C = check_number("C", self.C, 0, strict=True)
        tol, max_iter = check_number("tol", self.tol, 0), check_int("max_iter", self.max_iter, 1)
        check_number("goodbye_seconds", self.goodbye_seconds, 0)
        if not isinstance(self.fit_intercept, (bool, np.bool_)):
            raise TypeError(f"fit_intercept must be True or False, got {self.fit_intercept!r}")
        if not (self.scheme is None or isinstance(self.scheme, GradientCode)):
            raise TypeError(f"scheme must be a GradientCode or None, got {type(self.scheme).__name__}")
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y must hold at least two classes, got one class: {classes[0]!r}")
        if self.scheme is None:
            scheme: GradientCode = design(n_workers, stragglers=min(1, n_workers - 1))
        else:
            scheme = copy.deepcopy(self.scheme)  # a scheme caches what it computes; `fit` must not change parameters
        X = sp.csr_array(X) if sp.issparse(X) else X
        targets = (2 * labels - 1 if len(classes) == 2 else labels).astype(X.dtype)
        return Problem(X, targets, classes, scheme, bool(self.fit_intercept), C, tol, max_iter)

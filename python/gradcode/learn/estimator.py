"""Logistic regression in scikit-learn's manner."""

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
from gradcode.learn.sharing import Sharing
from gradcode.mpi import load_mpi
from gradcode.mpi import run as run_over_mpi
from gradcode.mpi.launch import inside_mpi
from gradcode.rounds import Cluster
from gradcode.schemes import GradientCode, design

__all__ = ["CodedLogisticRegression"]

_ENGINES = ("auto", "local", "mpi")
_THREADS = 4  # workers of the default scheme outside MPI


class CodedLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """L2-regularised logistic regression whose gradients do not wait for stragglers.

    It minimises ``C * (sum of the log losses of all rows) + |coef|^2 / 2``, the objective of scikit-learn's
    `LogisticRegression`, and comes to the same coefficients; with more than two classes the loss is the multinomial
    one. Rows are given out to workers in contiguous shares, redundantly, and L-BFGS runs on the exact sum of their
    gradients, whichever workers are late.

    Inside ``mpirun`` or ``srun`` every rank constructs the estimator and calls `fit` with the same data: rank 0 is the
    master, the others are workers, and afterwards the estimator is fitted on all of them. Different data on a rank (an
    unseeded shuffle) is found out and refused. Every rank reads all rows, to check them, and a worker keeps a copy of
    its share only, so `X` may be a memory map (`numpy.memmap`) of float32 or float64 larger than memory. Where
    scikit-learn wraps this estimator, leave ``n_jobs`` alone: processes that a rank starts are no ranks.

    Elsewhere the workers are threads of this process, each with a copy of its share. While they work, the threads of
    BLAS are limited, so that there are no more in all than there are cores.

    Who is late decides how the sums are rounded, so two fits agree to rounding, and not to the last bit.

    Parameters
    ----------
    scheme : GradientCode, optional
        Who computes what. Inside MPI it must be for one worker fewer than there are ranks. Default: any one straggler
        is tolerated, ``gradcode.design(n_workers, stragglers=1)``, with all workers that MPI has, or else 4; a single
        worker cannot straggle.
    C : float
        Inverse of the strength of the regularisation, above 0.
    fit_intercept : bool
        Whether to add a constant column, whose coefficient is not regularised.
    tol : float
        Stop once the largest component of the gradient, in size, is at most this part of what it was at the start, at
        coefficients 0.
    max_iter : int
        How many gradients to take at most, those within a line search included. (scikit-learn counts iterations, most
        of which take one.)
    engine : {"auto", "local", "mpi"}
        Threads of this process, ranks of MPI, or the latter in a process that mpirun or srun has started.
    goodbye_seconds : float
        How long to wait at the end for workers that are still computing (see `gradcode.mpi.run`,
        `gradcode.local.run`).

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The labels.
    coef_ : ndarray, shape (1, n_features) or (n_classes, n_features)
        Coefficients, one row if there are two classes. float32 if `X` is, and otherwise float64: so is all that is
        computed and sent.
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
        Every round: seconds, bytes, whose messages were used and who was late. Only the master knows them; on other
        ranks the list is empty.

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
            Rows, finite. Sparse rows of any format are taken as CSR and stay sparse.
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
            If MPI is asked for, and mpi4py or an MPI library is not installed.

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
        self.coef_ = np.array(w[: self.n_features_in_].T, order="C")  # a copy: MPI may still be sending w
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
            With two classes one score, above 0 for the second of them.
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
        # Workers share the cores: more threads of BLAS than that, each for itself, cost a multiple of the time.
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
            # One worker at least, so that `run` says how many ranks there must be.
            problem = self._problem(X, y, max(1, comm.size - 1))
            return problem, problem.configuration()

        problem, configuration = together(comm, prepare)
        sharing = Sharing(comm, problem)

        def main(cluster: Cluster) -> Solution:
            sharing.awaited = True
            solution = problem.minimise(cluster)
            with cluster.interrupts.shelter():
                sharing.send(solution)
            return solution

        try:
            solution = run_over_mpi(
                main,
                problem.scheme,
                problem.gradient,
                gradient_size=problem.gradient_size,
                data=problem.load,
                dtype=problem.X.dtype,
                comm=comm,
                configuration=configuration,
                goodbye_seconds=self.goodbye_seconds,
            )
        except BaseException as error:
            sharing.fail(error)
            raise
        if solution is None:
            return problem, sharing.receive()
        sharing.finish(self.goodbye_seconds)
        return problem, solution

    def _problem(self, X: Any, y: Any, n_workers: int) -> Problem:
        """Check everything."""
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
            scheme = copy.deepcopy(self.scheme)  # a scheme keeps what it has computed, and `fit` changes no parameter
        X = sp.csr_array(X) if sp.issparse(X) else X
        targets = (2 * labels - 1 if len(classes) == 2 else labels).astype(X.dtype)
        return Problem(X, targets, classes, scheme, bool(self.fit_intercept), C, tol, max_iter)

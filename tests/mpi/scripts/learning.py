"""The estimator under mpirun: ``learning.py straggler|failures|hanging FOLDER``, one part of the tests each."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from mpi4py import MPI
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from gradcode import Uncoded, design
from gradcode.errors import ConfigMismatch, GradCodeError, WorkerFailed
from gradcode.learn import CodedLogisticRegression
from gradcode.linear.losses import LOSSES

COMM = MPI.COMM_WORLD
RANK = COMM.rank
STRONG, TOL, CLOSE = 0.1, 1e-6, 1e-4  # tests/test_learn.py has the bound


class Loss:
    """The logistic loss, but on this rank something else comes first."""

    def __init__(self, first):
        self._loss, self._first = LOSSES["logistic"], first
        self.calls = 0

    def n_parameters(self, n_features, n_classes):
        return self._loss.n_parameters(n_features, n_classes)

    def value_and_gradient(self, w, X, y):
        self.calls += 1
        self._first(self.calls)
        return self._loss.value_and_gradient(w, X, y)


def problem(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def reference(X, y):
    return LogisticRegression(C=STRONG, solver="newton-cg", tol=1e-10, max_iter=1000).fit(X, y)


def everywhere(array):
    """The array of every rank, shape (ranks, ...)."""
    gathered = np.empty((COMM.size, *array.shape), array.dtype)
    COMM.Allgather(np.ascontiguousarray(array), gathered)
    return gathered


def check_fitted(model, X, y):
    expected = reference(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=0, atol=CLOSE)
    np.testing.assert_array_equal(model.classes_, expected.classes_)
    for parameters in (model.coef_, model.intercept_, model.n_iter_):
        assert (everywhere(parameters) == parameters).all()  # to the last bit
    assert bool(model.rounds_) == (RANK == 0)


def wait_for(path):
    while not path.exists():
        time.sleep(0.001)


def straggler(folder):
    """Rank 1 begins its first gradient and does not come back before another worker has computed five."""
    X, y = problem(load_breast_cancer)
    begun, enough = folder / "begun", folder / "enough"

    def late(call):
        if call == 1:
            begun.touch()
            wait_for(enough)

    def in_time(call):
        wait_for(begun)
        if call == 5:
            enough.touch()

    LOSSES["logistic"] = Loss(late if RANK == 1 else in_time)
    model = CodedLogisticRegression(C=STRONG, tol=TOL).fit(X, y)
    check_fitted(model, X, y)
    assert model.scheme_.n_workers == COMM.size - 1 and model.scheme_.stragglers == 1
    if RANK == 0:
        (first, *_) = model.rounds_
        assert len(first.late) >= 1 and not set(first.late) & set(first.used)

    # Mapped, sparse and single rows; more classes; any scheme; a loop of scikit-learn's around it.
    path = folder / "X.npy"
    if RANK == 0:
        np.save(path, X)
    COMM.Barrier()
    model = CodedLogisticRegression(C=STRONG, tol=TOL).fit(np.load(path, mmap_mode="r"), y)
    check_fitted(model, X, y)
    X, y = problem(load_wine)
    model = CodedLogisticRegression(design(4, 1, 3), C=STRONG, tol=TOL, engine="mpi").fit(sp.csc_array(X), y)
    check_fitted(model, X, y)
    single = CodedLogisticRegression(C=STRONG).fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32 and (everywhere(single.coef_) == single.coef_).all()
    scores = cross_val_score(CodedLogisticRegression(), X, y, cv=3)
    np.testing.assert_array_equal(scores, cross_val_score(LogisticRegression(), X, y, cv=3))
    alone = CodedLogisticRegression(C=STRONG, tol=TOL, engine="local").fit(X, y)
    np.testing.assert_allclose(alone.coef_, model.coef_, rtol=0, atol=CLOSE)
    assert len(alone.rounds_) > 0  # on every rank, each by itself


def refused(error, text, X, y, **options):
    try:
        CodedLogisticRegression(**options).fit(X, y)
    except error as raised:
        assert text in str(raised), raised
    else:
        raise AssertionError(f"{text} was not said")


def failures(folder):
    """What goes wrong on one rank ends the fit on all, and the next fit works."""
    X, y = problem(load_breast_cancer)

    # The data or parameters of one rank differ from those of the others, or cannot be used.
    broken = np.where(np.arange(len(X)) == 7, np.nan, X.T).T
    if RANK == 2:
        refused(ValueError, "contains NaN", broken, y)
    else:
        refused(GradCodeError, "rank 2 cannot go on: ValueError: Input X contains NaN", X, y)
    order = np.random.default_rng(RANK).permutation(len(X))
    refused(ConfigMismatch, "X checksum", X[order], y[order])
    refused(ConfigMismatch, "y checksum", X, np.roll(y, RANK))
    refused(ConfigMismatch, "classes checksum", X, np.array([f"a{RANK}", "b"])[y])
    refused(ConfigMismatch, "X checksum", sp.csr_array(X + (RANK == 1)), y)
    refused(ConfigMismatch, "C: 1.0 on rank 0, 2.0 on rank 1", X, y, C=1.0 + (RANK == 1))
    refused(ValueError, "start it with: mpirun -n 6", X, y, scheme=Uncoded(5))

    # The loss fails on a worker.
    logistic = LOSSES["logistic"]

    def fail(call):
        if call == 3 and RANK == 1:
            raise MemoryError("no room")

    LOSSES["logistic"] = Loss(fail)
    if RANK == 0:
        refused(WorkerFailed, "MemoryError: no room", X, y, scheme=Uncoded(2))
    else:
        refused(GradCodeError, "rank 0 cannot go on: WorkerFailed: worker", X, y, scheme=Uncoded(2))

    # Ctrl-C while a worker computes, and goes on until the master has been interrupted.
    begun, interrupted = folder / "begun", folder / "interrupted"

    def hold(call):
        begun.touch()
        wait_for(interrupted)

    def interrupt():
        wait_for(begun)
        os.kill(os.getpid(), signal.SIGINT)

    LOSSES["logistic"] = logistic if RANK == 0 else Loss(hold)
    if RANK == 0:
        threading.Thread(target=interrupt).start()
        try:
            CodedLogisticRegression(Uncoded(2), goodbye_seconds=0).fit(X, y)
        except KeyboardInterrupt:
            interrupted.touch()
        else:
            raise AssertionError("the fit was not interrupted")
    else:
        refused(GradCodeError, "rank 0 cannot go on: KeyboardInterrupt", X, y, scheme=Uncoded(2))

    LOSSES["logistic"] = logistic
    check_fitted(CodedLogisticRegression(Uncoded(2), C=STRONG, tol=TOL).fit(X, y), X, y)


def hanging(folder):
    """Rank 2 never comes back from its first gradient; the others are fitted, and the job ends."""
    X, y = problem(load_breast_cancer)
    begun = folder / "begun"

    def hang(call):
        begun.touch()
        time.sleep(3600)

    LOSSES["logistic"] = Loss(hang if RANK == 2 else lambda call: wait_for(begun))
    model = CodedLogisticRegression(C=STRONG, tol=TOL, goodbye_seconds=0.5).fit(X, y)
    expected = reference(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=0, atol=CLOSE)
    # Nobody may leave before all that are left have come so far.
    word = np.empty(1, np.int64)
    if RANK == 0:
        for rank in (1, 3, 4):
            COMM.Recv(word, rank)
            assert word[0] == model.n_iter_[0]
        assert all(record.late for record in model.rounds_)
    else:
        COMM.Send(model.n_iter_.astype(np.int64), 0)


{"straggler": straggler, "failures": failures, "hanging": hanging}[sys.argv[1]](Path(sys.argv[2]))
if RANK == 0:
    print("passed", flush=True)

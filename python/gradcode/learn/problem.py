"""The objective of `CodedLogisticRegression`: workers compute its parts, and the master minimises their sum."""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from gradcode.linear.lbfgs import lbfgs
from gradcode.linear.losses import LOSSES, Loss
from gradcode.linear.objective import sum_of_squares
from gradcode.rounds import Cluster, RoundRecord, Task
from gradcode.schemes import GradientCode, Subset

__all__ = ["Problem", "Solution"]

_BLOCK_BYTES = 2**20


class Solution(NamedTuple):
    """The result of the minimisation."""

    w: npt.NDArray[Any]
    iterations: int
    rounds: list[RoundRecord]


@dataclass(frozen=True, eq=False)
class Problem:
    """The objective: workers compute its parts, and the master minimises their sum."""

    X: Any  # dense or CSR, without the constant column
    y: npt.NDArray[Any]  # in the form that the loss needs
    classes: npt.NDArray[Any]
    scheme: GradientCode
    fit_intercept: bool
    C: float
    tol: float
    max_iter: int

    @property
    def loss(self) -> Loss:
        """The loss for the number of classes."""
        return LOSSES["logistic" if len(self.classes) == 2 else "multinomial"]

    @property
    def gradient_size(self) -> int:
        """Number of coefficients, including those of the constant column."""
        return self.loss.n_parameters(self.X.shape[1] + self.fit_intercept, len(self.classes))

    def load(self, subset: Subset) -> tuple[Any, npt.NDArray[Any]]:
        """On a worker, load the rows of a share, with the constant column."""
        rows = subset.slice(self.X.shape[0])
        X, y = self.X[rows], self.y[rows]
        if not self.fit_intercept:
            return X, y
        constant = np.ones((len(y), 1), X.dtype)
        return (sp.hstack([X, constant], format="csr") if sp.issparse(X) else np.hstack([X, constant])), y

    def gradient(self, params: npt.NDArray[Any], task: Task) -> tuple[npt.NDArray[Any], dict[str, float]]:
        """On a worker, compute the loss over its share, and the gradient."""
        value, vector = self.loss.value_and_gradient(params, *task.data)
        return vector, {"loss": value}

    def minimise(self, cluster: Cluster) -> Solution:
        """At the master, add the regularisation and run L-BFGS."""
        # The constant column is the last one, so its coefficients come last, for all classes.
        regularised = self.gradient_size // (self.X.shape[1] + self.fit_intercept) * self.X.shape[1]
        iterations = 0

        def objective(w: npt.NDArray[Any]) -> tuple[float, npt.NDArray[Any]]:
            value, vector = cluster.value_and_gradient(w)
            coefficients = w[:regularised]
            vector *= self.C
            vector[:regularised] += coefficients
            return self.C * value + 0.5 * sum_of_squares(coefficients), vector

        def count(w: npt.NDArray[Any]) -> None:
            nonlocal iterations
            iterations += 1

        w, reason = lbfgs(
            objective,
            np.zeros(self.gradient_size, cluster.dtype),
            iterations=self.max_iter,
            tolerance=self.tol,
            callback=count,
        )
        if reason != "tolerance":
            why = {
                "iterations": f"all max_iter={self.max_iter} gradients were taken",
                "precision": f"rounding in {cluster.dtype.name} left no lower value to be found",
            }[reason]
            warnings.warn(f"tol={self.tol:g} was not reached: {why}", ConvergenceWarning, stacklevel=2)
        return Solution(w, iterations, cluster.log)

    def configuration(self) -> dict[str, object]:
        """Return what all ranks must agree on."""
        rows = (self.X.data, self.X.indices, self.X.indptr) if sp.issparse(self.X) else (self.X,)
        return {
            "X shape": list(self.X.shape),
            "X checksum": _checksum(*rows),
            "y checksum": _checksum(self.y),
            "classes checksum": zlib.crc32("\0".join(map(str, self.classes)).encode(errors="backslashreplace")),
            "fit_intercept": self.fit_intercept,
            "C": self.C,
            "tol": self.tol,
            "max_iter": self.max_iter,
        }


def _checksum(*arrays: npt.NDArray[Any]) -> int:
    """Return the CRC-32 of all values, in C order. At most one block is copied at a time."""
    crc = 0
    for array in arrays:
        step = max(1, _BLOCK_BYTES * len(array) // max(1, array.nbytes))
        for start in range(0, len(array), step):
            crc = zlib.crc32(np.ascontiguousarray(array[start : start + step]).data, crc)
    return crc

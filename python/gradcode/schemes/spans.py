"""Systems of workers whose messages must cancel to give the sum, and the tables of cyclic placements."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gradcode.errors import CodeParameterError
from gradcode.schemes.systems import System

__all__ = ["cyclic_holders", "cyclic_table", "system_of"]

_EPS = float(np.finfo(np.float64).eps)


def cyclic_holders(n_workers: int, load: int) -> npt.NDArray[np.intp]:
    """Return for every worker w the subsets w, …, w + load − 1 (mod n) that it holds, shape (n, load)."""
    return (np.arange(n_workers)[:, np.newaxis] + np.arange(load)) % n_workers


def cyclic_table(held: npt.NDArray[np.intp], tables: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Coefficients of all subsets, shape (n, n, m), from those held, shape (n, d, m)."""
    table = np.zeros((len(held), *tables.shape[::2]))
    np.put_along_axis(table, held[:, :, np.newaxis], tables, axis=1)
    return table


def system_of(workers: Sequence[int], table: npt.NDArray[np.float64], rank: int | None = None) -> System:
    """Make the system of some workers, in an orthonormal basis of all that they can send.

    Messages of schemes with targets are combinations of p < k·m vectors, in any basis. In this basis, with messages in
    units of their size, the condition of the system is that of the survivors' coefficients. This basis costs no digits,
    unlike the powers of a Vandermonde matrix.

    Parameters
    ----------
    workers : sequence of int
        The workers.
    table : ndarray, shape (workers, k, m)
        Their coefficients of the m blocks of the k subsets' gradients.
    rank : int, optional
        p, if it is known. By default it follows from the singular values.

    Raises
    ------
    CodeParameterError
        If the sum over the subsets is no combination of the messages.
    """
    n_workers, n_subsets, parts = table.shape
    rows = table.reshape(n_workers, n_subsets * parts)
    scales = np.linalg.norm(rows, axis=1) / math.sqrt(n_subsets)
    u, sigma, vt = np.linalg.svd(rows / scales[:, np.newaxis], full_matrices=False)
    known, rank = rank, rank or int((sigma > max(rows.shape) * _EPS * sigma[0]).sum())
    wanted = np.tile(np.eye(parts), n_subsets)
    basis = vt[:rank]
    targets = wanted @ basis.T
    outside = np.linalg.norm(wanted - targets @ basis, axis=1) / math.sqrt(n_subsets)
    if known is None and (outside > math.sqrt(_EPS)).any():
        raise CodeParameterError(
            f"coefficients must let the sum be decoded from all workers, but block {int(outside.argmax())} of it is no "
            f"combination of what workers {list(workers)} send"
        )
    matrix = np.ascontiguousarray((u[:, :rank] * sigma[:rank]).T)
    for array in (matrix, targets, scales):
        array.setflags(write=False)
    # Coefficients that must cancel are rounded, so that messages give the sum only to so many eps.
    floor = float(outside.max()) / _EPS
    return System(tuple(workers), matrix, targets=targets, scales=scales, floor=floor)

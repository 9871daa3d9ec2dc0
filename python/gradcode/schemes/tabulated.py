"""Schemes given by tables: who holds which subset, and with which coefficients."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from gradcode._validate import as_array, check_int, check_workers
from gradcode.codes.conditioning import affordable
from gradcode.errors import CodeParameterError
from gradcode.schemes.base import GradientCode
from gradcode.schemes.subset import Subset, shares
from gradcode.schemes.systems import SOLVING_COST, System, solve_systems

__all__ = ["Tabulated", "cyclic_holders", "cyclic_table", "from_coefficients", "system_of"]

_EPS = float(np.finfo(np.float64).eps)
# Sets of workers are looked at for about so many seconds, to find how many stragglers a scheme tolerates.
_SECONDS = 3
_BATCH = 1024
# Within these bounds no norm overflows.
_LEAST, _LARGEST = 1e-100, 1e100


class Tabulated(GradientCode):
    """A scheme whose workers each compute the gradients of several subsets of equal size.

    Parameters
    ----------
    held : sequence of sequence of int
        For every worker the subsets that it holds, in order.
    coefficients : sequence of ndarray, shape (len(held[w]), m)
        For every worker the coefficients of the blocks of these subsets' gradients.
    systems : sequence of System
        What is decoded together.
    stragglers : int
        Any so many workers may be missing.
    """

    def __init__(
        self,
        held: Sequence[Sequence[int]],
        coefficients: Sequence[npt.NDArray[np.float64]],
        systems: Sequence[System],
        stragglers: int,
    ) -> None:
        self.n_workers = len(held)
        self.n_subsets = len({index for indices in held for index in indices})
        self.stragglers = stragglers
        self.communication = int(coefficients[0].shape[1])
        self.systems = tuple(systems)
        self.load = max(map(len, held)) * self.n_workers / self.n_subsets
        every = shares([1] * self.n_subsets)
        self._held = tuple(tuple(every[index] for index in indices) for indices in held)
        self._coefficients = tuple(np.ascontiguousarray(table, dtype=np.float64) for table in coefficients)
        for table in self._coefficients:
            table.setflags(write=False)

    def subsets(self, worker: int) -> tuple[Subset, ...]:
        """Shares of the data that `worker` holds, in the order in which `encode` takes their gradients."""
        (worker,) = check_workers("worker", [worker], self.n_workers)
        return self._held[worker]

    def coefficients(self, worker: int) -> npt.NDArray[np.float64]:
        """Encoding coefficients C_w of `worker`, shape (len(subsets(worker)), m), read-only."""
        (worker,) = check_workers("worker", [worker], self.n_workers)
        return self._coefficients[worker]


class _Custom(Tabulated):
    """A scheme made by `from_coefficients`."""

    name: str

    def __repr__(self) -> str:
        return (
            f"{self.name}({self.n_workers}, load={self.load:g}, stragglers={self.stragglers}, "
            f"communication={self.communication})"
        )


def from_coefficients(
    coefficients: npt.ArrayLike, *, stragglers: int | None = None, name: str = "GradientCode"
) -> GradientCode:
    """See `gradcode.GradientCode.from_coefficients`."""
    table = _check_table(coefficients)
    n_workers = len(table)
    if stragglers is not None:
        stragglers = check_int("stragglers", stragglers, 0, n_workers - 1, f"n_workers={n_workers}")
    holds = (table != 0).any(axis=2)
    systems = [system_of(workers, table[np.ix_(workers, subsets)]) for workers, subsets in _components(holds)]
    everybody = solve_systems([(system, range(len(system.workers))) for system in systems])
    for system, solution in zip(systems, everybody, strict=True):
        if not math.isfinite(solution.condition):
            raise CodeParameterError(
                f"coefficients must let the sum be decoded from all workers, but that over the subsets of workers "
                f"{list(system.workers)} cannot"
            )
    proven, refuted = _tolerated(systems, n_workers)
    if stragglers is not None and stragglers >= refuted:
        raise CodeParameterError(
            f"stragglers must be at most {refuted - 1} with these coefficients, got {stragglers}: without some "
            f"{refuted} of the workers the sum cannot be decoded"
        )
    tolerated = proven if stragglers is None else stragglers
    held = [np.flatnonzero(row).tolist() for row in holds]
    scheme = _Custom(held, [table[w, indices] for w, indices in enumerate(held)], systems, tolerated)
    scheme.name = name
    scheme._refuse_unstable()
    return scheme


def cyclic_holders(n_workers: int, load: int) -> npt.NDArray[np.intp]:
    """Return for every worker w the subsets w, …, w + load − 1 (mod n) that it holds, shape (n, load)."""
    return (np.arange(n_workers)[:, np.newaxis] + np.arange(load)) % n_workers


def _check_table(coefficients: npt.ArrayLike) -> npt.NDArray[np.float64]:
    given = as_array("coefficients", coefficients)
    if given.ndim not in (2, 3) or 0 in given.shape:
        raise ValueError(
            f"coefficients must be a non-empty array of shape (workers, subsets, m) or (workers, subsets), "
            f"got shape {given.shape}"
        )
    if given.dtype.kind not in "fiu":
        raise TypeError(f"coefficients must be real numbers, got dtype {given.dtype}")
    table = np.array(given, dtype=np.float64).reshape(*given.shape[:2], -1)
    if not np.isfinite(table).all():
        raise ValueError(f"coefficients must be finite, got {table[~np.isfinite(table)][0]}")
    holds = (table != 0).any(axis=2)
    largest = np.abs(table).max(axis=(1, 2))
    wrong = (largest != 0) & ((largest < _LEAST) | (largest > _LARGEST))
    if wrong.any():
        raise ValueError(
            f"the largest magnitude of a worker's coefficients must be in {_LEAST:g}..{_LARGEST:g}, "
            f"got {largest[wrong][0]:g} for worker {int(wrong.argmax())}"
        )
    for what, axis in (("subset", 0), ("worker", 1)):
        if not holds.any(axis=axis).all():
            index = int(holds.any(axis=axis).argmin())
            rule = "be held by some worker" if axis == 0 else "hold some subset"
            raise CodeParameterError(f"every {what} must {rule}, but the coefficients of {what} {index} are all zero")
    return table


def _components(holds: npt.NDArray[np.bool_]) -> Iterator[tuple[list[int], list[int]]]:
    """Workers and subsets that hang together: what others do does not matter to them."""
    from scipy.sparse import bmat, csr_array
    from scipy.sparse.csgraph import connected_components

    n_workers = len(holds)
    edges = csr_array(holds.astype(np.int8))
    count, label = connected_components(bmat([[None, edges], [edges.T, None]]), directed=False)
    for component in range(count):
        members = np.flatnonzero(label == component)
        yield members[members < n_workers].tolist(), (members[members >= n_workers] - n_workers).tolist()


def system_of(workers: Sequence[int], table: npt.NDArray[np.float64], rank: int | None = None) -> System:
    """The system of some workers: what they send, in an orthonormal basis of all that they can send.

    The messages of a scheme with targets are combinations of p < k·m vectors, and any basis will do for these. In this
    one, with messages in units of their size, the condition of the system is that of the survivors' coefficients
    themselves, and no digits are lost to the basis, as they are to the powers of a Vandermonde matrix.

    Parameters
    ----------
    workers : sequence of int
        The workers.
    table : ndarray, shape (workers, k, m)
        Their coefficients of the m blocks of the k subsets' gradients.
    rank : int, optional
        p, where it is known. Default: by the singular values.

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
    # Coefficients that must cancel are rounded: the sum is what the messages can make of it, to so many eps.
    floor = float(outside.max()) / _EPS
    return System(tuple(workers), matrix, targets=targets, scales=scales, floor=floor)


def cyclic_table(held: npt.NDArray[np.intp], tables: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Coefficients of all subsets, shape (n, n, m), from those held, shape (n, d, m)."""
    table = np.zeros((len(held), *tables.shape[::2]))
    np.put_along_axis(table, held[:, :, np.newaxis], tables, axis=1)
    return table


def _tolerated(systems: Sequence[System], n_workers: int) -> tuple[int, int]:
    """Return how many stragglers are tolerated for certain, and how many for certain are not.

    Every system loses as many of its own workers, at worst, so that each can be looked at alone.
    """
    proven, refuted = n_workers - 1, n_workers
    for system in systems:
        size = len(system.workers)
        left = _SECONDS * affordable(len(system.matrix), size) // SOLVING_COST
        for missing in range(1, min(refuted, size + 1)):
            left -= math.comb(size, missing)
            if left < 0:
                proven = min(proven, missing - 1)
                break
            if not _all_decodable(system, missing):
                proven, refuted = min(proven, missing - 1), missing
                break
    return proven, refuted


def _all_decodable(system: System, missing: int) -> bool:
    """Whether the system can be decoded whichever `missing` workers are."""
    size = len(system.workers)
    patterns = itertools.combinations(range(size), missing)
    while batch := list(itertools.islice(patterns, _BATCH)):
        requests = [(system, [i for i in range(size) if i not in lost]) for lost in map(set, batch)]
        if not all(math.isfinite(solution.condition) for solution in solve_systems(requests)):
            return False
    return True

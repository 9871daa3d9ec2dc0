"""What a gradient-coding scheme is: who holds which data, what each worker sends, and what is decoded together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode._validate import check_workers
from gradcode.codes import Condition
from gradcode.schemes.stability import quick_sets, worst_condition
from gradcode.schemes.subset import Subset
from gradcode.schemes.survivors import Survivors
from gradcode.schemes.systems import Solver, System

__all__ = ["Layout"]


class Layout:
    """A scheme as decoders and rounds see it: who holds what, who sends what, and what is decoded together.

    Parameters
    ----------
    held : sequence of sequence of Subset
        For every worker the shares of the data that it holds, in order.
    coefficients : sequence of ndarray, shape (len(held[w]), m)
        For every worker the coefficients of the m blocks of these shares' gradients.
    systems : sequence of System
        What is decoded together; the sum is the sum over the systems.
    stragglers : int
        How many workers may be missing, whichever they are.
    summed : bool
        Whether a worker computes a single gradient, over one contiguous share.

    Attributes
    ----------
    n_workers : int
        Number of workers n.
    n_subsets : int
        Number of shares of the data.
    load : float
        The largest share of the data that a worker holds, times n.
    stragglers : int
        How many workers may be missing, whichever they are.
    communication : int
        Communication reduction m: a message is an m-th of the gradient.
    summed : bool
        Whether a worker computes a single gradient, over one contiguous share.
    exact : bool
        Whether the result is the sum; otherwise it is an estimate.
    systems : tuple of System
        What is decoded together; the sum is the sum over the systems.
    """

    def __init__(
        self,
        held: Sequence[Sequence[Subset]],
        coefficients: Sequence[npt.NDArray[np.float64]],
        systems: Sequence[System],
        stragglers: int,
        *,
        summed: bool = False,
    ) -> None:
        self._held = tuple(map(tuple, held))
        self._coefficients = tuple(np.ascontiguousarray(table, dtype=np.float64) for table in coefficients)
        for table in self._coefficients:
            table.setflags(write=False)
        every = {subset.index: subset for subsets in self._held for subset in subsets}
        self.n_workers = len(self._held)
        self.n_subsets = len(every)
        self.load = _load(self._held, every)
        self.stragglers = stragglers
        self.communication = int(self._coefficients[0].shape[1])
        self.summed = summed
        self.systems = tuple(systems)
        self.exact = all(system.exact for system in self.systems)

    def subsets(self, worker: int) -> tuple[Subset, ...]:
        """Return the shares of the data that `worker` holds, in the order in which `encode` takes their gradients."""
        (worker,) = check_workers("worker", [worker], self.n_workers)
        return self._held[worker]

    def coefficients(self, worker: int) -> npt.NDArray[np.float64]:
        """Return the coefficients C_w of `worker`, shape (len(subsets(worker)), m), read-only."""
        (worker,) = check_workers("worker", [worker], self.n_workers)
        return self._coefficients[worker]

    def message_size(self, gradient_size: int, dtype: npt.DTypeLike = np.float64) -> int:
        """Return the number of elements L of a message: ⌈l/m⌉, rounded up to 64 bytes for blocks of 64 KiB or more.

        Parameters
        ----------
        gradient_size : int
            Number of elements l of a gradient.
        dtype : dtype
            float32 or float64.
        """
        return kernels.message_size(gradient_size, self.communication, dtype)

    @cached_property
    def solver(self) -> Solver:
        """The solver of the systems, which remembers the latest sets of survivors."""
        return Solver(self.systems)

    def survivors(self, condition_limit: float = math.inf) -> Survivors:
        """Return a new account of the workers that have answered in a round."""
        return Survivors(self.solver, condition_limit)

    def worst_condition(self, *, limit: int | None = None) -> Condition:
        """Return by how much decoding may multiply rounding errors, over all sets of `stragglers` missing workers.

        For grouped schemes this is the condition number of a group's survivors. In other schemes messages must cancel
        to give the sum; there it is the size of the weighted messages, relative to the sum.

        Parameters
        ----------
        limit : int, optional
            How many sets to look at for each system. Default: as many as take about a second.

        Returns
        -------
        Condition
            A float that says how it is known; see `gradcode.LinearCode.worst_condition`.
        """
        return worst_condition(self.systems, self.stragglers, limit)

    @cached_property
    def quick_condition(self) -> Condition:
        """The worst condition over so few sets that a constructor can compute it."""
        return self.worst_condition(limit=quick_sets(self.systems))

    def scale_up(self, known: int) -> float:
        """Return the factor that scales a sum over `known` subsets up to all of them; 1 if the scheme is exact."""
        return 1.0

    def fingerprint(self) -> str:
        """Return a hash of all that workers and master must agree on; it is the same in every process."""
        digest = hashlib.sha256()
        for worker in range(self.n_workers):
            digest.update(repr(self.subsets(worker)).encode())
            digest.update(self.coefficients(worker).tobytes())
        return digest.hexdigest()


def _load(held: Sequence[Sequence[Subset]], every: dict[int, Subset]) -> float:
    """Return the largest share of the data that a worker holds, times n; in integers, as fractions add up slowly."""
    sizes = {index: subset.stop - subset.start for index, subset in every.items()}
    whole = math.lcm(*(size.denominator for size in sizes.values()))
    parts = {index: size.numerator * (whole // size.denominator) for index, size in sizes.items()}
    return max(sum(parts[subset.index] for subset in subsets) for subsets in held) * len(held) / whole

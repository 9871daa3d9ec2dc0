"""What every gradient-coding scheme is: coefficients, and systems to decode."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode._validate import check_int, check_workers
from gradcode.errors import NotDecodable
from gradcode.schemes.decoder import Decoder
from gradcode.schemes.subset import Subset
from gradcode.schemes.survivors import Solver, Survivors, System

__all__ = ["GradientCode"]


class GradientCode(ABC):
    """A gradient-coding scheme for n workers.

    The data is cut into `n_subsets` shares. Worker w computes the gradients g_j of the shares it holds, cuts each
    into m blocks g_j^(1..m), and sends one message: ``sum_j sum_u C_w[j, u] * g_j^(u)``. The sum of all gradients
    comes back exactly from any large enough set of workers.

    Attributes
    ----------
    n_workers : int
        Number of workers n.
    n_subsets : int
        Number of shares of the data.
    load : float
        The largest share of the data that a worker holds, times n.
    stragglers : int
        Any this many workers may be missing.
    communication : int
        Communication reduction m: a message is an m-th of the gradient.
    summed : bool
        Whether a worker computes a single gradient, over one contiguous share.
    systems : tuple of System
        What is decoded together; the sum is the sum over the systems.
    """

    n_workers: int
    n_subsets: int
    load: float
    stragglers: int
    communication: int
    summed: bool
    systems: tuple[System, ...]

    @abstractmethod
    def subsets(self, worker: int) -> tuple[Subset, ...]:
        """Shares of the data that `worker` holds, in the order in which `encode` takes their gradients."""

    @abstractmethod
    def coefficients(self, worker: int) -> npt.NDArray[np.float64]:
        """Encoding coefficients C_w of `worker`, shape (len(subsets(worker)), m), read-only."""

    def message_size(self, gradient_size: int, dtype: npt.DTypeLike = np.float64) -> int:
        """Number of elements L of a message: ⌈l/m⌉, rounded up to 64 bytes when a block is 64 KiB or more.

        Parameters
        ----------
        gradient_size : int
            Number of elements l of a gradient.
        dtype : dtype
            float32 or float64.
        """
        return kernels.message_size(gradient_size, self.communication, dtype)

    def encode(
        self, worker: int, gradients: npt.NDArray[Any] | Sequence[npt.NDArray[Any]], out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Message of `worker`.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1.
        gradients : ndarray, shape (l,), or sequence of them
            If the scheme is `summed`, the gradient over the worker's share; otherwise the gradients over
            ``subsets(worker)``, in that order. float32 or float64, contiguous; never copied.
        out : ndarray, shape (message_size(l, dtype),), optional
            Where to put the message; must not overlap the gradients.

        Returns
        -------
        ndarray, shape (message_size(l, dtype),)
            `out`, or a new array.
        """
        (worker,) = check_workers("worker", [worker], self.n_workers)
        if self.summed:
            if not isinstance(gradients, np.ndarray):
                raise TypeError(f"gradients must be one array for a summed scheme, got {type(gradients).__name__}")
            gradients = [gradients]
        held = len(self.subsets(worker))
        if len(gradients) != held:
            raise ValueError(f"gradients must be the {held} gradients that worker {worker} holds, got {len(gradients)}")
        return kernels.encode(self.coefficients(worker), cast(Sequence[npt.NDArray[Any]], gradients), out)

    def encode_part(
        self, worker: int, position: int, gradient: npt.NDArray[Any], out: npt.NDArray[Any], *, accumulate: bool
    ) -> None:
        """Add one gradient to a message under way, so that no more than one gradient need be held.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1.
        position : int
            Which of ``subsets(worker)`` the gradient belongs to. Gradients of several parts of one subset may
            be given one after the other: their sum is what counts.
        gradient : ndarray, shape (l,)
            float32 or float64, contiguous.
        out : ndarray, shape (message_size(l, dtype),)
            The message under way.
        accumulate : bool
            False for the first part (`out` is overwritten), True for the others.
        """
        (worker,) = check_workers("worker", [worker], self.n_workers)
        coefficients = self.coefficients(worker)
        position = check_int("position", position, 0, len(coefficients) - 1)
        kernels.encode(coefficients[position : position + 1], [gradient], out, accumulate=accumulate)

    @cached_property
    def _solver(self) -> Solver:
        return Solver(self.systems)

    def survivors(self, condition_limit: float = math.inf) -> Survivors:
        """A fresh account of who has answered in a round."""
        return Survivors(self._solver, condition_limit)

    def is_decodable(self, workers: Iterable[int]) -> bool:
        """Whether the sum can be recovered from the messages of `workers`."""
        survivors = self.survivors()
        for worker in check_workers("workers", workers, self.n_workers):
            survivors.add(worker)
        return survivors.ready

    def weights(self, workers: Iterable[int]) -> npt.NDArray[np.float64]:
        """Decoding weights W for messages of `workers`.

        Parameters
        ----------
        workers : iterable of int
            Distinct workers that answered, in any order.

        Returns
        -------
        ndarray, shape (m, len(workers))
            Block u of the sum of all gradients is ``sum_i W[u, i] * message_i``, messages in the order of
            `workers`; least squares over all of them.

        Raises
        ------
        NotDecodable
            If they are too few.
        """
        workers = check_workers("workers", workers, self.n_workers)
        survivors = self.survivors()
        for worker in workers:
            survivors.add(worker)
        if not survivors.ready:
            raise NotDecodable(workers, survivors.missing)
        column = {worker: i for i, worker in enumerate(workers)}
        weights = np.zeros((self.communication, len(workers)))
        for index in range(len(self.systems)):
            weights[:, [column[w] for w in survivors.system_workers(index)]] = survivors.solution(index).weights
        return weights

    def decoder(self, gradient_size: int, dtype: npt.DTypeLike = np.float64) -> Decoder:
        """A decoder for gradients of `gradient_size` elements of `dtype` (float32 or float64)."""
        return Decoder(self, gradient_size, dtype)

    def fingerprint(self) -> str:
        """Hash of everything that workers and master must agree on, the same in every process."""
        digest = hashlib.sha256()
        for worker in range(self.n_workers):
            digest.update(repr(self.subsets(worker)).encode())
            digest.update(self.coefficients(worker).tobytes())
        return digest.hexdigest()

"""What every gradient-coding scheme is: coefficients, and systems to decode."""

from __future__ import annotations

import hashlib
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode._validate import check_dtype, check_int, check_workers
from gradcode.codes import Condition
from gradcode.errors import CodeParameterError, NotDecodable, PrecisionWarning
from gradcode.kernels.arrays import wire_of
from gradcode.kernels.coefficients import rounded
from gradcode.kernels.messages import message_type
from gradcode.schemes.decoder import Check, Decoder
from gradcode.schemes.stability import glance, worst_condition
from gradcode.schemes.subset import Subset
from gradcode.schemes.survivors import Survivors
from gradcode.schemes.systems import Solver, System

__all__ = ["MAX_CONDITION", "GradientCode"]

# A scheme whose decoding can lose this factor is refused.
MAX_CONDITION = 1e12


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
    exact : bool
        Whether what is decoded is the sum; otherwise it is an estimate of it.
    systems : tuple of System
        What is decoded together; the sum is the sum over the systems.
    """

    n_workers: int
    n_subsets: int
    load: float
    stragglers: int
    communication: int
    summed: bool = False
    exact: bool = True
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

    def encode(self, worker: int, gradients: Any, out: Any = None, *, wire_dtype: Any = None) -> Any:
        """Message of `worker`.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1.
        gradients : array, shape (l,), or list or tuple of them
            If the scheme is `summed`, the gradient over the worker's share; otherwise the gradients over
            ``subsets(worker)``, in that order. float32 or float64, contiguous; never copied. NumPy arrays, or any
            others that `gradcode.kernels.encode` takes.
        out : array, shape (message_size(l, dtype),), optional
            Where to put the message; must not overlap the gradients.
        wire_dtype : {None, "float16", "bfloat16"}, optional
            Type of a message of 16 bits, from float32 gradients; `out` is then of
            ``gradcode.kernels.message_dtype("float32", wire_dtype)``. By default that of the gradients.

        Returns
        -------
        array, shape (message_size(l, dtype),)
            `out`, or a new array of the kind of the first gradient.
        """
        (worker,) = check_workers("worker", [worker], self.n_workers)
        if self.summed:
            if isinstance(gradients, (list, tuple)):
                raise TypeError(f"gradients must be one array for a summed scheme, got {type(gradients).__name__}")
            gradients = [gradients]
        elif not isinstance(gradients, (list, tuple)):
            raise TypeError(f"gradients must be a list or tuple of arrays, got {type(gradients).__name__}")
        held = len(self.subsets(worker))
        if len(gradients) != held:
            raise ValueError(f"gradients must be the {held} gradients that worker {worker} holds, got {len(gradients)}")
        return kernels.encode(self.coefficients(worker), gradients, out, wire_dtype=wire_dtype)

    def encode_plan(
        self,
        worker: int,
        gradient_size: int,
        dtype: npt.DTypeLike = np.float64,
        *,
        wire_dtype: Any = None,
        num_threads: int | None = None,
    ) -> kernels.EncodePlan:
        """Prepare the messages of `worker`: ``plan.encode(gradients, out)`` has everything but NumPy buffers settled.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1.
        gradient_size : int
            Number of elements l of a gradient.
        dtype : dtype
            Of gradients, float32 or float64.
        wire_dtype : {None, "float16", "bfloat16"}, optional
            Type of messages of 16 bits.
        num_threads : int, optional
            At most so many threads; by default the number of `gradcode.kernels.set_num_threads`.

        Returns
        -------
        EncodePlan
            It takes a list of the gradients over ``subsets(worker)``, or a single one without a list.

        Examples
        --------
        >>> import numpy as np, gradcode
        >>> scheme = gradcode.design(n_workers=3, stragglers=1, communication=2)
        >>> gradient, message = np.arange(6.0), np.empty(scheme.message_size(6))
        >>> plan = scheme.encode_plan(2, gradient_size=6)
        >>> np.array_equal(plan.encode(gradient, message), scheme.encode(2, gradient))
        True
        """
        (worker,) = check_workers("worker", [worker], self.n_workers)
        table = ("coefficients", self.coefficients(worker))
        return kernels.EncodePlan(*self._planned(table, gradient_size, dtype, wire_dtype), num_threads)

    def encode_part(self, worker: int, position: int, gradient: Any, out: Any, *, accumulate: bool) -> None:
        """Add one gradient to a message under way, so that no more than one gradient need be held.

        The message under way has the type of the gradients; one of 16 bits is rounded from it when it is complete,
        by ``gradcode.kernels.encode([1], message, wire_dtype=...)``.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1.
        position : int
            Which of ``subsets(worker)`` the gradient belongs to. Gradients of several parts of one subset may
            be given one after the other: their sum is what counts.
        gradient : array, shape (l,)
            float32 or float64, contiguous.
        out : array, shape (message_size(l, dtype),)
            The message under way.
        accumulate : bool
            False for the first part (`out` is overwritten), True for the others.
        """
        (worker,) = check_workers("worker", [worker], self.n_workers)
        coefficients = self.coefficients(worker)
        position = check_int("position", position, 0, len(coefficients) - 1)
        if (wire := wire_of(out)) is not None:
            raise TypeError(f"out must be of the type of the gradients, got {wire}: 16-bit messages are rounded once")
        kernels.encode(coefficients[position : position + 1], [gradient], out, accumulate=accumulate)

    @cached_property
    def _solver(self) -> Solver:
        return Solver(self.systems)

    def survivors(self, condition_limit: float = math.inf) -> Survivors:
        """A fresh account of who has answered in a round."""
        return Survivors(self._solver, condition_limit)

    def worst_condition(self, *, limit: int | None = None) -> Condition:
        """By how much decoding may multiply rounding errors, over all sets of `stragglers` missing workers.

        For grouped schemes it is the condition number of a group's survivors. For the others, whose messages must
        cancel to give the sum, it is how large the weighted messages are, relative to the sum.

        Parameters
        ----------
        limit : int, optional
            How many sets to look at for each system. Default: as many as take about a second.

        Returns
        -------
        Condition
            A float that says how it is known; see `gradcode.LinearCode.worst_condition`.
        """
        return worst_condition(self, limit)

    @cached_property
    def _apparent_condition(self) -> Condition:
        """The worst condition, at a glance."""
        return self.worst_condition(limit=glance(self))

    def _refuse_unstable(self, max_condition: float = MAX_CONDITION) -> None:
        """Refuse a scheme that would leave no digits; called by constructors, so that a glance must do."""
        worst = self._apparent_condition
        if worst > max_condition:
            raise CodeParameterError(
                f"the worst condition of decoding must be at most {max_condition:.0e}, got "
                f"{'at least ' if worst.kind == 'lower bound' else ''}{worst:.1e} for {self!r}: no digits would be left"
            )

    def is_decodable(self, workers: Iterable[int]) -> bool:
        """Whether the sum can be recovered from the messages of `workers`."""
        return self._answered(check_workers("workers", workers, self.n_workers)).decodable

    def _answered(self, workers: Iterable[int]) -> Survivors:
        """The account of a round in which these have answered."""
        survivors = self.survivors()
        for worker in workers:
            survivors.add(worker)
        return survivors

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
        return self._weights(self._answered(workers), workers)

    def _weights(self, survivors: Survivors, workers: Sequence[int]) -> npt.NDArray[np.float64]:
        if not survivors.ready:
            raise NotDecodable(workers, survivors.missing)
        column = {worker: i for i, worker in enumerate(workers)}
        weights = np.zeros((self.communication, len(workers)))
        for index in range(len(self.systems)):
            weights[:, [column[w] for w in survivors.system_workers(index)]] = survivors.solution(index).weights
        return weights

    def decode_plan(
        self,
        workers: Iterable[int],
        gradient_size: int,
        dtype: npt.DTypeLike = np.float64,
        *,
        wire_dtype: Any = None,
        num_threads: int | None = None,
    ) -> kernels.DecodePlan:
        """Prepare decoding from `workers`: ``plan.decode(messages, out)`` has everything but NumPy buffers settled.

        Parameters
        ----------
        workers : iterable of int
            Distinct workers that answered, in any order; the plan takes a list of their messages in this order.
        gradient_size : int
            Number of elements l of a gradient.
        dtype : dtype
            Of the sum, float32 or float64.
        wire_dtype : {None, "float16", "bfloat16"}, optional
            Type of messages of 16 bits.
        num_threads : int, optional
            At most so many threads; by default the number of `gradcode.kernels.set_num_threads`.

        Returns
        -------
        DecodePlan
            Of the weights that `weights` gives.

        Raises
        ------
        NotDecodable
            If they are too few.

        Warns
        -----
        PrecisionWarning
            If decoding from these workers may lose more than half the digits of the messages.

        Examples
        --------
        >>> import numpy as np, gradcode
        >>> scheme = gradcode.design(n_workers=3, stragglers=1, communication=2)
        >>> messages = [scheme.encode(worker, np.arange(6.0)) for worker in (2, 0)]
        >>> plan = scheme.decode_plan([2, 0], gradient_size=6)
        >>> np.allclose(plan.decode(messages, np.empty(6)), np.arange(6.0))
        True
        """
        workers = check_workers("workers", workers, self.n_workers)
        account = self._answered(workers)
        plan = kernels.DecodePlan(
            *self._planned(("weights", self._weights(account, workers)), gradient_size, dtype, wire_dtype), num_threads
        )
        condition = max(account.solution(index).condition for index in range(len(self.systems)))
        if condition > (limit := message_type(dtype, wire_dtype).condition_limit):
            warnings.warn(
                f"decoding from workers {sorted(workers)} can lose {math.log10(condition):.1f} digits of messages of "
                f"{wire_dtype or plan.dtype.name}: its condition is {condition:.1e}, above {limit:.2g}",
                PrecisionWarning,
                stacklevel=2,
            )
        return plan

    def _planned(
        self, table: tuple[str, npt.NDArray[np.float64]], gradient_size: int, dtype: npt.DTypeLike, wire_dtype: Any
    ) -> tuple[npt.NDArray[Any], int, int, np.dtype[Any], np.dtype[Any]]:
        """Return the arguments of a plan; `table` comes with its name."""
        message_size, message_dtype = self.message_size(gradient_size, dtype), kernels.message_dtype(dtype, wire_dtype)
        checked = check_dtype("dtype", dtype)
        return rounded(*table, checked), gradient_size, message_size, checked, message_dtype

    def decoder(
        self,
        gradient_size: int,
        dtype: npt.DTypeLike = np.float64,
        *,
        wire_dtype: Any = None,
        check: Check | None = None,
        replica_error: float = 0.0,
        survivors: Survivors | None = None,
    ) -> Decoder:
        """A decoder for gradients of `gradient_size` elements of `dtype` (float32 or float64).

        Parameters
        ----------
        gradient_size : int
            Number of elements l of a gradient.
        dtype : dtype
            Of messages and sum.
        wire_dtype : {None, "float16", "bfloat16"}, optional
            Type of messages of 16 bits, where the sum is float32. Survivors whose condition number is above 45
            (float16) or 16 (bfloat16) then count as ready only when all have answered, or after
            `Decoder.accept_any_condition`.
        check : {"projection"}, optional
            Look for corrupted messages; see `gradcode.Decoder`.
        replica_error : float
            With `check`: how far, relatively, gradients that should be the same may differ between workers.
        survivors : Survivors, optional
            An account of the survivors that somebody else keeps; see `gradcode.Decoder`.

        Warns
        -----
        PrecisionWarning
            If messages of 32 or 16 bits may lose more than half their digits in the worst case, or there is nothing to
            check.
        """
        return Decoder(
            self,
            gradient_size,
            dtype,
            wire_dtype=wire_dtype,
            check=check,
            replica_error=replica_error,
            survivors=survivors,
        )

    @staticmethod
    def from_coefficients(
        coefficients: npt.ArrayLike, *, stragglers: int | None = None, name: str = "GradientCode"
    ) -> GradientCode:
        """A scheme of your own, given by what every worker sends.

        Parameters
        ----------
        coefficients : array_like, shape (n, k, m) or (n, k)
            Worker w sends ``sum_j sum_u coefficients[w, j, u] * g_j^(u)`` of the k subsets' gradients, cut into m
            blocks each, and holds the subsets of which a coefficient is not zero; these are equal shares of the data.
        stragglers : int, optional
            Any so many workers may be missing. Default: found, exactly where the sets of workers can be counted in a
            few seconds, otherwise as far as that goes. If given it is checked so far.
        name : str
            What `repr` calls the scheme.

        Raises
        ------
        CodeParameterError
            If the sum cannot be decoded even from all workers, or not without some `stragglers` of them.

        Examples
        --------
        Three workers, each with two thirds of the data (Tandon et al. 2017, figure 2):

        >>> scheme = GradientCode.from_coefficients([[0.5, 1, 0], [0, 1, -1], [0.5, 0, 1]])
        >>> scheme
        GradientCode(3, load=2, stragglers=1, communication=1)
        >>> scheme.weights([0, 1]).round(12)
        array([[ 2., -1.]])
        """
        from gradcode.schemes.tabulated import from_coefficients

        return from_coefficients(coefficients, stragglers=stragglers, name=name)

    def fingerprint(self) -> str:
        """Hash of everything that workers and master must agree on, the same in every process."""
        digest = hashlib.sha256()
        for worker in range(self.n_workers):
            digest.update(repr(self.subsets(worker)).encode())
            digest.update(self.coefficients(worker).tobytes())
        return digest.hexdigest()

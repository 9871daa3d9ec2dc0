"""Gradient-coding schemes: what they are, and how to encode and decode with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode._validate import check_workers
from gradcode.errors import NotDecodable
from gradcode.kernels.coefficients import rounded
from gradcode.kernels.messages import MessageType, message_type
from gradcode.schemes.custom import parts_of
from gradcode.schemes.decoder import Check, Decoder
from gradcode.schemes.layout import Layout
from gradcode.schemes.precision import refuse_unstable, warn_of_survivors
from gradcode.schemes.survivors import Survivors

__all__ = ["GradientCode"]


class GradientCode(Layout):
    """A gradient-coding scheme for n workers.

    The data is cut into `n_subsets` shares. Worker w computes the gradients g_j of the shares it holds, cuts each
    into m blocks g_j^(1..m), and sends one message: ``sum_j sum_u C_w[j, u] * g_j^(u)``. The sum of all gradients
    is decoded exactly from any large enough set of workers.

    The attributes `n_workers`, `n_subsets`, `load`, `stragglers`, `communication`, `summed`, `exact` and `systems` are
    explained in `gradcode.schemes.layout.Layout`.
    """

    name = "GradientCode"  # in `repr`, for schemes without a class of their own

    def encode(self, worker: int, gradients: Any, out: Any = None, *, wire_dtype: Any = None) -> Any:
        """Return the message of `worker`, encoded from its gradients.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1.
        gradients : array, shape (l,), or list or tuple of them
            If the scheme is `summed`, the gradient over the worker's share; otherwise the gradients over
            ``subsets(worker)``, in that order. float32 or float64, contiguous; never copied. NumPy arrays, or others
            that `gradcode.kernels.encode` takes.
        out : array, shape (message_size(l, dtype),), optional
            Where the message goes; must not overlap the gradients.
        wire_dtype : {None, "float16", "bfloat16"}, optional
            Type of a message of 16 bits, from float32 gradients; `out` then has the type
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
        """Return a plan for the messages of `worker`: ``plan.encode(gradients, out)`` checks only its NumPy buffers.

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
            The most threads to use; by default the number of `gradcode.kernels.set_num_threads`.

        Returns
        -------
        EncodePlan
            It takes a list of the gradients over ``subsets(worker)``, or a single gradient without a list.

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
        kind = message_type(dtype, wire_dtype)
        table = rounded("coefficients", self.coefficients(worker), kind.gradient)
        return kernels.EncodePlan(table, *self._sizes(gradient_size, kind), num_threads)

    def is_decodable(self, workers: Iterable[int]) -> bool:
        """Whether the sum can be decoded from the messages of `workers`."""
        return self._answered(check_workers("workers", workers, self.n_workers)).decodable

    def _answered(self, workers: Iterable[int]) -> Survivors:
        """Return the account of a round in which these workers have answered."""
        survivors = self.survivors()
        for worker in workers:
            survivors.add(worker)
        return survivors

    def weights(self, workers: Iterable[int]) -> npt.NDArray[np.float64]:
        """Return the decoding weights W for messages of `workers`.

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
        """Return a plan to decode from `workers`: ``plan.decode(messages, out)`` checks only its NumPy buffers.

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
            The most threads to use; by default the number of `gradcode.kernels.set_num_threads`.

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
        account, kind = self._answered(workers), message_type(dtype, wire_dtype)
        table = rounded("weights", self._weights(account, workers), kind.gradient)
        plan = kernels.DecodePlan(table, *self._sizes(gradient_size, kind), num_threads)
        condition = max(account.solution(index).condition for index in range(len(self.systems)))
        warn_of_survivors(workers, condition, kind)
        return plan

    def _sizes(self, gradient_size: int, kind: MessageType) -> tuple[int, int, np.dtype[Any], np.dtype[Any]]:
        """Return the arguments of a plan that follow its table."""
        return gradient_size, self.message_size(gradient_size, kind.gradient), kind.gradient, kind.buffer

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
        """Return a decoder for gradients of `gradient_size` elements of `dtype` (float32 or float64).

        Parameters
        ----------
        gradient_size : int
            Number of elements l of a gradient.
        dtype : dtype
            Of messages and sum.
        wire_dtype : {None, "float16", "bfloat16"}, optional
            Type of messages of 16 bits, where the sum is float32.
        check : {"projection"}, optional
            Look for corrupted messages; see `gradcode.Decoder`.
        replica_error : float
            With `check`: how far, relatively, gradients that should be the same may differ between workers.
        survivors : Survivors, optional
            An account of the survivors that the caller keeps; see `gradcode.Decoder`.

        Warns
        -----
        PrecisionWarning
            If messages of 32 or 16 bits may lose more than half their digits in the worst case, or `check` has nothing
            to compare.
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
        """Return a scheme of your own, given by the coefficients of every worker.

        Parameters
        ----------
        coefficients : array_like, shape (n, k, m) or (n, k)
            Worker w sends ``sum_j sum_u coefficients[w, j, u] * g_j^(u)``, where the gradients of the k subsets are cut
            into m blocks each. It holds the subsets with a non-zero coefficient. All subsets are equal shares.
        stragglers : int, optional
            How many workers may be missing: any of them. By default a search over sets of workers finds the number; it
            takes a few seconds at most, and may miss larger numbers. A given number is checked by the same search.
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
        scheme = GradientCode(*parts_of(coefficients, stragglers))
        scheme.name = name
        refuse_unstable(scheme)
        return scheme

    def __repr__(self) -> str:
        return (
            f"{self.name}({self.n_workers}, load={self.load:g}, stragglers={self.stragglers}, "
            f"communication={self.communication})"
        )

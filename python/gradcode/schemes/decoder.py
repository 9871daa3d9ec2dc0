"""Turning the messages of one round into the sum of all gradients."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_dtype, check_int, check_number, check_workers
from gradcode.errors import NotDecodable
from gradcode.kernels.arrays import like, new
from gradcode.kernels.messages import message_type
from gradcode.schemes.estimate import Estimate, approximate
from gradcode.schemes.inspection import Inspection
from gradcode.schemes.intake import message_memory, out_memory
from gradcode.schemes.layout import Layout
from gradcode.schemes.precision import warn_of_messages
from gradcode.schemes.summation import Summation
from gradcode.schemes.survivors import Survivors

__all__ = ["Check", "Decoder"]

Check = Literal["projection"]


class Decoder:
    """Recovers the exact sum of all gradients from the workers that answer first.

    `GradientCode.decoder` makes one. Messages are kept by reference until `reset`, so they must not be overwritten
    before.

    Parameters
    ----------
    scheme : Layout
        The scheme that encoded the messages: any `gradcode.GradientCode`.
    gradient_size : int
        Number of elements l of a gradient.
    dtype : dtype
        float32 or float64, of messages and result.
    wire_dtype : {None, "float16", "bfloat16"}, optional
        Type of the messages, where they are of 16 bits and the result is float32.
    check : {"projection"}, optional
        Look for corrupted messages. If a group has sent more messages than decoding needs, a message that contradicts
        the others is noticed. With two or more surplus messages of an MDS code, the wrong message is known and left out
        (see `corrupted`). With other codes it is left out if only one message can be the wrong one. Without surplus
        messages there is nothing to compare (see `unchecked`). The check costs 1/m of the decoding, and more with
        messages of 16 bits. It finds one corrupted message a group, with errors from about 1e-5 (float32), 1e-3
        (float16) or 1e-2 (bfloat16) of the message. It does not find a worker that knows the others' messages and
        adapts its own.
    replica_error : float
        With `check`: how far, relatively, gradients that should be the same may differ between workers. On one kind of
        processor they are equal to the bit; on GPUs 1e-5 is common in float32.
    survivors : Survivors, optional
        An account of the survivors that the caller keeps. The caller adds a worker to the account and then calls `keep`
        with the message; it resets the account and then calls `forget`. By default the decoder has an account of its
        own, and `add` and `reset` do both.

    Attributes
    ----------
    gradient_size, message_size : int
        Number of elements l of a gradient, and L of a message.
    message_type : MessageType
        The element type of the messages, with its precision and condition limit.
    survivors : Survivors
        The account of the workers that have answered, and whether they are enough.

    Warns
    -----
    PrecisionWarning
        If messages of 32 or 16 bits may lose more than half their digits in the worst case, or no worker can ever be
        checked.

    Examples
    --------
    >>> import numpy as np, gradcode
    >>> scheme = gradcode.design(n_workers=3, stragglers=1, communication=2)
    >>> gradient = np.arange(6.0)
    >>> decoder = scheme.decoder(gradient_size=6)
    >>> for worker in (2, 0):  # worker 1 straggles
    ...     ready = decoder.add(worker, scheme.encode(worker, gradient))
    >>> ready, np.allclose(decoder.result(), gradient)
    (True, True)
    """

    def __init__(
        self,
        scheme: Layout,
        gradient_size: int,
        dtype: npt.DTypeLike = np.float64,
        *,
        wire_dtype: Any = None,
        check: Check | None = None,
        replica_error: float = 0.0,
        survivors: Survivors | None = None,
    ) -> None:
        self.scheme = scheme
        self.gradient_size = check_int("gradient_size", gradient_size, 1)
        self.dtype = check_dtype("dtype", dtype)
        self.message_type = message_type(self.dtype, wire_dtype)
        if check is not None and check not in get_args(Check):
            raise ValueError(f"check must be one of {', '.join(get_args(Check))} or None, got {check!r}")
        replica_error = check_number("replica_error", replica_error, 0)
        if replica_error and check is None:
            raise ValueError(f"replica_error needs check='projection', got {replica_error!r} without")
        self.message_size = scheme.message_size(self.gradient_size, self.dtype)
        self.survivors = scheme.survivors(self.message_type.condition_limit) if survivors is None else survivors
        self._messages: dict[int, npt.NDArray[Any]] = {}
        self._first: Any = None  # the first message: results are arrays of its library
        inspection = None if check is None else Inspection(scheme, self.message_type, replica_error)
        self._sum = Summation(self.survivors, self._messages, self.gradient_size, self.message_type, inspection)
        warn_of_messages(scheme, self.message_type)
        if inspection is not None:
            inspection.warn_of_nothing_to_compare()

    def __repr__(self) -> str:
        state = "ready" if self.ready else f"waiting for some of workers {list(self.missing)}"
        wire = "" if self.message_type.wire is None else f" from {self.message_type.wire}"
        return f"<Decoder of {self.scheme!r}, {self.gradient_size} {self.dtype.name}{wire}: {state}>"

    def add(self, worker: int, message: Any) -> bool:
        """Take the message of `worker`; return True once the sum is ready to be decoded.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1, at most once.
        message : array, shape (message_size,)
            What the worker's `encode` returned: of the type of `message_type`, contiguous. A NumPy array or another
            one in the memory of the host. Kept by reference.

        Raises
        ------
        ValueError, TypeError
            Naming what is wrong; the decoder is unchanged.
        """
        worker, memory = self._check_message(worker, message)
        ready = self.survivors.add(worker)
        self._keep(worker, message, memory)
        return ready

    def keep(self, worker: int, message: Any) -> None:
        """Take the message of a worker that is already in the account `survivors`; otherwise like `add`."""
        worker, memory = self._check_message(worker, message)
        if worker not in self.survivors.answered:
            raise ValueError(f"worker {worker} must be counted by the account of survivors before its message is kept")
        if worker in self._messages:
            raise ValueError(f"worker {worker} has been added already")
        self._keep(worker, message, memory)

    def _keep(self, worker: int, message: Any, memory: npt.NDArray[Any]) -> None:
        self._messages[worker] = memory
        if self._first is None:
            self._first = message

    def _check_message(self, worker: int, message: Any) -> tuple[int, npt.NDArray[Any]]:
        """Refuse what cannot be taken; return the worker, and the memory of its message."""
        (worker,) = check_workers("worker", [worker], self.scheme.n_workers)
        memory = message_memory(message, self.message_type, self.message_size)
        if self._sum.finished:
            raise ValueError(f"worker {worker} is too late: the result has been taken; call reset() first")
        return worker, memory

    @property
    def ready(self) -> bool:
        """Whether the sum can be decoded from the messages added, with a condition that leaves half the digits."""
        return self.survivors.ready

    @property
    def missing(self) -> tuple[int, ...]:
        """Workers that could still help: those that have not answered, of groups that are not ready."""
        return self.survivors.missing

    @property
    def used(self) -> tuple[int, ...]:
        """Workers whose messages are in the sum so far, in increasing order."""
        return tuple(sorted(worker for workers in self._sum.decoded.values() for worker in workers))

    @property
    def corrupted(self) -> tuple[int, ...]:
        """With `check`: workers whose messages contradict the others of their group, and are not in the sum."""
        return tuple(sorted(worker for index, worker in self._sum.corrupted.items() if index in self._sum.decoded))

    @property
    def unchecked(self) -> tuple[int, ...]:
        """With `check`: workers whose messages are in the sum and could not be checked.

        This happens if there are no surplus messages, if no other message depends on theirs, or if not all numbers are
        finite.
        """
        found = (workers for index, workers in self._sum.unchecked.items() if index in self._sum.decoded)
        return tuple(sorted(worker for workers in found for worker in workers))

    @property
    def data_share(self) -> float:
        """The share of the data, in 0..1, that the messages added depend on."""
        known = {subset for worker in self._messages for subset in self.scheme.subsets(worker)}
        return float(sum(subset.stop - subset.start for subset in known))

    def accept_any_condition(self) -> bool:
        """Accept any set that can be decoded, until `reset`; return whether the sum is ready now.

        Otherwise sets whose condition number is above ``message_type.condition_limit`` wait for more messages.
        """
        return self.survivors.accept_any_condition()

    def decode_ready_group(self) -> bool:
        """Decode one group that is ready, before all groups are; return whether there was one.

        It is decoded from the messages that have arrived; later messages of its workers are not used. If you call this
        between arrivals, little work is left after the last one. With `check`, only complete groups are decoded.
        """
        return self._sum.add_ready_system(self._first)

    @overload
    def result(self, out: npt.NDArray[Any]) -> npt.NDArray[Any]: ...
    @overload
    def result(self, out: Any = None) -> Any: ...
    def result(self, out: Any = None) -> Any:
        """Return the sum of all gradients, from all messages added.

        Parameters
        ----------
        out : array, shape (gradient_size,), optional
            Where the sum goes: of the decoder's dtype, contiguous, not overlapping any message.

        Returns
        -------
        array, shape (gradient_size,)
            `out`, or a new array of the library of the first message, which belongs to the caller. A second call before
            `reset` reads the array that the first one returned.

        Raises
        ------
        NotDecodable
            If too few workers have answered; the decoder is unchanged and takes more messages.
        CorruptedMessage
            With `check`, if messages contradict each other and it is not known which one is wrong. More can be added.
        """
        if not self.ready:
            limit = self.survivors.condition_limit if self.survivors.decodable else None
            raise NotDecodable(self.survivors.answered, self.missing, limit)
        total = self._sum.take(None if out is None else self.check_out(out), self._first)
        return like(total, self._first) if out is None else out

    def estimate(self, out: Any = None) -> Estimate:
        """Estimate the sum from the messages added, when too few have answered, and bound the error.

        Groups that can be decoded are exact; the others are approximated by least squares. `data_share` is the share of
        the data in it. Messages that `check` has left out of the sum are left out here, too. The decoder is unchanged.

        Parameters
        ----------
        out : array, shape (gradient_size,), optional
            Where the approximation goes: of the decoder's dtype, contiguous, not overlapping any message.

        Examples
        --------
        >>> import numpy as np, gradcode
        >>> scheme = gradcode.FractionalRepetition(6, stragglers=1)
        >>> decoder = scheme.decoder(gradient_size=2)
        >>> for worker in (0, 3):  # nobody of the third group
        ...     ready = decoder.add(worker, scheme.encode(worker, np.array([1.0, 2.0])))
        >>> decoder.estimate(), round(decoder.data_share, 3)
        (Estimate(gradient=array([2., 4.]), error_factor=1.0), 0.667)
        """
        first = np.empty(0) if self._first is None else self._first
        target = new(self.gradient_size, self.dtype, first) if out is None else self.check_out(out)
        left_out = np.zeros((self.scheme.communication, self.scheme.communication))
        started = False
        for index, system in enumerate(self.scheme.systems):
            workers = tuple(w for w in self.survivors.system_workers(index) if w != self._sum.corrupted.get(index))
            solution = self.survivors.solution_of(index, workers)
            weights, residual = approximate(self.scheme, system, workers, solution)
            left_out += residual @ residual.T
            if workers:
                self._sum.combine(weights, workers, target, accumulate=started)
                started = True
        if not started:
            target[:] = 0
        error_factor = math.sqrt(max(0.0, float(np.linalg.norm(left_out, 2))))
        return Estimate(like(target, first) if out is None else out, error_factor)

    def reset(self) -> None:
        """Forget all messages, and who has answered, for the next round."""
        self.survivors.reset()
        self.forget()

    def forget(self) -> None:
        """Forget all messages and what was decoded; `survivors` is left alone."""
        self._sum.reset()
        self._messages.clear()
        self._first = None

    def check_out(self, out: Any) -> npt.NDArray[Any]:
        """Refuse an `out` that `result` could not use; return its memory."""
        return out_memory(out, self.dtype, self.gradient_size, self._messages)

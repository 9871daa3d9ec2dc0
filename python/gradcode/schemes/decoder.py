"""Turning the messages of one round into the sum of all gradients."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode._validate import check_dtype, check_int, check_number, check_workers
from gradcode.errors import CorruptedMessage, NotDecodable, PrecisionWarning
from gradcode.kernels.arrays import is_elsewhere, like, new, view, view_out, where, wire_of
from gradcode.kernels.messages import message_type
from gradcode.schemes.corruption import Finding, examine
from gradcode.schemes.estimate import Estimate, least_squares
from gradcode.schemes.survivors import Survivors

if TYPE_CHECKING:
    from gradcode.schemes.base import GradientCode

__all__ = ["Check", "Decoder"]

logger = logging.getLogger("gradcode")

Check = Literal["projection"]


class Decoder:
    """Recovers the exact sum of all gradients from whichever workers answer first.

    Made by `GradientCode.decoder`. Messages are kept by reference until `reset`, so they must not be overwritten
    before.

    Parameters
    ----------
    scheme : GradientCode
        The scheme that encoded the messages.
    gradient_size : int
        Number of elements l of a gradient.
    dtype : dtype
        float32 or float64, of messages and result.
    wire_dtype : {None, "float16", "bfloat16"}, optional
        Type of the messages, where they are of 16 bits and the result is float32.
    check : {"projection"}, optional
        Look for corrupted messages. Where more messages of a group are at hand than decoding needs, one that
        contradicts the others is noticed; with two or more to spare of an MDS code it is known whose it is, and left
        out (see `corrupted`), and so it is with other codes, unless several could be the wrong one. Without any to
        spare there is nothing to compare (see `unchecked`). It costs 1/m of the decoding (more with messages of 16
        bits), and finds one corrupted message a group, from about 1e-5 (float32), 1e-3 (float16) or 1e-2 (bfloat16) of
        the message on; not a worker that knows the others' messages and lies to fit.
    replica_error : float
        With `check`: how far, relatively, gradients that should be the same may differ between workers; on one kind of
        processor they are equal to the bit, on GPUs 1e-5 is common in float32.
    survivors : Survivors, optional
        An account of the survivors of this scheme that somebody else keeps. Whoever keeps it counts a worker and then
        calls `keep` with its message, and calls `forget` when the account is reset. By default the decoder keeps an
        account of its own, and `add` and `reset` do both.

    Attributes
    ----------
    scheme : GradientCode
        The scheme.
    gradient_size, message_size : int
        Number of elements l of a gradient, and L of a message.
    message_type : MessageType
        The element type of the messages, and what is known of it.
    survivors : Survivors
        The account of who has answered, and of whether that is enough.

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
        scheme: GradientCode,
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
        self.wire_dtype = self.message_type.wire
        if check is not None and check not in get_args(Check):
            raise ValueError(f"check must be one of {', '.join(get_args(Check))} or None, got {check!r}")
        self._check = check is not None
        self._replica_error = check_number("replica_error", replica_error, 0)
        if self._replica_error and check is None:
            raise ValueError(f"replica_error needs check='projection', got {replica_error!r} without")
        self.message_size = scheme.message_size(self.gradient_size, self.dtype)
        self.survivors = scheme.survivors(self.message_type.condition_limit) if survivors is None else survivors
        self._messages: dict[int, npt.NDArray[Any]] = {}
        self._kind: Any = None  # the first message: results are arrays of its kind
        self._folded: dict[int, tuple[int, ...]] = {}  # systems in the sum, with the workers used
        self._corrupted: dict[int, int] = {}  # by system
        self._unchecked: dict[int, tuple[int, ...]] = {}
        self._next = 0  # where to look for the next decodable system
        self._sum: npt.NDArray[Any] | None = None
        self._result: npt.NDArray[Any] | None = None
        self._warn()

    def _warn(self) -> None:
        kind = self.message_type
        if kind.name != "float64":
            worst, limit = self.scheme._apparent_condition, kind.condition_limit
            if worst > limit:
                known = "at least " if worst.kind == "lower bound" else ""
                warnings.warn(
                    f"{kind.name} messages can lose {known}{math.log10(worst):.1f} of their {kind.digits} digits with "
                    f"{self.scheme!r}: its worst condition is {known}{worst:.1e}, and survivors above {limit:.2g} wait "
                    f"for more; take {'float64' if self.wire_dtype is None else 'float32 messages'}, or another scheme",
                    PrecisionWarning,
                    stacklevel=4,
                )
        if self._check and all(len(s.workers) <= len(s.matrix) or s.enough for s in self.scheme.systems):
            warnings.warn(
                f"check='projection' has nothing to compare in {self.scheme!r}: every message is needed for decoding",
                PrecisionWarning,
                stacklevel=4,
            )

    def __repr__(self) -> str:
        state = "ready" if self.ready else f"waiting for some of workers {list(self.missing)}"
        wire = "" if self.wire_dtype is None else f" from {self.wire_dtype}"
        return f"<Decoder of {self.scheme!r}, {self.gradient_size} {self.dtype.name}{wire}: {state}>"

    def add(self, worker: int, message: Any) -> bool:
        """Take the message of `worker`; return True once the sum is ready to be decoded.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1, at most once.
        message : array, shape (message_size,)
            What the worker's `encode` returned; of the decoder's dtype, or its `wire_dtype`, contiguous. A NumPy array
            or another one in the memory of the host. Kept by reference.

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
        """Take the message of a worker that `survivors` counts already.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1, at most once.
        message : array, shape (message_size,)
            See `add`.

        Raises
        ------
        ValueError, TypeError
            Naming what is wrong; the decoder is unchanged.
        """
        worker, memory = self._check_message(worker, message)
        if worker not in self.survivors.answered:
            raise ValueError(f"worker {worker} must have been counted by the account of survivors before it is kept")
        if worker in self._messages:
            raise ValueError(f"worker {worker} has been added already")
        self._keep(worker, message, memory)

    def _keep(self, worker: int, message: Any, memory: npt.NDArray[Any]) -> None:
        self._messages[worker] = memory
        if self._kind is None:
            self._kind = message

    def _check_message(self, worker: int, message: Any) -> tuple[int, npt.NDArray[Any]]:
        """Refuse what cannot be taken; return the worker, and the memory of its message."""
        (worker,) = check_workers("worker", [worker], self.scheme.n_workers)
        message = self._own_view(message)
        if message.shape != (self.message_size,) or not message.flags.c_contiguous:
            raise ValueError(
                f"message must be contiguous with shape ({self.message_size},), "
                f"got shape {message.shape} and strides {message.strides}"
            )
        if self._result is not None:
            raise ValueError(f"worker {worker} is too late: the result has been taken; call reset() first")
        return worker, message

    def _own_view(self, message: Any) -> npt.NDArray[Any]:
        """Return the memory of a message of the right type."""
        if type(message) is np.ndarray and message.dtype == self.message_type.buffer:
            return message
        if is_elsewhere(message):
            raise TypeError(
                f"message must be in the memory of the host, got {where(message)}; "
                "gradcode.kernels.decode takes messages that are not"
            )
        wanted = "uint16 (bfloat16)" if self.wire_dtype == "bfloat16" else self.message_type.name
        try:
            memory = view("message", message)
        except TypeError as error:
            raise TypeError(f"message must be a NumPy array of {wanted}, got {type(message).__name__}") from error
        if memory.dtype != self.message_type.buffer or wire_of(message) not in (None, self.wire_dtype):
            raise TypeError(f"message must be a NumPy array of {wanted}, got {getattr(message, 'dtype', memory.dtype)}")
        return memory

    @property
    def ready(self) -> bool:
        """Whether the sum is decodable from the messages added, with a condition that leaves half the digits."""
        return self.survivors.ready

    @property
    def missing(self) -> tuple[int, ...]:
        """Workers that could still help: those of groups that are not ready that have not answered."""
        return self.survivors.missing

    @property
    def used(self) -> tuple[int, ...]:
        """Workers whose messages are in the sum so far, in increasing order."""
        return tuple(sorted(worker for workers in self._folded.values() for worker in workers))

    @property
    def corrupted(self) -> tuple[int, ...]:
        """With `check`: workers whose messages contradict the others of their group, and are not in the sum."""
        return tuple(sorted(worker for index, worker in self._corrupted.items() if index in self._folded))

    @property
    def unchecked(self) -> tuple[int, ...]:
        """With `check`: workers whose messages are in the sum and could not be checked.

        For want of surplus messages, or because no other message depends on theirs, or not all numbers are finite.
        """
        found = (workers for index, workers in self._unchecked.items() if index in self._folded)
        return tuple(sorted(worker for workers in found for worker in workers))

    @property
    def data_share(self) -> float:
        """The share of the data, in 0..1, that has a part in the messages added."""
        told = {subset for worker in self._messages for subset in self.scheme.subsets(worker)}
        return float(sum(subset.stop - subset.start for subset in told))

    def accept_any_condition(self) -> bool:
        """Decode from any set that can be decoded, until `reset`; return whether the sum is ready now.

        Otherwise sets whose condition number is above ``message_type.condition_limit`` wait for more messages.
        """
        return self.survivors.accept_any_condition()

    def decode_ready_group(self) -> bool:
        """Decode one group that is ready now, while others are awaited; return whether there was one.

        What has arrived of the group is used; later messages of its workers add nothing. Calling this between
        arrivals leaves the last arrival with little work. With `check`, only groups of which everybody has answered
        are decoded so.
        """
        ready = self._next_system(complete=self._check)
        if ready is None or self._result is not None:
            return False
        if self._sum is None:
            self._sum = new(self.gradient_size, self.dtype, self._kind)
        try:
            self._fold_into(ready, self._sum)
        except CorruptedMessage:
            return False  # `result` says so
        return True

    @overload
    def result(self, out: npt.NDArray[Any]) -> npt.NDArray[Any]: ...
    @overload
    def result(self, out: Any = None) -> Any: ...
    def result(self, out: Any = None) -> Any:
        """The sum of all gradients, from all messages added.

        Parameters
        ----------
        out : array, shape (gradient_size,), optional
            Where to put it: of the decoder's dtype, contiguous, not overlapping any message.

        Returns
        -------
        array, shape (gradient_size,)
            `out`, or a new array that is the caller's, of the kind of the first message. A later call, before `reset`,
            reads what this one returned.

        Raises
        ------
        NotDecodable
            If too few workers have answered; the decoder is unchanged and takes more messages.
        CorruptedMessage
            With `check`, if messages contradict each other and whose is wrong cannot be told; more can be added.
        """
        if not self.ready:
            limit = self.survivors.condition_limit if self.survivors.decodable else None
            raise NotDecodable(self.survivors.answered, self.missing, limit)
        target = None if out is None else self.check_out(out)
        if self._result is None:
            total = self._sum
            if total is None:
                total = new(self.gradient_size, self.dtype, self._kind) if target is None else target
            before = dict(self._folded)
            try:
                while (system := self._next_system()) is not None:
                    self._fold_into(system, total)
            except BaseException:
                if total is not self._sum:
                    self._folded = before  # what went into this buffer is not kept
                raise
            self._result = total
        if target is None:
            if self._result is self._sum:
                self._sum = None  # the caller's now
            return like(self._result, self._kind)
        if target is not self._result:
            np.copyto(target, self._result)
        return out

    def estimate(self, out: Any = None) -> Estimate:
        """The sum as far as the messages added tell it, and how far it may be off; for when too few have answered.

        Groups that can be decoded are exact; the others are approximated by least squares. `data_share` says how much
        of the data has a part in it. Messages that `check` has left out of the sum are left out here too, and the
        decoder is unchanged.

        Parameters
        ----------
        out : array, shape (gradient_size,), optional
            Where to put the approximation: of the decoder's dtype, contiguous, not overlapping any message.

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
        kind = np.empty(0) if self._kind is None else self._kind
        target = new(self.gradient_size, self.dtype, kind) if out is None else self.check_out(out)
        parts = self.scheme.communication
        left_out = np.zeros((parts, parts))
        started = False
        for index, system in enumerate(self.scheme.systems):
            workers = self.survivors.system_workers(index)
            workers = tuple(worker for worker in workers if worker != self._corrupted.get(index))
            solution = self.survivors.solution_of(index, workers)
            weights = solution.weights
            if not (self.scheme.exact and math.isfinite(solution.condition)):
                known = weights if math.isfinite(solution.condition) else None
                weights, residual = least_squares(self.scheme, system.workers, workers, known)
                left_out += residual @ residual.T
            if workers:
                messages = [self._messages[worker] for worker in workers]
                self._decode(weights, messages, target, started)
                started = True
        if not started:
            target[:] = 0
        return Estimate(
            like(target, kind) if out is None else out, math.sqrt(max(0.0, float(np.linalg.norm(left_out, 2))))
        )

    def reset(self) -> None:
        """Forget all messages, and who has answered, for the next round."""
        self.survivors.reset()
        self.forget()

    def forget(self) -> None:
        """Forget all messages and what was decoded; `survivors` is left alone."""
        self._result = None
        self._folded.clear()
        self._corrupted.clear()
        self._unchecked.clear()
        self._next = 0
        self._messages.clear()
        self._kind = None

    def check_out(self, out: Any) -> npt.NDArray[Any]:
        """Refuse an `out` that `result` could not use; return its memory."""
        wanted = f"a {self.dtype.name} array of shape ({self.gradient_size},)"
        if is_elsewhere(out):
            raise ValueError(f"out must be {wanted} in the memory of the host, got {where(out)}")
        try:
            memory = view_out(out)
        except TypeError as error:
            raise ValueError(f"out must be {wanted}, got {type(out).__name__}") from error
        if memory.dtype != self.dtype or memory.shape != (self.gradient_size,):
            raise ValueError(f"out must be {wanted}, got {memory.dtype} {memory.shape}")
        if not (memory.flags.c_contiguous and memory.flags.writeable):
            raise ValueError("out must be contiguous and writeable")
        for worker, message in self._messages.items():
            if np.may_share_memory(memory, message):
                raise ValueError(f"out must not overlap any message, but it overlaps that of worker {worker}")
        return memory

    def _decode(
        self, weights: npt.NDArray[np.float64], messages: list[npt.NDArray[Any]], out: npt.NDArray[Any], add: bool
    ) -> None:
        kernels.decode(weights, messages, self.gradient_size, out, accumulate=add, wire_dtype=self.wire_dtype)

    def _next_system(self, complete: bool = False) -> int | None:
        """A system that is ready and not in the sum yet; systems take turns being looked at first."""
        n_systems = len(self.scheme.systems)
        for step in range(n_systems):
            index = (self._next + step) % n_systems
            if index in self._folded or not self.survivors.system_ready(index):
                continue
            if complete and len(self.survivors.system_workers(index)) < len(self.scheme.systems[index].workers):
                continue
            self._next = index
            return index
        return None

    def _fold_into(self, index: int, total: npt.NDArray[Any]) -> None:
        workers, weights = self.survivors.system_workers(index), self.survivors.solution(index).weights
        if self._check:
            workers, weights = self._check_system(index, workers, weights)
        self._decode(weights, [self._messages[worker] for worker in workers], total, bool(self._folded))
        self._folded[index] = workers

    def _check_system(
        self, index: int, workers: tuple[int, ...], weights: npt.NDArray[np.float64]
    ) -> tuple[tuple[int, ...], npt.NDArray[np.float64]]:
        """Compare the messages of a system; leave one out that contradicts the others."""
        finding = self._examine(index, workers)
        self._unchecked[index] = tuple(workers[place] for place in finding.unseen)
        if finding.excess <= 1:
            return workers, weights
        if finding.suspect is None:
            raise CorruptedMessage(workers, finding.excess)
        suspect = workers[finding.suspect]
        others = tuple(worker for worker in workers if worker != suspect)
        solution = self.survivors.solution_of(index, others)
        if not math.isfinite(solution.condition):
            raise CorruptedMessage(workers, finding.excess)
        logger.warning(
            "the message of worker %d contradicts those of workers %s %.3g times more than rounding allows: left out",
            suspect,
            list(others),
            finding.excess,
        )
        self._corrupted[index] = suspect
        return others, solution.weights

    def _examine(self, index: int, workers: Sequence[int]) -> Finding:
        system = self.scheme.systems[index]
        columns = [system.workers.index(worker) for worker in workers]
        terms = max(self.scheme.coefficients(worker).size for worker in workers)
        messages = [self._messages[w] for w in workers]
        return examine(system, columns, messages, terms, self._replica_error, self.wire_dtype)

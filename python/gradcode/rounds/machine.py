"""The round as a pure state machine: events in, actions out; no clock, no messages, no arrays.

A worker is absent until it has joined, then idle or busy with one round. At the start of a round the idle workers
are sent the model; a busy one is left alone, for it never holds two models. A result of the open round counts; a
late result or an abandonment only makes its worker idle, and if a round is open the worker gets the current model
at once. The round ends at its first decodable moment with a condition that leaves enough digits, or when it is told
to settle for less, and the workers still busy with it are told, once.
"""

from __future__ import annotations

from dataclasses import dataclass

from gradcode.errors import ProtocolError
from gradcode.schemes import Survivors

__all__ = ["Action", "Arrival", "Close", "Count", "Discard", "Finish", "Rounds", "Send"]


@dataclass(frozen=True)
class Send:
    """Send the model of `round` to `worker`."""

    worker: int
    round: int


@dataclass(frozen=True)
class Count:
    """The message of `worker` belongs to the open round: use it."""

    worker: int


@dataclass(frozen=True)
class Discard:
    """The message of `worker` belongs to a round that is over: do not use it."""

    worker: int


@dataclass(frozen=True)
class Finish:
    """The round is decodable: its sum is the one of the messages counted."""

    round: int


@dataclass(frozen=True)
class Close:
    """Tell these workers, busy with `round`, that it is over."""

    round: int
    workers: tuple[int, ...]


Action = Send | Count | Discard | Finish | Close


@dataclass(frozen=True)
class Arrival:
    """What `worker` answered to the model of `round`: a result, or that it abandoned its work."""

    worker: int
    round: int
    abandoned: bool = False


class Rounds:
    """The state of all workers over all rounds.

    Parameters
    ----------
    n_workers : int
        Number of workers n.
    survivors : Survivors
        Decides when a round is decodable; the machine resets it and adds to it.

    Attributes
    ----------
    round : int
        The number of the last round opened; -1 before the first.
    is_open : bool
        Whether that round is still open.

    Examples
    --------
    >>> from gradcode import design
    >>> scheme = design(n_workers=2, stragglers=1, communication=1)
    >>> machine = Rounds(2, scheme.survivors())
    >>> machine.join(0), machine.join(1)
    ([], [])
    >>> machine.open()
    [Send(worker=0, round=0), Send(worker=1, round=0)]
    >>> machine.arrive(Arrival(worker=1, round=0))
    [Count(worker=1), Finish(round=0), Close(round=0, workers=(0,))]
    >>> machine.open()  # worker 0 is still busy
    [Send(worker=1, round=1)]
    >>> machine.arrive(Arrival(worker=0, round=0))
    [Discard(worker=0), Send(worker=0, round=1)]
    """

    def __init__(self, n_workers: int, survivors: Survivors) -> None:
        self.round = -1
        self.is_open = False
        self._survivors = survivors
        self._joined = [False] * n_workers
        self._busy: list[int | None] = [None] * n_workers

    @property
    def busy(self) -> tuple[int, ...]:
        """Workers at work, for whatever round."""
        return tuple(worker for worker, round_ in enumerate(self._busy) if round_ is not None)

    @property
    def absent(self) -> tuple[int, ...]:
        """Workers that have not joined yet."""
        return tuple(worker for worker, joined in enumerate(self._joined) if not joined)

    def join(self, worker: int) -> list[Action]:
        """`worker` has loaded its data and can take a model."""
        if self._joined[worker]:
            raise ProtocolError(f"worker {worker} joined twice")
        self._joined[worker] = True
        return [self._send(worker)] if self.is_open else []

    def open(self) -> list[Action]:
        """Start the next round."""
        if self.is_open:
            raise RuntimeError(f"round {self.round} is still open")
        self.round += 1
        self.is_open = True
        self._survivors.reset()
        workers = range(len(self._busy))
        return [self._send(worker) for worker in workers if self._joined[worker] and self._busy[worker] is None]

    def arrive(self, arrival: Arrival) -> list[Action]:
        """A worker answered."""
        worker, current = arrival.worker, self._busy[arrival.worker]
        if current is None or arrival.round != current:
            holds = "holds no model" if current is None else f"holds that of round {current}"
            raise ProtocolError(f"worker {worker} answered round {arrival.round}, but {holds}")
        of_open_round = self.is_open and arrival.round == self.round
        if arrival.abandoned and of_open_round:
            raise ProtocolError(f"worker {worker} abandoned round {arrival.round}, which is open")
        self._busy[worker] = None
        if not of_open_round:
            actions: list[Action] = [] if arrival.abandoned else [Discard(worker)]
            return [*actions, self._send(worker)] if self.is_open else actions
        decodable = self._survivors.add(worker)
        return [Count(worker), Finish(self.round), self._close()] if decodable else [Count(worker)]

    @property
    def could_settle(self) -> bool:
        """Whether the open round could be decoded now, but waits for a better condition."""
        return self.is_open and self._survivors.decodable

    def settle(self) -> list[Action]:
        """End the open round with what has arrived, if that can be decoded: a better condition has not come."""
        return (
            [Finish(self.round), self._close()] if self.could_settle and self._survivors.accept_any_condition() else []
        )

    def cancel(self) -> list[Action]:
        """Give up the open round without a result."""
        return [self._close()] if self.is_open else []

    def _send(self, worker: int) -> Send:
        self._busy[worker] = self.round
        return Send(worker, self.round)

    def _close(self) -> Close:
        self.is_open = False
        # Whoever is busy with an older round was told when that one ended: a worker that hangs is not told for ever.
        return Close(self.round, tuple(w for w, round_ in enumerate(self._busy) if round_ == self.round))

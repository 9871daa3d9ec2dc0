"""The rounds as a pure state machine: events in, actions out; no clock, no messages, no arrays.

A worker is absent until it joins. After that it is idle, or busy with one round.

- At the start of a round, every idle worker is sent the model. Busy workers are not: no worker ever holds two models.
- A result of the open round counts, and the worker becomes idle. A result of an earlier round does not count, and
  neither does an abandoned one. Then the worker becomes idle too; if a round is open, it is sent that model at once.
- The round ends as soon as the account of survivors is ready, or when the caller accepts any condition. The workers
  that are still busy with it are told once.
"""

from __future__ import annotations

from dataclasses import dataclass

from gradcode.errors import ProtocolError
from gradcode.schemes import Survivors

__all__ = ["Action", "Close", "Count", "Rounds", "Send"]


@dataclass(frozen=True)
class Send:
    """Send the model of `round` to `worker`."""

    worker: int
    round: int


@dataclass(frozen=True)
class Count:
    """Use the message of `worker`: it belongs to the open round."""

    worker: int


@dataclass(frozen=True)
class Close:
    """Tell these workers, which are busy with `round`, that it is over."""

    round: int
    workers: tuple[int, ...]


Action = Send | Count | Close


class Rounds:
    """The state of all workers over all rounds.

    Parameters
    ----------
    n_workers : int
        Number of workers n.
    survivors : Survivors
        The account of who has answered. The machine owns it: it resets the account when a round opens, adds every
        worker that counts, and ends the round when the account is ready.

    Attributes
    ----------
    round : int
        Number of the last round opened; -1 before the first.
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
    >>> machine.arrive(worker=1, round=0)
    [Count(worker=1), Close(round=0, workers=(0,))]
    >>> machine.open()  # worker 0 is still busy
    [Send(worker=1, round=1)]
    >>> machine.arrive(worker=0, round=0)  # too late to count
    [Send(worker=0, round=1)]
    """

    def __init__(self, n_workers: int, survivors: Survivors) -> None:
        self.round = -1
        self.is_open = False
        self._survivors = survivors
        self._joined = [False] * n_workers
        self._busy: list[int | None] = [None] * n_workers

    @property
    def busy(self) -> tuple[int, ...]:
        """Workers that compute for any round."""
        return tuple(worker for worker, round_ in enumerate(self._busy) if round_ is not None)

    @property
    def absent(self) -> tuple[int, ...]:
        """Workers that have not joined yet."""
        return tuple(worker for worker, joined in enumerate(self._joined) if not joined)

    @property
    def late(self) -> tuple[int, ...]:
        """Workers that have not answered the last round opened."""
        answered = self._survivors.answered
        return tuple(worker for worker in range(len(self._busy)) if worker not in answered)

    @property
    def is_decodable(self) -> bool:
        """Whether the open round can be decoded now, perhaps with a condition number above the limit."""
        return self.is_open and self._survivors.decodable

    def join(self, worker: int) -> list[Action]:
        """Record that `worker` has loaded its data; send it the model of the open round."""
        if self._joined[worker]:
            raise ProtocolError(f"worker {worker} joined twice")
        self._joined[worker] = True
        return self._send_if_open(worker)

    def open(self) -> list[Action]:
        """Start the next round."""
        if self.is_open:
            raise RuntimeError(f"round {self.round} is still open")
        self.round += 1
        self.is_open = True
        self._survivors.reset()
        workers = range(len(self._busy))
        return [self._send(worker) for worker in workers if self._joined[worker] and self._busy[worker] is None]

    def arrive(self, worker: int, round: int) -> list[Action]:
        """Record that the message of `worker` for `round` has arrived."""
        self._check_busy(worker, round)
        self._busy[worker] = None
        if not self._is_current(round):
            return self._send_if_open(worker)
        ready = self._survivors.add(worker)
        return [Count(worker), self._close()] if ready else [Count(worker)]

    def abandon(self, worker: int, round: int) -> list[Action]:
        """Record that `worker` has given up `round`, which must be over."""
        self._check_busy(worker, round)
        if self._is_current(round):
            raise ProtocolError(f"worker {worker} abandoned round {round}, which is open")
        self._busy[worker] = None
        return self._send_if_open(worker)

    def accept_any_condition(self) -> list[Action]:
        """End the open round with the messages that have arrived, if they can be decoded at all."""
        return [self._close()] if self.is_decodable and self._survivors.accept_any_condition() else []

    def cancel(self) -> list[Action]:
        """Give up the open round without a result."""
        return [self._close()] if self.is_open else []

    def _is_current(self, round_: int) -> bool:
        return self.is_open and round_ == self.round

    def _check_busy(self, worker: int, round_: int) -> None:
        current = self._busy[worker]
        if current is None or round_ != current:
            holds = "holds no model" if current is None else f"holds that of round {current}"
            raise ProtocolError(f"worker {worker} answered round {round_}, but {holds}")

    def _send_if_open(self, worker: int) -> list[Action]:
        return [self._send(worker)] if self.is_open else []

    def _send(self, worker: int) -> Send:
        self._busy[worker] = self.round
        return Send(worker, self.round)

    def _close(self) -> Close:
        self.is_open = False
        # Workers busy with an older round were told when that one ended. So a worker that hangs is told only once.
        return Close(self.round, tuple(w for w, round_ in enumerate(self._busy) if round_ == self.round))

"""The interface of an engine at the master: how it carries models and messages, and the events that it reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

__all__ = ["Abandoned", "Arrived", "Engine", "Event", "Failed", "Joined", "Traffic"]


@dataclass(frozen=True)
class Joined:
    """A worker has loaded its data and waits for a model."""

    worker: int


@dataclass(frozen=True)
class Arrived:
    """A worker's message has arrived in full.

    Attributes
    ----------
    worker : int
        Who sent it.
    round : int
        The round whose model the worker answered.
    message : ndarray
        The engine's buffer. It stays valid until the worker is sent the next model.
    scalars : tuple of mapping
        For each subset that the worker holds, the numbers reported beside its gradient, by name.
    compute_seconds : float
        How long the worker computed, by its own clock.
    peak_memory : int
        The most bytes that the worker's process has held resident; 0 where this is unknown.
    """

    worker: int
    round: int
    message: npt.NDArray[Any]
    scalars: tuple[Mapping[str, float], ...] = ()
    compute_seconds: float = 0.0
    peak_memory: int = 0


@dataclass(frozen=True)
class Abandoned:
    """A worker has stopped work on a round because it learnt that the round is over."""

    worker: int
    round: int


@dataclass(frozen=True)
class Failed:
    """The user's code raised on a worker."""

    worker: int
    traceback: str


Event = Joined | Arrived | Abandoned | Failed


@dataclass
class Traffic:
    """What has crossed the wire since the start.

    Attributes
    ----------
    bytes_down, bytes_up : int
        Bytes of models sent and of messages received, headers included.
    seconds_down, seconds_up : float
        Time during which at least one model, or one announced message, was on its way.
    """

    bytes_down: int = 0
    bytes_up: int = 0
    seconds_down: float = 0.0
    seconds_up: float = 0.0

    def since(self, earlier: Traffic) -> Traffic:
        """Return the difference to an earlier reading."""
        return Traffic(
            self.bytes_down - earlier.bytes_down,
            self.bytes_up - earlier.bytes_up,
            self.seconds_down - earlier.seconds_down,
            self.seconds_up - earlier.seconds_up,
        )


class Engine(Protocol):
    """Carries models to workers and messages back. It knows nothing of codes, and does not decide when a round ends."""

    def traffic(self) -> Traffic:
        """Return what has crossed the wire so far, as a reading that later traffic does not change."""

    def load(self, params: npt.NDArray[Any], usual_seconds: float) -> None:
        """Copy the model of the next round, for `send`.

        Parameters
        ----------
        params : ndarray, shape (gradient_size,)
            The parameters. The caller's array is free on return.
        usual_seconds : float
            How long a round usually lasts; infinity while no round has ended.
        """

    def send(self, worker: int, round: int) -> None:
        """Start sending the loaded model to an idle worker, as the model of `round`."""

    def close(self, round: int, workers: Iterable[int]) -> None:
        """Tell `workers`, which are busy with `round`, that it is over."""

    def next(self, timeout: float) -> Event | None:
        """Return the next event; wait for it at most `timeout` seconds, and return None if nothing happens."""

"""The seam between the round and whatever carries models and messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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

    `message` is the engine's buffer: it is valid until the worker is sent the next model. `scalars` has one mapping
    of name to value for each subset that the worker holds. `peak_memory` is what the worker's process has held resident
    at most, in bytes; 0 where there is no such number.
    """

    worker: int
    round: int
    message: npt.NDArray[Any]
    scalars: tuple[Mapping[str, float], ...] = ()
    compute_seconds: float = 0.0
    peak_memory: int = 0


@dataclass(frozen=True)
class Abandoned:
    """A worker has stopped work on a round that it learnt to be over."""

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
    seconds_up: float = field(default=0.0)

    def since(self, earlier: Traffic) -> Traffic:
        """The difference to an earlier reading."""
        return Traffic(
            self.bytes_down - earlier.bytes_down,
            self.bytes_up - earlier.bytes_up,
            self.seconds_down - earlier.seconds_down,
            self.seconds_up - earlier.seconds_up,
        )


class Engine(Protocol):
    """Carries models to workers and messages back; knows nothing of codes or rounds."""

    def traffic(self) -> Traffic:
        """What has crossed the wire so far (a reading of its own, not updated later)."""

    def model(self, params: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A copy of `params` to send, left alone until the last `send` of it is done and `model` is called again."""

    def send(self, worker: int, round: int, model: npt.NDArray[Any]) -> None:
        """Start sending `model` to an idle worker."""

    def close(self, round: int, workers: Iterable[int]) -> None:
        """Round `round` is over: tell `workers`, who are busy with it."""

    def next(self, timeout: float) -> Event | None:
        """The next thing that happened, waiting for at most `timeout` seconds; None if nothing did."""

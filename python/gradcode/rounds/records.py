"""What the master records of a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["RoundRecord"]


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round, as the master saw it.

    Attributes
    ----------
    round : int
        Number of the round, from 0.
    seconds : float
        From the call of `gradient` to its return.
    decode_seconds : float
        Part of `seconds` spent on decoding after the last message had arrived.
    used : tuple of int
        Workers whose messages are in the sum.
    late : tuple of int
        Workers that had not answered when the round ended. A worker that is neither in `used` nor in `late` answered
        after its group had been decoded.
    compute_seconds : tuple of float
        Computation time of each worker in `used`, by its own clock.
    scalars : mapping of str to float
        What the gradient function reported beside the gradient, summed over the data.
    bytes_down, bytes_up : int
        Bytes sent and received during the round.
    seconds_down, seconds_up : float
        Time of the round during which a model, or an announced message, was on its way.
    """

    round: int
    seconds: float
    decode_seconds: float
    used: tuple[int, ...]
    late: tuple[int, ...]
    compute_seconds: tuple[float, ...]
    scalars: Mapping[str, float]
    bytes_down: int
    bytes_up: int
    seconds_down: float
    seconds_up: float

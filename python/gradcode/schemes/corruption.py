"""Finding messages that contradict the others of their group: surplus messages reveal silent corruption.

A system of rank p has r survivors. The r − p vectors N that are orthogonal to the survivors' columns are orthogonal to
their messages, too, up to rounding: N·X = 0, with messages in the rows of X. Instead of the whole product, N·(X·v) is
computed, for a random vector v of ±1 that no worker can predict. This is one pass over the messages, and 1/m of the
work of decoding. An error of one worker points along that worker's column of N, so two surplus messages are enough to
tell whose it is.

Messages of 16 bits are so coarse that the random sums of their rounding would hide errors of some percent. For them the
whole product N·X is computed, which rounding cannot make larger than a known share of X.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode.kernels.messages import MessageType
from gradcode.schemes.systems import System

__all__ = ["Finding", "examine"]

# Clean messages of up to 16 blocks have stayed below 6.3 eps.
_THRESHOLD_EPS = 20
_TERMS = 16
# A relative difference between replicas appears up to about this many times as large.
_REPLICAS = 10
_CHUNK = 1 << 16
# An error in a message whose column of N is shorter than this cannot be seen.
_INVISIBLE = 1e-8


class Finding(NamedTuple):
    """What a comparison of the messages of one system has found.

    Attributes
    ----------
    unseen : tuple of int
        Positions of the messages that could not be compared with others: all, if there are no more messages than
        decoding needs or not all numbers are finite; otherwise those on which no other message depends.
    excess : float
        The contradiction, relative to what rounding allows; more than 1 means corruption.
    suspect : int or None
        Position of the message without which the others agree, if there is only one such message.
    """

    unseen: tuple[int, ...]
    excess: float = 0.0
    suspect: int | None = None


def examine(
    system: System,
    columns: Sequence[int],
    messages: Sequence[npt.NDArray[Any]],
    terms: int,
    replica_error: float,
    kind: MessageType,
) -> Finding:
    """Compare the messages of one system.

    Parameters
    ----------
    system : System
        The system.
    columns : sequence of int
        The survivors' columns of its matrix.
    messages : sequence of ndarray
        Their messages, in the same order.
    terms : int
        Number of blocks that are summed in a message.
    replica_error : float
        How far, relatively, gradients that should be the same may differ.
    kind : MessageType
        The element type of the messages.
    """
    everybody = tuple(range(len(columns)))
    scales = np.ones(len(columns)) if system.scales is None else system.scales[list(columns)]
    contradictions = system.contradictions(columns)
    largest = max(_largest(message, kind) for message in messages)
    if len(contradictions) == 0 or not math.isfinite(largest):
        return Finding(everybody)
    lengths = np.linalg.norm(contradictions, axis=0)
    unseen = tuple(np.flatnonzero(lengths <= _INVISIBLE).tolist())
    if largest == 0:
        return Finding(unseen)
    eps = float(np.finfo(kind.gradient).eps)
    allowed = max(_THRESHOLD_EPS * eps * max(1.0, math.sqrt(terms / _TERMS)), _REPLICAS * replica_error)
    if kind.wire is None:
        projected, size = _project(messages, scales, largest)
        shown = (contradictions @ projected)[:, np.newaxis]
    else:
        shown, size = _multiply(contradictions, messages, scales, largest, kind)
        tiny_size = kind.tiny / largest * math.sqrt(len(messages[0])) * float(np.linalg.norm(1 / scales))
        allowed += kind.roundoff + tiny_size / size
    excess = float(np.linalg.norm(shown)) / size / allowed
    if excess <= 1:
        return Finding(unseen, excess)
    # Without one message, the contradiction that is left is the part orthogonal to its column of N.
    directions = (contradictions / np.where(lengths > 0, lengths, 1)).T[:, :, np.newaxis]
    along = directions * (directions.transpose(0, 2, 1) @ shown)
    without = np.linalg.norm(shown - along, axis=(1, 2)) / size / allowed
    suspects = np.flatnonzero(without <= 1)
    return Finding(unseen, excess, int(suspects[0]) if len(suspects) == 1 and len(contradictions) > 1 else None)


def _largest(message: npt.NDArray[Any], kind: MessageType) -> float:
    parts = (message[start : start + _CHUNK] for start in range(0, len(message), _CHUNK))
    return max(float(np.abs(kind.widen(part)).max()) for part in parts)


def _project(
    messages: Sequence[npt.NDArray[Any]], scales: npt.NDArray[np.float64], largest: float
) -> tuple[npt.NDArray[np.float64], float]:
    """Return the products of messages and a random vector of ±1, and the Frobenius norm of X, in units of `largest`."""
    rng = np.random.Generator(np.random.PCG64(secrets.randbits(128)))
    projected, squares = np.zeros(len(messages)), np.zeros(len(messages))
    for start in range(0, len(messages[0]), _CHUNK):
        length = min(_CHUNK, len(messages[0]) - start)
        bits = np.unpackbits(rng.integers(0, 256, -(-length // 8), dtype=np.uint8), count=length)
        signs = 1.0 - 2.0 * bits
        for i, message in enumerate(messages):
            part = message[start : start + length].astype(np.float64) / largest
            projected[i] += part @ signs
            squares[i] += part @ part
    return projected / scales, float(np.sqrt((squares / scales**2).sum()))


def _multiply(
    contradictions: npt.NDArray[np.float64],
    messages: Sequence[npt.NDArray[Any]],
    scales: npt.NDArray[np.float64],
    largest: float,
    kind: MessageType,
) -> tuple[npt.NDArray[np.float64], float]:
    """Return a square root of N·X·Xᵀ·Nᵀ, to use as N·X, and the Frobenius norm of X, in units of `largest`."""
    gram, squares = np.zeros((len(contradictions), len(contradictions))), 0.0
    for start in range(0, len(messages[0]), _CHUNK):
        parts = [kind.widen(message[start : start + _CHUNK]) for message in messages]
        chunk = np.array(parts, np.float64) / (largest * scales[:, np.newaxis])
        shown = contradictions @ chunk
        gram += shown @ shown.T
        squares += float(np.vdot(chunk, chunk))
    values, vectors = np.linalg.eigh(gram)
    return vectors * np.sqrt(np.maximum(values, 0)), math.sqrt(squares)

"""A comparison of codes: stragglers, length of messages, cost of decoding, and digits lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gradcode.codes.profile import Row, candidates
from gradcode.schemes.design import decoding_operations

__all__ = ["Entry", "catalogue"]


class Entry(NamedTuple):
    """A code with what its decoding costs.

    Attributes
    ----------
    row : Row
        The code, its tolerance and its conditions.
    additions, multiplications : float
        For each element of a message, with as many workers missing as the code tolerates, decoded from the fewest
        messages.
    pareto : bool
        Whether no other code with as many stragglers and as short messages has both a smaller worst condition and
        cheaper decoding.
    """

    row: Row
    additions: float
    multiplications: float
    pareto: bool

    @property
    def operations(self) -> float:
        """Additions and multiplications together."""
        return self.additions + self.multiplications


def catalogue(length: int, names: Sequence[str] | None = None, seed: int = 0) -> list[Entry]:
    """List all codes of a length, and mark those that no other code beats.

    Parameters
    ----------
    length : int
        d.
    names : sequence of str, optional
        Which of `gradcode.codes.names.NAMES`. Default: all.
    seed : int
        Seed of random codes.

    Examples
    --------
    >>> for entry in catalogue(5, ["gaussian", "parity"])[:3]:
    ...     print(entry.row.code, entry.additions, entry.multiplications, entry.pareto)
    <gaussian [5, 5, 1]> 20.0 25.0 True
    <gaussian [5, 4, 2]> 12.0 16.0 False
    <parity [5, 4, 2]> 2.4 0.0 True
    """
    rows = candidates(length, names, seed)
    costs = [decoding_operations(row.code, "decoding") for row in rows]
    entries = [Entry(row, *cost, pareto=True) for row, cost in zip(rows, costs, strict=True)]
    return [entry._replace(pareto=not any(_beats(other, entry) for other in entries)) for entry in entries]


def _beats(one: Entry, other: Entry) -> bool:
    """Whether `one` is nowhere worse than `other`, and better in one respect by more than rounding."""
    gains = (
        one.row.stragglers - other.row.stragglers,
        one.row.communication - other.row.communication,
        other.operations - one.operations,
        float(other.row.worst) / float(one.row.worst) - 1,
    )
    return min(gains) > -1e-9 and max(gains) > 1e-9

"""Shares of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

from gradcode._validate import check_int

__all__ = ["Subset", "equal_shares", "shares"]


@dataclass(frozen=True)
class Subset:
    """A contiguous share of the data, as exact fractions of the whole.

    Attributes
    ----------
    index : int
        The number of the subset in its scheme. A chunk keeps the index of its subset.
    start, stop : Fraction
        The share covers [start, stop) of the data, 0 <= start < stop <= 1.

    Examples
    --------
    >>> third = Subset(0, Fraction(0), Fraction(1, 3))
    >>> third.slice(10)
    slice(0, 3, None)
    >>> [part.slice(10) for part in third.split(2)]
    [slice(0, 1, None), slice(1, 3, None)]
    """

    index: int
    start: Fraction
    stop: Fraction

    def slice(self, n_rows: int) -> slice:
        """Return the rows of this subset out of `n_rows`; all subsets together tile ``range(n_rows)`` exactly."""
        n_rows = check_int("n_rows", n_rows, 0)
        return slice(int(self.start * n_rows), int(self.stop * n_rows))

    def split(self, parts: int) -> tuple[Subset, ...]:
        """Cut into `parts` equal chunks, in order."""
        parts = check_int("parts", parts, 1)
        step = (self.stop - self.start) / parts
        cuts = [self.start + step * i for i in range(parts)] + [self.stop]
        return tuple(Subset(self.index, a, b) for a, b in pairwise(cuts))


def shares(sizes: Sequence[Fraction | int]) -> tuple[Subset, ...]:
    """Cut the whole data into subsets of these relative sizes, in order.

    Examples
    --------
    >>> [subset.slice(100) for subset in shares([1, 1, 2])]
    [slice(0, 25, None), slice(25, 50, None), slice(50, 100, None)]
    """
    total = Fraction(sum(sizes))
    cuts = [Fraction(0), *(Fraction(cut) / total for cut in accumulate(sizes))]
    return tuple(Subset(index, *span) for index, span in enumerate(pairwise(cuts)))


def equal_shares(held: Sequence[Sequence[int]]) -> tuple[tuple[Subset, ...], ...]:
    """Return the subsets that every worker holds, by their indices, where all are equal shares of the data.

    Examples
    --------
    >>> [subset.slice(100) for subset in equal_shares([[0, 1], [1, 0]])[1]]
    [slice(50, 100, None), slice(0, 50, None)]
    """
    every = shares([1] * len({index for indices in held for index in indices}))
    return tuple(tuple(every[index] for index in indices) for indices in held)

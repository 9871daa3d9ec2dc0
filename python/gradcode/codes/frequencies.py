"""Sets of frequencies that make better frames than consecutive ones, found by a search."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FREQUENCIES", "Range"]


class Range(NamedTuple):
    """Lengths at which a `frequency` code has a worst condition at least 15 % below that of `harmonic`."""

    first: int  # the lengths are first..full_length
    full_length: int
    frequencies: tuple[int, ...]


# By dimension. Found by a search over all classes of symmetric sets of frequencies; tests/test_codes_default.py derives
# the ranges again, from the exact worst conditions of harmonic(d, m) and of every entry cut to length d.
FREQUENCIES: dict[int, tuple[Range, ...]] = {
    4: (
        Range(10, 13, (2, 10)),
        Range(14, 14, (1, 5)),
        Range(15, 17, (2, 8)),
        Range(18, 25, (2, 14)),
        Range(26, 30, (1, 27)),
    ),
    5: (
        Range(12, 13, (0, 2, 10)),
        Range(14, 14, (0, 2, 8)),
        Range(15, 17, (0, 2, 8)),
        Range(22, 25, (0, 2, 14)),
    ),
    6: (
        Range(10, 13, (2, 6, 8)),
        Range(15, 19, (2, 14, 16)),
        Range(20, 22, (1, 3, 7)),
        Range(23, 26, (1, 3, 7)),
    ),
    7: (
        Range(11, 13, (0, 2, 6, 8)),
        Range(16, 17, (0, 2, 4, 8)),
        Range(18, 19, (0, 2, 14, 16)),
    ),
    8: (
        Range(13, 13, (2, 4, 6, 10)),
        Range(14, 17, (2, 4, 8, 16)),
    ),
    9: (Range(14, 17, (0, 2, 4, 8, 16)),),
    10: (
        Range(14, 14, (1, 3, 5, 7, 11)),
        Range(17, 17, (2, 4, 6, 8, 16)),
    ),
    12: (
        Range(16, 16, (1, 3, 5, 7, 9, 13)),
        Range(17, 17, (2, 4, 6, 8, 10, 16)),
        Range(18, 19, (2, 4, 6, 10, 14, 16)),
    ),
}

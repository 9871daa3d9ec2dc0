"""The default code for a length and a dimension: the one with the smallest worst condition known."""

from __future__ import annotations

import math

import numpy as np

from gradcode.codes.additive import identity, repetition
from gradcode.codes.families import check_shape, frequency, harmonic
from gradcode.codes.frequencies import FREQUENCIES
from gradcode.codes.linear import LinearCode
from gradcode.codes.recipes import construction

__all__ = ["default", "icosahedron"]


def default(length: int, dimension: int) -> LinearCode:
    """The MDS code [d, m, d − m + 1] with the smallest worst condition known; what `gradcode.design` takes.

    This is repetition for m = 1, the identity for m = d, and the icosahedron for [6, 3]. Elsewhere it is the harmonic
    frame, or a frame of other frequencies if that is at least 15 % better. No code is better than the harmonic frame
    for m = 2, and none is known to be better for d − m <= 2.

    Parameters
    ----------
    length : int
        Block length d.
    dimension : int
        Dimension m, in 1..d.

    Examples
    --------
    >>> default(8, 4), default(12, 6), default(5, 1)
    (<harmonic [8, 4, 5]>, <frequency [12, 6, 7]>, <repetition [5, 1, 5]>)
    """
    length, dimension = check_shape(length, dimension)
    if dimension == 1:
        return repetition(length)
    if dimension == length:
        return identity(length)
    if (length, dimension) == (6, 3):
        return icosahedron()
    for choice in FREQUENCIES.get(dimension, ()):
        if choice.first <= length <= choice.full_length:
            return frequency(length, choice.frequencies, choice.full_length)
    return harmonic(length, dimension)


@construction
def icosahedron() -> LinearCode:
    """The six axes of the icosahedron: an MDS code [6, 3, 4] with worst condition 3.702.

    Examples
    --------
    >>> code = icosahedron()
    >>> code, round(float(code.worst_condition()), 3)
    (<icosahedron [6, 3, 4]>, 3.702)
    """
    golden = (1 + math.sqrt(5)) / 2
    axes = np.array([[0, 1, golden], [0, 1, -golden], [1, golden, 0], [1, -golden, 0], [golden, 0, 1], [-golden, 0, 1]])
    return LinearCode(axes.T / math.sqrt(1 + golden**2), name="icosahedron", minimum_distance=4)

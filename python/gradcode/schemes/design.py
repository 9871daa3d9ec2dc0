"""Choosing a scheme from what it shall tolerate and save."""

from __future__ import annotations

import logging

import numpy as np

from gradcode._validate import check_int
from gradcode.codes import LinearCode, from_generator, harmonic, repetition
from gradcode.errors import CodeParameterError
from gradcode.schemes.grouped import Grouped, Uncoded

__all__ = ["design"]

logger = logging.getLogger("gradcode")


def design(n_workers: int, stragglers: int, communication: int = 1) -> Grouped:
    """A scheme for `n_workers` that tolerates any `stragglers` and sends `communication` times shorter messages.

    The load is d = s + m, the least that any scheme can have (Ye and Abbe, 2018), if d divides n.

    Parameters
    ----------
    n_workers : int
        Number of workers n.
    stragglers : int
        Any s workers may be missing, in 0..n-1.
    communication : int
        Messages are m times shorter than the gradient, m >= 1 and s + m <= n.

    Returns
    -------
    Grouped
        Its code is repetition for m = 1, slices of the gradient for s = 0, and else the harmonic frame.

    Raises
    ------
    CodeParameterError
        If s + m > n.

    Warns
    -----
    LoadWarning
        If the load comes out above 1.25·(s + m).

    Examples
    --------
    >>> from gradcode import design
    >>> design(n_workers=12, stragglers=2, communication=2)
    Grouped(12, <harmonic [4, 2, 3]>, load=4)
    """
    n_workers = check_int("n_workers", n_workers, 1)
    stragglers = check_int("stragglers", stragglers, 0, n_workers - 1, f"n_workers={n_workers}")
    communication = check_int("communication", communication, 1)
    length = stragglers + communication
    if length > n_workers:
        raise CodeParameterError(
            f"stragglers + communication must be at most n_workers, got {stragglers} + {communication} = {length} "
            f"with n_workers={n_workers}"
        )
    if length == 1:
        scheme: Grouped = Uncoded(n_workers)
    else:
        scheme = Grouped(n_workers, _code(length, communication))
    logger.info("designed %r: load %g, stragglers %d", scheme, scheme.load, scheme.stragglers)
    return scheme


def _code(length: int, dimension: int) -> LinearCode:
    if dimension == 1:
        return repetition(length)
    if dimension == length:
        return from_generator(np.eye(dimension))
    return harmonic(length, dimension)

"""Choosing a scheme by the stragglers it tolerates and the communication it saves."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from gradcode._validate import check_int, check_number
from gradcode.codes import (
    LinearCode,
    default,
    hamming_extended,
    harmonic,
    identity,
    parity,
    product,
    repetition,
    simplex,
)
from gradcode.errors import CodeParameterError
from gradcode.schemes.base import GradientCode
from gradcode.schemes.cyclic import CyclicRepetition
from gradcode.schemes.grouped import MAX_RELATIVE_LOAD, Grouped, Prefer, Uncoded, group_sizes, warn_of_load
from gradcode.schemes.systems import MAX_BASES, System, solve_systems
from gradcode.schemes.ye_abbe import YeAbbe

__all__ = ["Placement", "decoding_operations", "design"]

logger = logging.getLogger("gradcode")

Placement = Literal["auto", "grouped", "cyclic"]

_PATTERNS = 1000  # the most sets of survivors over which the work of decoding is averaged
_SOLUTIONS = 50_000  # the most solutions computed for that


def design(
    n_workers: int,
    stragglers: int,
    communication: int = 1,
    *,
    prefer: Prefer = "stability",
    max_load: float | None = None,
    placement: Placement = "auto",
) -> GradientCode:
    """Choose a scheme that tolerates any `stragglers` and sends `communication` times shorter messages.

    If d = s + m divides n, the load is d, the least that any scheme can have (Ye and Abbe, 2018). Otherwise groups are
    uneven and workers compute more. If that is above `max_load`, the data is placed cyclically, at a load of d.

    Parameters
    ----------
    n_workers : int
        Number of workers n.
    stragglers : int
        Any s workers may be missing, in 0..n-1.
    communication : int
        Messages are m times shorter than the gradient, m >= 1 and s + m <= n.
    prefer : {"stability", "decoding"}
        "stability" takes the code with the smallest worst condition. "decoding" takes the code with the least work for
        the master, within `max_load`: codes of additions, which may need one more worker for the same stragglers. It
        needs groups.
    max_load : float, optional
        The largest acceptable load, in units of 1/n of the data. Default: 1.25·(s + m).
    placement : {"auto", "grouped", "cyclic"}
        "grouped" takes groups of any load, unless `max_load` is given; "cyclic" takes a cyclic scheme.

    Returns
    -------
    GradientCode
        A `Grouped` scheme, or a cyclic one: `CyclicRepetition` for m = 1, `YeAbbe` in its stable variant for even m,
        and `YeAbbe` with Gaussian matrices for other m.

    Raises
    ------
    CodeParameterError
        If s + m > n, or no scheme has a load of at most `max_load`.

    Warns
    -----
    LoadWarning
        If groups were asked for and their load is above 1.25·(s + m).

    Examples
    --------
    >>> from gradcode import design
    >>> design(n_workers=12, stragglers=2, communication=2)
    Grouped(12, <harmonic [4, 2, 3]>, load=4)
    >>> design(n_workers=9, stragglers=3, communication=2)  # groups would have a load of 9
    YeAbbe(9, load=5, stragglers=3, communication=2, nodes='harmonic')
    >>> design(n_workers=16, stragglers=3, communication=4, prefer="decoding")
    Grouped(16, <hamming_extended [8, 4, 4]>, load=8, prefer='decoding')
    """
    n = check_int("n_workers", n_workers, 1)
    s = check_int("stragglers", stragglers, 0, n - 1, f"n_workers={n}")
    m = check_int("communication", communication, 1)
    for name, value, allowed in (("prefer", prefer, get_args(Prefer)), ("placement", placement, get_args(Placement))):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    if placement == "cyclic" and prefer != "stability":
        raise ValueError(f"prefer needs groups, which placement cyclic does not have, got {prefer!r}")
    if s + m > n:
        raise CodeParameterError(
            f"stragglers + communication must be at most n_workers, got {s} + {m} = {s + m} with n_workers={n}"
        )
    limit = MAX_RELATIVE_LOAD * (s + m) if max_load is None else check_number("max_load", max_load, 0, strict=True)
    if limit < s + m:
        raise CodeParameterError(
            f"max_load must be at least stragglers + communication = {s + m}, got {limit:g}: no scheme needs less"
        )
    if placement == "grouped" and max_load is None:
        limit = math.inf
    scheme: GradientCode | None = None
    if placement != "cyclic":
        scheme = _grouped(n, s, m, prefer, limit)
    if scheme is None and placement == "grouped":
        raise CodeParameterError(
            f"max_load must be at least {n / (n // (s + m)):g} for groups that tolerate {s} stragglers with messages "
            f"{m} times shorter, got {limit:g} with n_workers={n}"
        )
    if scheme is None:
        scheme = _cyclic(n, s, m)
    logger.info("designed %r: load %g, stragglers %d", scheme, scheme.load, scheme.stragglers)
    return scheme


def decoding_operations(
    code: LinearCode, prefer: Prefer = "stability", missing: int | None = None
) -> tuple[float, float]:
    """Count additions and multiplications for each element of a message, to decode one group.

    Parameters
    ----------
    code : LinearCode
        The code of the group.
    prefer : {"stability", "decoding"}
        How it is decoded; see `gradcode.Grouped`.
    missing : int, optional
        How many workers are missing. Default: as many as the code tolerates, δ − 1.

    Returns
    -------
    additions, multiplications : float
        Means over sets of survivors. A weight of ±1 costs no multiplication; a block that is itself a message costs
        nothing.

    Examples
    --------
    >>> from gradcode.codes import gaussian, parity
    >>> decoding_operations(parity(3), "decoding")
    (0.6666666666666666, 0.0)
    >>> decoding_operations(gaussian(3, 2))
    (2.0, 4.0)
    """
    missing = code.minimum_distance - 1 if missing is None else check_int("missing", missing, 0, code.length)
    survivors = code.length - missing
    system = System(tuple(range(code.length)), code.generator, sparse=prefer == "decoding")
    solutions = math.comb(survivors, code.dimension) if prefer == "decoding" else 1
    patterns = max(20, min(_PATTERNS, _SOLUTIONS // max(1, min(MAX_BASES, solutions))))
    if math.comb(code.length, survivors) <= patterns:
        sets = list(itertools.combinations(range(code.length), survivors))
    else:
        rng = np.random.default_rng(0)
        sets = [tuple(sorted(rng.permutation(code.length)[:survivors].tolist())) for _ in range(patterns)]
    weights = [s.weights for s in solve_systems([(system, columns) for columns in sets]) if math.isfinite(s.condition)]
    additions = np.mean([(np.count_nonzero(w, axis=1) - 1).sum() for w in weights])
    multiplications = np.mean([np.count_nonzero((w != 0) & (np.abs(w) != 1)) for w in weights])
    return float(additions), float(multiplications)


def _grouped(n: int, s: int, m: int, prefer: Prefer, limit: float) -> Grouped | None:
    """Return groups with a load of at most `limit`, if there are any."""
    if s + m == 1:
        return Uncoded(n)
    codes = [default(s + m, m)]
    if prefer == "decoding":
        able = [code for code in _sparse_codes(s, m) if code.length <= min(n, limit)]
        codes = sorted([*able, *codes], key=lambda code: sum(decoding_operations(code, prefer)))
    for code in codes:
        sizes = group_sizes(n, code.length)
        if n / len(sizes) > limit * (1 + 1e-5):  # so that a load can be asked for as it was printed
            continue
        if prefer == "decoding" or n % code.length == 0:
            return Grouped(n, code, prefer=prefer)
        scheme = Grouped(n, [default(size, m) for size in sizes])
        warn_of_load(scheme, code.length)
        return scheme
    return None


def _sparse_codes(s: int, m: int) -> Iterator[LinearCode]:
    """Yield codes that tolerate s stragglers with messages m times shorter, and are decoded mostly by additions."""
    if s == 0:
        yield identity(m)
    elif m == 1:
        yield repetition(s + 1)
    else:
        if s == 1:
            yield parity(m + 1)
        if s <= 3 and m == 4:
            yield hamming_extended()
        if s <= 3 and m == 3:
            yield simplex()
        if s <= 3:
            for rows in range(2, math.isqrt(m) + 1):
                if m % rows == 0:
                    yield product(parity(rows + 1), parity(m // rows + 1))
        if (s + m) % m == 0:
            yield harmonic(s + m, m, systematic=True)
        yield product(repetition(s + 1), identity(m))


def _cyclic(n: int, s: int, m: int) -> GradientCode:
    """Return the cyclic scheme that loses the fewest digits, judged by a quick look."""
    if m % 2 == 0:
        try:
            return YeAbbe(n, s + m, s, m, "harmonic")
        except CodeParameterError:  # no digits would be left
            return YeAbbe(n, s + m, s, m, "gaussian")
    if m > 1:
        return YeAbbe(n, s + m, s, m, "gaussian")
    random = CyclicRepetition(n, s)
    if (n - s) % 2 == 0:
        return random
    try:
        frame = CyclicRepetition(n, s, "harmonic")
    except CodeParameterError:
        return random
    return frame if frame.quick_condition <= random.quick_condition else random

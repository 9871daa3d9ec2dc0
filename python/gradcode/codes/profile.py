"""Codes in numbers: one code for every number of survivors, and all codes of a length side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradcode._validate import check_int
from gradcode.codes.conditioning import Condition
from gradcode.codes.linear import LinearCode
from gradcode.codes.names import NAMES, named
from gradcode.kernels.messages import MESSAGE_TYPES

__all__ = ["Row", "Survival", "candidates", "digits", "survival"]

# In measurements, errors have stayed below this many times the condition, in units of the type's precision.
_ERROR_PER_CONDITION = 0.3


class Survival(NamedTuple):
    """A code with a given number of survivors.

    Attributes
    ----------
    survivors : int
        How many workers of the group have answered.
    lost : float
        The share of the sets of so many workers that do not decode the group.
    exhaustive : bool
        Whether all sets were looked at.
    worst : Condition
        The largest condition number of the sets that can be decoded.
    typical : float
        The median condition number of these.
    """

    survivors: int
    lost: float
    exhaustive: bool
    worst: Condition
    typical: float


def survival(code: LinearCode, survivors: int, limit: int | None = None) -> Survival:
    """Look at the sets of a given number of survivors.

    Parameters
    ----------
    code : LinearCode
        The code.
    survivors : int
        In m..d.
    limit : int, optional
        How many sets to look at. Default: as many as take about a second.

    Examples
    --------
    >>> from gradcode.codes import hamming_extended
    >>> found = survival(hamming_extended(), 4)
    >>> round(found.lost, 3), round(float(found.worst), 2), round(found.typical, 2)
    (0.143, 9.41, 5.55)
    """
    survivors = check_int("survivors", survivors, code.dimension, code.length)
    found = code.conditions(survivors, limit=limit)
    decodable = found.values[np.isfinite(found.values)]
    if not decodable.size:
        return Survival(survivors, 1.0, found.exhaustive, Condition(math.inf), math.inf)
    if decodable.size < found.values.size or found.exhaustive:
        worst = Condition(float(decodable.max()), "exact" if found.exhaustive else "lower bound")
    else:
        worst = code.worst_condition(survivors, limit=limit)  # which may have a closed form
    lost = 1 - decodable.size / found.values.size
    return Survival(survivors, lost, found.exhaustive, worst, float(np.median(decodable)))


def digits(condition: float, dtype: str) -> float:
    """Return how many decimal digits of a decoded gradient are certain, by condition and type of messages.

    Examples
    --------
    >>> round(digits(15.3, "float32"), 1), round(digits(15.3, "float64"), 1)
    (6.3, 15.0)
    """
    eps = 2 * MESSAGE_TYPES[dtype].roundoff
    return max(0.0, -math.log10(eps * max(1.0, _ERROR_PER_CONDITION * condition)))


class Row(NamedTuple):
    """A code beside others."""

    name: str
    code: LinearCode
    stragglers: int
    communication: int
    worst: Condition  # with `stragglers` missing
    typical: float


def candidates(length: int, names: Sequence[str] | None = None, seed: int = 0) -> list[Row]:
    """All codes of a length, from the largest dimension to the smallest.

    By default only repetition is listed for m = 1, and only the identity for m = d: other codes do the same there.

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
    >>> for row in candidates(3, ["parity", "repetition"]):
    ...     print(row.name, row.stragglers, row.communication, round(row.worst, 2))
    parity 1 2 2.62
    repetition 2 1 1.0
    """
    length = check_int("length", length, 1)
    rows: dict[LinearCode, Row] = {}
    wanted = names or [*(name for name in NAMES if name != "default"), "default"]  # mostly one of the others
    for dimension, name in itertools.product(range(length, 0, -1), wanted):
        trivial = dimension in (1, length) and names is None and name not in ("repetition", "identity")
        if trivial or (name in NAMES and not NAMES[name].exists(length, dimension)):
            continue
        code = named(name, length, dimension, seed)
        if code in rows:
            continue
        stragglers = code.minimum_distance - 1
        found = survival(code, length - stragglers)
        rows[code] = Row(
            code.name if name == "default" else name, code, stragglers, dimension, found.worst, found.typical
        )
    return list(rows.values())

"""Codes by name, for command lines and configurations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from gradcode._validate import check_int
from gradcode.codes.additive import hamming_extended, identity, parity, product, repetition, simplex
from gradcode.codes.choice import default, icosahedron
from gradcode.codes.families import chebyshev_vandermonde, gaussian, haar, harmonic, vandermonde
from gradcode.codes.linear import LinearCode
from gradcode.errors import CodeParameterError

__all__ = ["NAMES", "NamedCode", "named", "named_for"]


class NamedCode(NamedTuple):
    """An entry of the table of codes.

    Attributes
    ----------
    about : str
        What it is, in a few words.
    make : callable
        Makes the code from length, dimension and seed.
    exists : callable
        Whether there is a code of this length and dimension.
    rule : str
        The condition for it, in words.
    length : callable
        The shortest length that tolerates s stragglers with messages m times shorter.
    for_groups : bool
        Whether schemes are offered with it. The others are for comparison, or the default code uses them already.
    whole_gradients : bool
        Whether its messages are as long as a gradient: m must be 1.
    """

    about: str
    make: Callable[[int, int, int], LinearCode]
    exists: Callable[[int, int], bool]
    rule: str
    length: Callable[[int, int], int] = lambda stragglers, communication: stragglers + communication
    for_groups: bool = True
    whole_gradients: bool = False


def _always(length: int, dimension: int) -> bool:
    return dimension <= length


def _table(length: int, dimension: int) -> tuple[int, int] | None:
    """Sides of the product of two parity codes with this length and dimension, the smaller one first."""
    for side in range(2, math.isqrt(length) + 1):
        if length % side == 0 and (side - 1) * (length // side - 1) == dimension and length // side > 1:
            return side, length // side
    return None


def _product(length: int, dimension: int, seed: int) -> LinearCode:
    sides = _table(length, dimension)
    assert sides is not None
    return product(parity(sides[0]), parity(sides[1]))


NAMES: dict[str, NamedCode] = {
    "default": NamedCode(
        "the smallest worst condition known",
        lambda d, m, seed: default(d, m),
        _always,
        "m <= d",
        for_groups=False,
    ),
    "repetition": NamedCode(
        "the same gradient d times",
        lambda d, m, seed: repetition(d),
        lambda d, m: m == 1,
        "m = 1",
        whole_gradients=True,
    ),
    "repeated-slices": NamedCode(
        "m slices, each d/m times",
        lambda d, m, seed: product(repetition(d // m), identity(m)),
        lambda d, m: m <= d and d % m == 0,
        "m divides d",
        length=lambda s, m: (s + 1) * m,
    ),
    "identity": NamedCode(
        "d slices, no tolerance", lambda d, m, seed: identity(d), lambda d, m: m == d, "m = d", for_groups=False
    ),
    "parity": NamedCode(
        "slices and their sum", lambda d, m, seed: parity(d), lambda d, m: 2 <= d == m + 1, "m = d - 1"
    ),
    "parity-product": NamedCode(
        "parity of rows and columns",
        _product,
        lambda d, m: _table(d, m) is not None,
        "d = a·b and m = (a - 1)(b - 1)",
        length=lambda s, m: min((m // a + 1) * (a + 1) for a in range(1, m + 1) if m % a == 0),
    ),
    "hamming-extended": NamedCode(
        "extended Hamming code",
        lambda d, m, seed: hamming_extended(),
        lambda d, m: (d, m) == (8, 4),
        "d = 8 and m = 4",
        length=lambda s, m: 8,
    ),
    "simplex": NamedCode(
        "simplex code",
        lambda d, m, seed: simplex(),
        lambda d, m: (d, m) == (7, 3),
        "d = 7 and m = 3",
        length=lambda s, m: 7,
    ),
    "icosahedron": NamedCode(
        "the six axes of the icosahedron",
        lambda d, m, seed: icosahedron(),
        lambda d, m: (d, m) == (6, 3),
        "d = 6 and m = 3",
        for_groups=False,
    ),
    "harmonic": NamedCode("real harmonic frame", lambda d, m, seed: harmonic(d, m), _always, "m <= d"),
    "systematic": NamedCode(
        "harmonic frame with plain slices",
        lambda d, m, seed: harmonic(d, m, systematic=True),
        lambda d, m: m <= d and d % m == 0,
        "m divides d",
    ),
    "gaussian": NamedCode("random, of Kadhe et al.", lambda d, m, seed: gaussian(d, m, seed=seed), _always, "m <= d"),
    "haar": NamedCode("random, orthonormal rows", lambda d, m, seed: haar(d, m, seed=seed), _always, "m <= d"),
    "chebyshev": NamedCode(
        "Chebyshev-Vandermonde", lambda d, m, seed: chebyshev_vandermonde(d, m), _always, "m <= d", for_groups=False
    ),
    "vandermonde": NamedCode(
        "powers of equal steps in -1..1",
        lambda d, m, seed: vandermonde([2 * i / max(1, d - 1) - 1 for i in range(d)], m),
        _always,
        "m <= d",
        for_groups=False,
    ),
}


def named(name: str, length: int, dimension: int, seed: int = 0) -> LinearCode:
    """The code of this name, length d and dimension m.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    length, dimension : int
        d and m.
    seed : int
        Seed of random codes.

    Raises
    ------
    CodeParameterError
        If there is no such code.

    Examples
    --------
    >>> named("parity", 5, 4)
    <parity [5, 4, 2]>
    """
    family = _family(name)
    length = check_int("length", length, 1)
    dimension = check_int("dimension", dimension, 1)
    if not family.exists(length, dimension):
        raise CodeParameterError(f"code {name} needs {family.rule}, got d={length} and m={dimension}")
    return family.make(length, dimension, check_int("seed", seed, 0))


def named_for(name: str, stragglers: int, communication: int, seed: int = 0) -> LinearCode:
    """The shortest code of this name that tolerates s stragglers with messages m times shorter.

    Raises
    ------
    CodeParameterError
        If there is none.

    Examples
    --------
    >>> named_for("harmonic", 2, 4), named_for("hamming-extended", 3, 4)
    (<harmonic [6, 4, 3]>, <hamming_extended [8, 4, 4]>)
    """
    stragglers = check_int("stragglers", stragglers, 0)
    communication = check_int("communication", communication, 1)
    code = named(name, _family(name).length(stragglers, communication), communication, seed)
    if code.minimum_distance <= stragglers:
        raise CodeParameterError(
            f"code {name} tolerates {code.minimum_distance - 1} stragglers with communication {communication}, "
            f"got stragglers={stragglers}"
        )
    return code


def _family(name: str) -> NamedCode:
    if name not in NAMES:
        raise CodeParameterError(f"code must be one of {', '.join(NAMES)}, got {name!r}")
    return NAMES[name]

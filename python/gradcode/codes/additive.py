"""Codes whose generators hold only 0, 1 and −1: encoding and decoding are additions, exact on integers."""

from __future__ import annotations

import numpy as np

from gradcode._validate import check_int
from gradcode.codes.linear import LinearCode
from gradcode.codes.recipes import construction
from gradcode.errors import CodeParameterError

__all__ = ["hamming_extended", "identity", "parity", "product", "repetition", "simplex"]


@construction
def repetition(length: int) -> LinearCode:
    """Repetition code [d, 1, d]: every worker sends the whole gradient, and any one of them suffices.

    In the grouped scheme this is the fractional repetition of Tandon et al. (2017).

    Parameters
    ----------
    length : int
        Block length d.

    Examples
    --------
    >>> repetition(3)
    <repetition [3, 1, 3]>
    """
    length = check_int("length", length, 1)
    return LinearCode(np.ones((1, length)), name="repetition", minimum_distance=length, worst_survivors=[0])


@construction
def identity(length: int) -> LinearCode:
    """Trivial code [d, d, 1]: every worker sends its own d-th of the gradient, and all must answer.

    Parameters
    ----------
    length : int
        Block length d.

    Examples
    --------
    >>> identity(3)
    <identity [3, 3, 1]>
    """
    length = check_int("length", length, 1)
    return LinearCode(np.eye(length), name="identity", minimum_distance=1)


@construction
def parity(length: int) -> LinearCode:
    """Single parity check code [d, d − 1, 2]: d − 1 slices of the gradient, and their sum. MDS.

    Parameters
    ----------
    length : int
        Block length d, at least 2.

    Examples
    --------
    >>> parity(3).generator
    array([[1., 0., 1.],
           [0., 1., 1.]])
    """
    length = check_int("length", length, 2)
    generator = np.hstack([np.eye(length - 1), np.ones((length - 1, 1))])
    return LinearCode(generator, name="parity", minimum_distance=2)


@construction
def hamming_extended() -> LinearCode:
    """Extended Hamming code [8, 4, 4] over the real numbers, systematic: one straggler less than MDS, additions only.

    Examples
    --------
    >>> hamming_extended()
    <hamming_extended [8, 4, 4]>
    """
    checks = np.ones((4, 4)) - np.eye(4)[::-1]
    return LinearCode(np.hstack([np.eye(4), checks]), name="hamming_extended", minimum_distance=4)


@construction
def simplex() -> LinearCode:
    """Simplex code [7, 3, 4] over the real numbers: the seven non-zero 0/1 columns. One straggler less than MDS.

    Examples
    --------
    >>> simplex()
    <simplex [7, 3, 4]>
    """
    columns = [[(index >> row) & 1 for row in range(3)] for index in (1, 2, 4, 3, 5, 6, 7)]
    return LinearCode(np.array(columns, dtype=np.float64).T, name="simplex", minimum_distance=4)


@construction
def product(first: LinearCode, second: LinearCode) -> LinearCode:
    """Product code [d₁d₂, m₁m₂, δ₁δ₂]: words are tables with rows from `second` and columns from `first`.

    A product of parity codes is decoded row by row and column by column, by additions. With ``identity`` as `second`,
    each worker of `first` becomes several workers, which send one slice each of its message.

    Parameters
    ----------
    first : LinearCode
        Code of the columns.
    second : LinearCode
        Code of the rows.

    Examples
    --------
    >>> product(parity(3), parity(3))
    <product [9, 4, 4]>
    >>> product(repetition(2), identity(4))  # every slice twice
    <product [8, 4, 2]>
    """
    for name, code in (("first", first), ("second", second)):
        if not isinstance(code, LinearCode):
            raise TypeError(f"{name} must be a LinearCode, got {type(code).__name__}")
        if not code.minimum_distance_is_exact:
            raise CodeParameterError(f"{name} must have a known minimum distance, got {code!r}")
    return LinearCode(
        np.kron(first.generator, second.generator),
        name="product",
        minimum_distance=first.minimum_distance * second.minimum_distance,
    )

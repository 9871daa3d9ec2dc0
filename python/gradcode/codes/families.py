"""Constructions of generator matrices."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.codes.linear import LinearCode
from gradcode.errors import CodeParameterError

__all__ = ["from_generator", "gaussian", "harmonic", "repetition"]


def from_generator(array: npt.ArrayLike) -> LinearCode:
    """The code of any real generator matrix.

    Parameters
    ----------
    array : array_like of float, shape (m, d)
        Finite, of rank m. It is copied.

    Examples
    --------
    >>> from_generator([[1, 0, 1], [0, 1, 1]])
    <LinearCode [3, 2, 2]>
    """
    return LinearCode(array)


def repetition(length: int) -> LinearCode:
    """Repetition code [d, 1, d]: every worker sends the whole gradient and any one suffices.

    In the grouped scheme this is the fractional repetition of Tandon et al. (2017).

    Examples
    --------
    >>> repetition(3)
    <repetition [3, 1, 3]>
    """
    length = check_int("length", length, 1)
    return LinearCode(np.ones((1, length)), name="repetition", minimum_distance=length, family=repetition)


def harmonic(length: int, dimension: int) -> LinearCode:
    """Real harmonic frame: an MDS code [d, m, d − m + 1] with the best known conditions of any closed form.

    With θ_k = πk/d, k = 0..d−1, the rows are cos(fθ), sin(fθ) for f = 1, 3, …, m−1 if m is even, and the
    constant √½ with f = 2, 4, …, m−1 if m is odd, all times √(2/m). Columns have unit norm, G·Gᵀ = (d/m)·I, and
    every set of m columns is a unitary matrix times an invertible Vandermonde matrix of d-th roots of unity times
    unit phases, so the code is MDS for every d >= m. Its worst set of m survivors is m neighbouring columns.

    Parameters
    ----------
    length : int
        Block length d.
    dimension : int
        Dimension m, in 1..d.

    Examples
    --------
    >>> code = harmonic(5, 2)
    >>> code
    <harmonic [5, 2, 4]>
    >>> print(f"{code.worst_condition():.6f}")  # cot(π/10), the least possible for [5, 2]
    3.077684
    """
    length, dimension = _check_shape(length, dimension)
    theta = np.pi * np.arange(length) / length
    rows = [] if dimension % 2 == 0 else [np.full(length, np.sqrt(0.5))]
    for frequency in range(1 + dimension % 2, dimension, 2):
        rows += [np.cos(frequency * theta), np.sin(frequency * theta)]
    return LinearCode(
        np.sqrt(2 / dimension) * np.array(rows),
        name="harmonic",
        minimum_distance=length - dimension + 1,
        family=functools.partial(harmonic, dimension=dimension),
    )


def gaussian(length: int, dimension: int, *, seed: int = 0, draws: int = 1) -> LinearCode:
    """Random Gaussian code [d, m, d − m + 1], the construction of Kadhe, Koyluoglu and Ramchandran.

    The entries of G are independent standard normal, so every m columns are independent with probability one.

    Parameters
    ----------
    length : int
        Block length d.
    dimension : int
        Dimension m, in 1..d.
    seed : int
        Seed of the draw; the same on every machine.
    draws : int
        The draw with the smallest worst condition number out of this many is taken.

    Examples
    --------
    >>> gaussian(4, 2)
    <gaussian [4, 2, 3]>
    >>> gaussian(8, 4, draws=20).worst_condition() < gaussian(8, 4).worst_condition()
    True
    """
    length, dimension = _check_shape(length, dimension)
    seed = check_int("seed", seed, 0)
    draws = check_int("draws", draws, 1)

    def draw(index: int) -> LinearCode:
        rng = np.random.default_rng([seed, index])
        return LinearCode(
            rng.standard_normal((dimension, length)),
            name="gaussian",
            minimum_distance=length - dimension + 1,
            family=functools.partial(gaussian, dimension=dimension, seed=seed, draws=draws),
        )

    if draws == 1:
        return draw(0)
    return min(map(draw, range(draws)), key=LinearCode.worst_condition)


def _check_shape(length: int, dimension: int) -> tuple[int, int]:
    length = check_int("length", length, 1)
    dimension = check_int("dimension", dimension, 1)
    if dimension > length:
        raise CodeParameterError(f"dimension must be in 1..length, got {dimension} with length={length}")
    return length, dimension

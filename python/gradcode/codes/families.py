"""Constructions that exist for every length and dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from gradcode._validate import as_array, check_int
from gradcode.codes.frequencies import FREQUENCIES
from gradcode.codes.linear import LinearCode
from gradcode.codes.recipes import construction
from gradcode.errors import CodeParameterError

__all__ = [
    "chebyshev_vandermonde",
    "check_shape",
    "frequency",
    "from_generator",
    "gaussian",
    "haar",
    "harmonic",
    "vandermonde",
]


@construction
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


@construction
def harmonic(length: int, dimension: int, *, systematic: bool = False) -> LinearCode:
    """Real harmonic frame: an MDS code [d, m, d − m + 1] with the best known conditions of any closed form.

    With θ_k = πk/d, k = 0..d−1, the rows are cos(fθ), sin(fθ) for f = 1, 3, …, m−1 if m is even, and the
    constant √½ with f = 2, 4, …, m−1 if m is odd, all times √(2/m). Columns have unit norm, G·Gᵀ = (d/m)·I, and
    every set of m columns is a unitary matrix times an invertible Vandermonde matrix of d-th roots of unity times
    unit phases, so the code is MDS for every d >= m. Its worst set of m survivors is m neighbouring columns (found so
    for every d <= 20 by looking at all sets).

    Parameters
    ----------
    length : int
        Block length d.
    dimension : int
        Dimension m, in 1..d.
    systematic : bool
        Make columns 0, d/m, 2d/m, … those of the identity, so that these workers send plain slices of the gradient.
        Needs m to divide d: then these columns are orthogonal, and the condition of every set stays the same.

    Examples
    --------
    >>> code = harmonic(5, 2)
    >>> code
    <harmonic [5, 2, 4]>
    >>> print(f"{code.worst_condition():.6f}")  # cot(π/10), the least possible for [5, 2]
    3.077684
    >>> harmonic(4, 2, systematic=True).generator[:, 2]
    array([0., 1.])
    """
    length, dimension = check_shape(length, dimension)
    if not isinstance(systematic, bool):
        raise TypeError(f"systematic must be True or False, got {systematic!r}")
    generator = _frame(length, range(1 - dimension % 2, dimension, 2))
    if systematic:
        if length % dimension:
            raise CodeParameterError(
                f"dimension must divide length for a systematic harmonic code, got {dimension} with length={length}"
            )
        columns = np.arange(dimension) * (length // dimension)
        generator = generator[:, columns].T @ generator
        generator[:, columns] = np.eye(dimension)
    return LinearCode(
        generator,
        name="systematic harmonic" if systematic else "harmonic",
        minimum_distance=length - dimension + 1,
        worst_survivors=range(dimension),
    )


@construction
def frequency(length: int, frequencies: Sequence[int], full_length: int) -> LinearCode:
    """A harmonic frame whose frequencies need not be consecutive, cut to its first columns.

    With θ_k = πk/d', k = 0..d'−1, the rows are cos(fθ), sin(fθ) for every frequency f, and the constant √½ for f = 0,
    scaled to columns of unit norm; the first d of the d' columns are kept, which never makes the worst condition
    larger. For some d' the right frequencies, such as the quadratic residues modulo 13 or 17, are far better
    than consecutive ones.

    Parameters
    ----------
    length : int
        Block length d, at most d'.
    frequencies : sequence of int
        Distinct, in 0..d'−1; a frequency above 0 makes two rows.
    full_length : int
        d'.

    Examples
    --------
    >>> code = frequency(12, (2, 10), 13)
    >>> code, round(float(code.worst_condition()), 2)  # harmonic(12, 4) has 69.23
    (<frequency [12, 4, 9]>, 30.26)
    """
    full_length = check_int("full_length", full_length, 1)
    length = check_int("length", length, 1)
    if length > full_length:
        raise CodeParameterError(f"length must be in 1..full_length, got {length} with full_length={full_length}")
    if isinstance(frequencies, (str, bytes)) or not isinstance(frequencies, (Sequence, np.ndarray)):
        raise TypeError(f"frequencies must be a sequence of integers, got {type(frequencies).__name__}")
    checked = [check_int("frequencies", f, 0, full_length - 1) for f in frequencies]
    if not checked or len(set(checked)) != len(checked):
        raise CodeParameterError(f"frequencies must be distinct, and at least one, got {checked}")
    generator = _frame(full_length, checked)[:, :length]
    dimension = len(generator)
    if dimension > length:
        raise CodeParameterError(f"frequencies must make at most length={length} rows, got {dimension} from {checked}")
    searched = [(known.full_length, known.frequencies) for known in FREQUENCIES.get(dimension, ())]
    is_mds = (full_length, tuple(checked)) in searched  # the worst condition of all sets of m columns is finite
    return LinearCode(generator, name="frequency", minimum_distance=length - dimension + 1 if is_mds else None)


@construction
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
        Take the best of this many draws, by the worst condition number.

    Examples
    --------
    >>> gaussian(4, 2)
    <gaussian [4, 2, 3]>
    >>> gaussian(8, 4, draws=20).worst_condition() < gaussian(8, 4).worst_condition()
    True
    """
    length, dimension = check_shape(length, dimension)
    return _best_draw("gaussian", length, dimension, seed, draws, lambda rng: rng.standard_normal((dimension, length)))


@construction
def haar(length: int, dimension: int, *, seed: int = 0, draws: int = 1) -> LinearCode:
    """Random code [d, m, d − m + 1] with orthonormal rows: m rows of a uniformly random orthogonal matrix.

    Parameters
    ----------
    length : int
        Block length d.
    dimension : int
        Dimension m, in 1..d.
    seed : int
        Seed of the draw; the same on every machine.
    draws : int
        Take the best of this many draws, by the worst condition number.

    Examples
    --------
    >>> code = haar(6, 3)
    >>> code, bool(np.allclose(code.generator @ code.generator.T, np.eye(3)))
    (<haar [6, 3, 4]>, True)
    """
    length, dimension = check_shape(length, dimension)

    def draw(rng: np.random.Generator) -> npt.NDArray[np.float64]:
        q, r = np.linalg.qr(rng.standard_normal((length, dimension)))
        return np.ascontiguousarray((q * np.sign(np.diagonal(r))).T)

    return _best_draw("haar", length, dimension, seed, draws, draw)


@construction
def vandermonde(nodes: Sequence[float], dimension: int) -> LinearCode:
    """Vandermonde code [d, m, d − m + 1]: G[u, j] = nodes[j]^u. For comparison only: its conditions are bad.

    Parameters
    ----------
    nodes : sequence of float
        d distinct numbers.
    dimension : int
        Dimension m, in 1..d.

    Examples
    --------
    >>> vandermonde([1, 2, 3, 4], 2).generator
    array([[1., 1., 1., 1.],
           [1., 2., 3., 4.]])
    """
    points = as_array("nodes", nodes)
    if points.dtype.kind not in "fiu":
        raise TypeError(f"nodes must be real numbers, got dtype {points.dtype}")
    points = points.astype(np.float64)
    if not np.isfinite(points).all():
        raise CodeParameterError(f"nodes must be finite, got {points[~np.isfinite(points)][0]}")
    if points.ndim != 1 or len(np.unique(points)) != points.size:
        raise CodeParameterError(f"nodes must be distinct numbers, got {points.tolist()}")
    length, dimension = check_shape(points.size, dimension)
    with np.errstate(over="ignore"):
        powers = np.vander(points, dimension, increasing=True).T
    if not np.isfinite(powers).all():
        raise CodeParameterError(f"nodes must have finite powers up to {dimension - 1}, got {np.abs(points).max():g}")
    return LinearCode(
        powers,
        name="vandermonde",
        minimum_distance=length - dimension + 1,
    )


@construction
def chebyshev_vandermonde(length: int, dimension: int) -> LinearCode:
    """Chebyshev-Vandermonde code [d, m, d − m + 1] (Fahim and Cadambe, 2019). For comparison.

    G[u, j] = T_u(x_j), the Chebyshev polynomials (the constant one times √½) at the Chebyshev points
    x_j = cos((2j + 1)π / 2d).

    Parameters
    ----------
    length : int
        Block length d.
    dimension : int
        Dimension m, in 1..d.

    Examples
    --------
    >>> code = chebyshev_vandermonde(8, 4)
    >>> code, round(float(code.worst_condition()))
    (<chebyshev_vandermonde [8, 4, 5]>, 237)
    """
    length, dimension = check_shape(length, dimension)
    theta = np.pi * (2 * np.arange(length) + 1) / (2 * length)
    generator = np.cos(np.arange(dimension)[:, np.newaxis] * theta)
    generator[0] *= np.sqrt(0.5)
    return LinearCode(generator, name="chebyshev_vandermonde", minimum_distance=length - dimension + 1)


def _frame(length: int, frequencies: Sequence[int] | range) -> npt.NDArray[np.float64]:
    """Rows cos(fθ), sin(fθ), or √½ for f = 0, scaled to columns of unit norm; θ_k = πk / length."""
    theta = np.pi * np.arange(length) / length
    rows: list[npt.NDArray[np.float64]] = []
    for f in frequencies:
        rows += [np.full(length, np.sqrt(0.5))] if f == 0 else [np.cos(f * theta), np.sin(f * theta)]
    return np.asarray(np.array(rows) * np.sqrt(2 / len(rows)))


def _best_draw(
    name: str,
    length: int,
    dimension: int,
    seed: int,
    draws: int,
    draw: Callable[[np.random.Generator], npt.NDArray[np.float64]],
) -> LinearCode:
    seed = check_int("seed", seed, 0)
    draws = check_int("draws", draws, 1)
    codes = (
        LinearCode(draw(np.random.default_rng([seed, index])), name=name, minimum_distance=length - dimension + 1)
        for index in range(draws)
    )
    return next(codes) if draws == 1 else min(codes, key=LinearCode.worst_condition)


def check_shape(length: int, dimension: int) -> tuple[int, int]:
    """Return d and m as integers with 1 <= m <= d."""
    length = check_int("length", length, 1)
    dimension = check_int("dimension", dimension, 1)
    if dimension > length:
        raise CodeParameterError(f"dimension must be in 1..length, got {dimension} with length={length}")
    return length, dimension

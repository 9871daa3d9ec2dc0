"""The scheme of Ye and Abbe (2018): cyclic placement, d = s + m, and a stable variant of it."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.codes import harmonic
from gradcode.errors import CodeParameterError
from gradcode.schemes.base import GradientCode
from gradcode.schemes.precision import MAX_CONDITION, refuse_unstable
from gradcode.schemes.scale import warn_of_scale
from gradcode.schemes.spans import cyclic_holders, cyclic_table, system_of
from gradcode.schemes.subset import equal_shares

__all__ = ["Nodes", "YeAbbe"]

Nodes = Literal["published", "integer", "equispaced", "chebyshev", "gaussian", "harmonic"]
Floats = npt.NDArray[np.float64]

_DRAWS = 20  # Gaussian matrices, of which the best is taken


class YeAbbe(GradientCode):
    """Worker i holds subsets i, …, i + d − 1 (mod n), and sends one message an m-th as long as a gradient.

    The message of worker i is ``sum_c V[c, i] * z_c``, where the last m of the n − s unknown vectors z_c are the blocks
    of the sum. Any n − s workers determine them. The coefficients, which are Ye and Abbe's, are chosen so that worker i
    needs no other subsets. Decoding does not solve with V, whose powers would lose more digits.

    Parameters
    ----------
    n_workers : int
        Number of workers n.
    load : int
        Computation load d, which must be s + m.
    stragglers : int
        Any s workers may be missing.
    communication : int
        Messages are m times shorter than the gradient.
    nodes : {"published", "integer", "equispaced", "chebyshev", "gaussian", "harmonic"}
        The matrix V. The first four are nodes α of Vandermonde matrices, V[c, i] = α_i^c: 0 (if n is odd) and
        ±(1 + i/2), as Ye and Abbe published it; 1..n; equal steps in −1..1; Chebyshev points. Their errors grow
        exponentially with n. "gaussian" is Ye and Abbe's random variant. "harmonic" is the harmonic frame, with its
        columns assigned to the workers in a stride; it loses almost no digits, and needs m even.
    seed : int
        Seed of "gaussian", which takes the draw with the smallest coefficients out of 20.
    max_condition : float
        Schemes with a larger worst condition are refused. Infinity allows all, to show how they fail.

    Raises
    ------
    CodeParameterError
        If d is not s + m or above n, m is odd with "harmonic", or the worst condition is too large.

    Examples
    --------
    >>> from gradcode import YeAbbe
    >>> scheme = YeAbbe(8, load=4, stragglers=1, communication=3)
    >>> scheme
    YeAbbe(8, load=4, stragglers=1, communication=3, nodes='published')
    >>> scheme.is_decodable(range(7)), scheme.is_decodable(range(6))
    (True, False)
    """

    def __init__(
        self,
        n_workers: int,
        load: int,
        stragglers: int,
        communication: int,
        nodes: Nodes = "published",
        *,
        seed: int = 0,
        max_condition: float = MAX_CONDITION,
    ) -> None:
        n = check_int("n_workers", n_workers, 1)
        s = check_int("stragglers", stragglers, 0, n - 1, f"n_workers={n}")
        m = check_int("communication", communication, 1)
        d = check_int("load", load, 1)
        seed = check_int("seed", seed, 0)
        if not isinstance(max_condition, (int, float)) or not max_condition >= 1:
            raise ValueError(f"max_condition must be a number of at least 1, or infinity, got {max_condition!r}")
        if nodes not in get_args(Nodes):
            raise ValueError(f"nodes must be one of {', '.join(get_args(Nodes))}, got {nodes!r}")
        if seed and nodes != "gaussian":
            raise ValueError(f"seed needs nodes gaussian, got seed={seed} with {nodes}")
        if d != s + m:
            because = (
                "no scheme tolerates more at that load" if d < s + m else "that load tolerates more, or saves more"
            )
            raise CodeParameterError(f"load must be stragglers + communication = {s + m}, got {d}: {because}")
        if d > n:
            raise CodeParameterError(
                f"stragglers + communication must be at most n_workers, got {s} + {m} = {d} with n_workers={n}"
            )
        self.nodes = nodes
        self.seed = seed
        held = cyclic_holders(n, d)
        if nodes == "gaussian":
            tables = _gaussian(n, d, s, m, seed)
        elif nodes == "harmonic":
            if m % 2:
                raise CodeParameterError(
                    f"communication must be even with nodes harmonic, got {m}: with odd numbers the systems that give "
                    "the coefficients are singular or nearly so"
                )
            tables = _harmonic(n, d, s, m)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                tables = _products(_points(nodes, n), held, m)
                squares = np.square(tables).sum()
            if not np.isfinite(squares):
                raise CodeParameterError(f"n_workers must be smaller with nodes {nodes}, got {n}: numbers overflow")
        system = system_of(range(n), cyclic_table(held, tables), n - s)
        super().__init__(equal_shares(held.tolist()), list(tables), [system], s)
        refuse_unstable(self, max_condition)
        warn_of_scale(self)

    def __repr__(self) -> str:
        seed = f", seed={self.seed}" if self.seed else ""
        return (
            f"YeAbbe({self.n_workers}, load={self.load:g}, stragglers={self.stragglers}, "
            f"communication={self.communication}, nodes={self.nodes!r}{seed})"
        )


def _points(nodes: Nodes, n: int) -> Floats:
    """Return the nodes in increasing order."""
    if nodes == "published":
        positive = 1 + np.arange(n // 2) / 2
        return np.concatenate([-positive[::-1], [0.0] * (n % 2), positive])
    if nodes == "integer":
        return np.arange(1.0, n + 1)
    if nodes == "equispaced":
        return np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    return np.cos(np.pi * (2 * np.arange(n)[::-1] + 1) / (2 * n))


def _products(points: Floats, held: npt.NDArray[np.intp], m: int) -> Floats:
    """Coefficients q_{j,u}(α_w) of the subsets that each worker holds, shape (n, d, m), built as products.

    q_{j,u} = p_j·r_{j,u} with p_j(x) = Π(x − α_i) over the workers i that do not hold j, and r_{j,u} such that the top
    m coefficients of q_{j,u} are the u-th unit vector: with 1/p_j(x) = x^(d−n)·Σ_k h_k·x^(−k) these are
    r_{j,u}(x) = Σ_k h_k·x^(u−k).
    """
    n, d = held.shape
    tables = np.empty((n, d, m))
    for subset in range(n):
        holders = (subset - np.arange(d)) % n
        roots = np.delete(points, holders)
        series = np.zeros(m)  # h_0, …, h_{m−1}
        series[0] = 1
        for root in roots:
            for k in range(1, m):
                series[k] += root * series[k - 1]
        for position, worker in enumerate(holders):
            vanishing = np.prod(points[worker] - roots)
            factor = 0.0
            for u in range(m):
                factor = factor * points[worker] + series[u]
                tables[worker, position, u] = vanishing * factor
    return tables


def _gaussian(n: int, d: int, s: int, m: int, seed: int) -> Floats:
    """Return coefficients from Gaussian V, shape (n − s, n): the smallest of several draws."""
    drawn = (np.random.default_rng([seed, draw]).standard_normal((n - s, n)) for draw in range(_DRAWS))
    return min((_vanishing(basis, d, m) for basis in drawn), key=_largest)


def _harmonic(n: int, d: int, s: int, m: int) -> Floats:
    """Return coefficients from the harmonic frame as V, with its columns in the stride that keeps them smallest."""
    frame = harmonic(n, n - s).generator
    workers = np.arange(n)
    strides = [k for k in range(1, n // 2 + 1) if math.gcd(k, n) == 1] or [1]
    null, inverse = _complement(frame, m)
    # By symmetry the coefficients of every subset are equally large: one per stride decides.
    first = (-np.arange(d)) % n

    def size(stride: int) -> float:
        columns = (stride * first) % n
        return _largest(_vanishing_at(null[columns], inverse[columns]))

    stride = min(strides, key=size)
    return _vanishing(frame[:, (stride * workers) % n], d, m)


def _vanishing(basis: Floats, d: int, m: int) -> Floats:
    """Coefficients of the subsets that each worker holds, shape (n, d, m), from V of shape (n − s, n).

    For every subset j, B_j is the m × (n − s) matrix that ends with the identity and for which B_j·V vanishes at the
    workers that do not hold j; the coefficients of worker w are B_j·V[:, w].
    """
    n = basis.shape[1]
    null, inverse = _complement(basis, m)
    tables = np.empty((n, d, m))
    for subset in range(n):
        holders = (subset - np.arange(d)) % n
        tables[holders, np.arange(d)] = _vanishing_at(null[holders], inverse[holders]).T
    return tables


def _complement(basis: Floats, m: int) -> tuple[Floats, Floats]:
    """Return an orthonormal null space of V, shape (n, s), and the last m columns of its pseudoinverse."""
    rows = len(basis)
    u, sigma, vt = np.linalg.svd(basis)
    return vt[rows:].T, (vt[:rows].T / sigma) @ u[rows - m :].T


def _vanishing_at(null: Floats, inverse: Floats) -> Floats:
    """Coefficients at the holders of one subset, shape (m, d).

    Vectors with entries at the holders alone are combinations of the rows of V if they are orthogonal to its null
    space. They have m dimensions; those whose combinations end with the identity are taken.
    """
    m = inverse.shape[1]
    choices = np.linalg.svd(null.T)[2][null.shape[1] :] if null.shape[1] else np.eye(m)
    ends = choices @ inverse
    with np.errstate(all="ignore"):
        try:
            return np.linalg.solve(ends, choices)
        except np.linalg.LinAlgError:
            return np.full(choices.shape, np.inf)


def _largest(values: Floats) -> float:
    return float(np.abs(values).max())

"""Cyclic repetition (Tandon, Lei, Dimakis and Karampatziakis, 2017): any s stragglers, at a load of s + 1."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from gradcode._validate import check_int
from gradcode.errors import CodeParameterError
from gradcode.schemes.base import GradientCode
from gradcode.schemes.precision import refuse_unstable
from gradcode.schemes.scale import warn_of_scale
from gradcode.schemes.spans import cyclic_holders, cyclic_table, system_of
from gradcode.schemes.subset import equal_shares

__all__ = ["CyclicRepetition"]

Construction = Literal["random", "harmonic"]

_DRAWS = 20


class CyclicRepetition(GradientCode):
    """Worker i holds subsets i, …, i + s (mod n), and sends a combination of their gradients as long as a gradient.

    The combination is row i of an n × n matrix B with B[i, i] = 1 and −H[:, i+1..i+s]⁻¹ H[:, i] in the next s columns.
    H is an s × n matrix with rows that sum to zero and any s columns independent. For the survivors S the master finds
    a with aᵀ·B_S = 1ᵀ.

    Parameters
    ----------
    n_workers : int
        Number of workers n.
    stragglers : int
        Any s workers may be missing, in 0..n-1. The load is s + 1.
    construction : {"random", "harmonic"}
        "random" is the published one: H is Gaussian, and the draw with the smallest coefficients out of 20 is taken.
        "harmonic" makes H of cosines and sines at s neighbouring frequencies around n/2. It exists if n − s is odd, and
        loses fewer digits if s is much smaller than n.
    seed : int
        Seed of the draws.

    Raises
    ------
    CodeParameterError
        If `construction` is "harmonic" and n − s is even.

    Examples
    --------
    >>> from gradcode import CyclicRepetition
    >>> scheme = CyclicRepetition(5, stragglers=2)
    >>> scheme, scheme.load, scheme.is_decodable([0, 2, 3]), scheme.is_decodable([0, 2])
    (CyclicRepetition(5, stragglers=2), 3.0, True, False)
    """

    def __init__(
        self, n_workers: int, stragglers: int, construction: Construction = "random", *, seed: int = 0
    ) -> None:
        n = check_int("n_workers", n_workers, 1)
        s = check_int("stragglers", stragglers, 0, n - 1, f"n_workers={n}")
        seed = check_int("seed", seed, 0)
        if construction not in get_args(Construction):
            raise ValueError(f"construction must be one of {', '.join(get_args(Construction))}, got {construction!r}")
        if construction == "harmonic":
            if seed:
                raise ValueError(f"seed needs construction random, got seed={seed} with harmonic")
            if (n - s) % 2 == 0:
                raise CodeParameterError(
                    f"n_workers - stragglers must be odd for construction harmonic, got {n} - {s} = {n - s}: the "
                    "frequencies around n/2 come in pairs, which do not add up to s rows"
                )
            table = _table(_harmonic_checks(n, s))
        else:
            drawn = (_table(_random_checks(n, s, np.random.default_rng([seed, i]))) for i in range(_DRAWS))
            table = min(drawn, key=lambda values: float(np.abs(values).max()))
        self.construction = construction
        self.seed = seed
        held = cyclic_holders(n, s + 1)
        tables = table[:, :, np.newaxis]
        # The rows of B lie in the null space of H, of dimension n − s.
        system = system_of(range(n), cyclic_table(held, tables), n - s)
        super().__init__(equal_shares(held.tolist()), list(tables), [system], s)
        refuse_unstable(self)
        warn_of_scale(self)

    def __repr__(self) -> str:
        how = "" if self.construction == "random" else f", {self.construction!r}"
        how += f", seed={self.seed}" if self.seed else ""
        return f"CyclicRepetition({self.n_workers}, stragglers={self.stragglers}{how})"


def _table(checks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the coefficients of the subsets that each worker holds, shape (n, s + 1)."""
    s, n = checks.shape
    if s == 0:
        return np.ones((n, 1))
    held = cyclic_holders(n, s + 1)
    columns = np.moveaxis(checks[:, held], 1, 0)  # (n, s, s + 1)
    rest = -np.linalg.solve(columns[:, :, 1:], columns[:, :, :1])[:, :, 0]
    return np.hstack([np.ones((n, 1)), rest])


def _random_checks(n: int, s: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    checks = rng.standard_normal((s, n))
    if s:
        checks[:, -1] = -checks[:, :-1].sum(axis=1)
    return checks


def _harmonic_checks(n: int, s: int) -> npt.NDArray[np.float64]:
    """Return cosines and sines at s neighbouring frequencies around n/2; a pair of them counts as two."""
    angle = 2 * np.pi * np.arange(n) / n
    rows = [np.cos(n // 2 * angle)] if n % 2 == 0 else []
    for step in range(1, s // 2 + 1):
        frequency = n / 2 - step if n % 2 == 0 else n / 2 + 0.5 - step
        rows += [np.cos(frequency * angle), np.sin(frequency * angle)]
    return np.array(rows).reshape(s, n)

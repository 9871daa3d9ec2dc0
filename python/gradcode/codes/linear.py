"""Linear codes over the real numbers, given by a generator matrix."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gradcode._validate import as_generator_matrix, check_int, check_workers
from gradcode.errors import CodeParameterError
from gradcode.kernels import solve

__all__ = ["LinearCode"]

# Exact answers enumerate subsets of columns; beyond this many the answer would take minutes.
SUBSET_LIMIT = 1_000_000
_BATCH = 4096


class LinearCode:
    """A linear code [d, m, δ] over the real numbers.

    Worker j of a group of d sends ``sum_u G[u, j] * block_u``, an m-th of the gradient's length; any set of
    workers whose columns have rank m gives all blocks back (Kadhe, Koyluoglu and Ramchandran,
    arXiv 2005.07184: length = computation load, dimension = communication reduction, minimum distance − 1 =
    stragglers tolerated).

    Parameters
    ----------
    generator : array_like of float, shape (m, d)
        The generator matrix G. Finite, of rank m, with m <= d. It is copied.
    name : str, optional
        What `repr` calls the code.
    minimum_distance : int, optional
        Where the construction proves it. Otherwise it is found exactly from the generator.
    family : callable, optional
        ``family(length)`` gives the code of the same construction and dimension at another length.

    Raises
    ------
    CodeParameterError
        If the generator has more rows than columns or its rank is below m.

    Examples
    --------
    >>> code = LinearCode([[1, 1, 1]])
    >>> code
    <LinearCode [3, 1, 3]>
    >>> code.condition([2])
    1.0
    """

    def __init__(
        self,
        generator: npt.ArrayLike,
        *,
        name: str = "LinearCode",
        minimum_distance: int | None = None,
        family: Callable[[int], LinearCode] | None = None,
    ) -> None:
        matrix = as_generator_matrix("generator", generator)
        dimension, length = matrix.shape
        if dimension > length:
            raise CodeParameterError(
                f"generator must have at most as many rows (m) as columns (d), got shape {matrix.shape}"
            )
        _, rank, _ = solve([matrix], [range(length)])
        if rank[0] != dimension:
            raise CodeParameterError(f"generator must have rank m={dimension}, got rank {rank[0]}")
        matrix.setflags(write=False)
        self._generator = matrix
        self._name = name
        self._family = family
        if minimum_distance is not None:
            self.minimum_distance = check_int("minimum_distance", minimum_distance, 1, length - dimension + 1)

    @property
    def length(self) -> int:
        """Block length d: how many workers share one gradient."""
        return int(self._generator.shape[1])

    @property
    def dimension(self) -> int:
        """Dimension m: a message is an m-th of the gradient."""
        return int(self._generator.shape[0])

    @property
    def generator(self) -> npt.NDArray[np.float64]:
        """The generator matrix G, float64, shape (m, d), read-only."""
        return self._generator

    @cached_property
    def minimum_distance(self) -> int:
        """Minimum distance δ: any δ − 1 missing columns leave rank m.

        Exact. Where the construction does not prove it, every hyperplane spanned by m − 1 columns is examined:
        the fullest one holds d − δ columns.
        """
        length, dimension = self.length, self.dimension
        if dimension == 1:
            # The only hyperplane is {0}: a worker that sends nothing helps nobody.
            return length - int(np.count_nonzero(self._generator == 0))
        self._check_countable(math.comb(length, dimension - 1), "minimum_distance")
        fullest = 0
        tolerance = length * np.finfo(np.float64).eps * np.linalg.norm(self._generator, axis=0).max()
        for batch in _batches(itertools.combinations(range(length), dimension - 1)):
            columns = np.moveaxis(self._generator[:, batch], 1, 0)  # (batch, m, m-1)
            u, sigma, _ = np.linalg.svd(columns)
            spans = sigma[:, -1] > tolerance
            normals = u[spans, :, -1]
            on_plane = np.abs(normals @ self._generator) <= dimension * tolerance
            if on_plane.size:
                fullest = max(fullest, int(on_plane.sum(axis=1).max()))
        return length - fullest

    def condition(self, survivors: Iterable[int]) -> float:
        """Condition number (2-norm) of the columns of `survivors`; infinite if their rank is below m.

        Parameters
        ----------
        survivors : iterable of int
            Distinct columns in 0..d-1.
        """
        columns = check_workers("survivors", survivors, self.length)
        _, _, condition = solve([self._generator], [columns])
        return float(condition[0])

    def worst_condition(self) -> float:
        """Largest condition number over all sets of d − δ + 1 survivors, the fewest that always decode.

        Exact, by enumeration.

        Raises
        ------
        CodeParameterError
            If there are more than a million such sets.
        """
        survivors = self.length - self.minimum_distance + 1
        self._check_countable(math.comb(self.length, survivors), "worst_condition")
        worst = 1.0
        for batch in _batches(itertools.combinations(range(self.length), survivors)):
            sigma = np.linalg.svd(np.moveaxis(self._generator[:, batch], 1, 0), compute_uv=False)
            with np.errstate(divide="ignore"):
                worst = max(worst, float((sigma[:, 0] / sigma[:, -1]).max()))
        return worst

    def lengthened(self, length: int) -> LinearCode:
        """A code of the same dimension at a greater length, with no smaller minimum distance.

        A construction that exists at every length is built anew; any other code repeats its columns: of δ − 1
        missing workers at most δ − 1 different columns are lost.
        """
        length = check_int("length", length, self.length)
        if length == self.length:
            return self
        if self._family is not None:
            return self._family(length)
        columns = np.arange(length) % self.length
        return LinearCode(self._generator[:, columns], name=f"{self._name} lengthened")

    def _check_countable(self, count: int, what: str) -> None:
        if count > SUBSET_LIMIT:
            raise CodeParameterError(
                f"{what} is found exactly, and {self._name} [{self.length}, {self.dimension}] has {count} sets of "
                f"columns to examine; the limit is {SUBSET_LIMIT}"
            )

    def __repr__(self) -> str:
        try:
            distance = str(self.minimum_distance)
        except CodeParameterError:
            distance = "?"
        return f"<{self._name} [{self.length}, {self.dimension}, {distance}]>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LinearCode):
            return NotImplemented
        return np.array_equal(self._generator, other._generator)

    def __hash__(self) -> int:
        return hash(self._generator.tobytes())


def _batches(subsets: Iterator[tuple[int, ...]]) -> Iterator[npt.NDArray[np.intp]]:
    """Index arrays (at most _BATCH, subset size), so that NumPy's stacked SVD does the looping."""
    while chunk := list(itertools.islice(subsets, _BATCH)):
        yield np.array(chunk, dtype=np.intp)

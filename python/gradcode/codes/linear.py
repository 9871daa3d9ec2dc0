"""Linear codes over the real numbers, given by a generator matrix."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode._validate import as_generator_matrix, check_int, check_workers
from gradcode.codes.conditioning import Condition, Conditions, conditions_of, search_sets, sets_per_second
from gradcode.codes.distance import Distance, minimum_distance
from gradcode.codes.recipes import Recipe
from gradcode.errors import CodeParameterError
from gradcode.kernels import solve

__all__ = ["LinearCode"]


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
        The name in `repr`.
    minimum_distance : int, optional
        Given if the construction proves it; otherwise it is found from the generator.
    worst_survivors : sequence of int, optional
        A set of m columns with the largest condition number, if the construction knows one.

    Attributes
    ----------
    recipe : Recipe or None
        How the code can be made again, if it was made by one of the constructions.

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
        worst_survivors: Sequence[int] | None = None,
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
        self.recipe: Recipe | None = None
        self._worst_survivors = worst_survivors
        self._distance_at_least = 1  # a bound that is known without a search
        if minimum_distance is not None:
            check_int("minimum_distance", minimum_distance, 1, length - dimension + 1)
            self._distance = Distance(minimum_distance, True)

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

    @property
    def name(self) -> str:
        """The name in `repr`."""
        return self._name

    @cached_property
    def _distance(self) -> Distance:
        return minimum_distance(self._generator, self._distance_at_least)

    @property
    def minimum_distance(self) -> int:
        """Minimum distance δ: any δ − 1 missing columns leave rank m.

        Proven by the construction, or found from the generator. If finding it would take too long, this is a proven
        lower bound: see `minimum_distance_is_exact`.
        """
        return self._distance.value

    @property
    def minimum_distance_is_exact(self) -> bool:
        """Whether `minimum_distance` is δ itself; otherwise δ may be larger."""
        return self._distance.exact

    @property
    def is_mds(self) -> bool:
        """Whether any m columns have rank m, that is, δ = d − m + 1: the most stragglers for this load."""
        return self.minimum_distance == self.length - self.dimension + 1

    def condition(self, survivors: Iterable[int]) -> float:
        """Condition number (2-norm) of the columns of `survivors`; infinite if their rank is below m.

        Parameters
        ----------
        survivors : iterable of int
            Distinct columns in 0..d-1.
        """
        columns = check_workers("survivors", survivors, self.length, "length")
        _, _, condition = solve([self._generator], [columns])
        return float(condition[0])

    def conditions(self, survivors: int | None = None, *, limit: int | None = None) -> Conditions:
        """Condition numbers of all sets of `survivors` columns, or of a sample that includes sets of neighbours.

        Parameters
        ----------
        survivors : int, optional
            How many columns are left, in 0..d. Default: d − δ + 1, the fewest that always decode.
        limit : int, optional
            How many sets to look at. Default: as many as take about a second.

        Examples
        --------
        >>> from gradcode.codes import harmonic
        >>> found = harmonic(8, 4).conditions(5)
        >>> len(found.values), found.exhaustive, f"{found.worst:.2f}", f"{found.typical:.2f}"
        (56, True, '5.13', '2.61')
        """
        survivors = self._check_survivors(survivors)
        if limit is None:
            limit = sets_per_second(self.dimension, survivors)
        return search_sets(self.length, survivors, conditions_of(self._generator), check_int("limit", limit, 1))

    def worst_condition(self, survivors: int | None = None, *, limit: int | None = None) -> Condition:
        """Largest condition number over all sets of `survivors` columns.

        Parameters
        ----------
        survivors : int, optional
            How many columns are left, in 0..d. Default: d − δ + 1, the fewest that always decode.
        limit : int, optional
            How many sets to look at. Default: as many as take about a second.

        Returns
        -------
        Condition
            A float that says how it is known: exact; by the closed form, if the construction has one and there are more
            than `limit` sets; or a lower bound, from the worst set that a search found. Infinite if some set cannot be
            decoded.

        Examples
        --------
        >>> from gradcode.codes import gaussian, harmonic
        >>> harmonic(9, 8).worst_condition().kind, harmonic(40, 8).worst_condition().kind
        ('exact', 'closed form')
        >>> gaussian(40, 8).worst_condition().kind
        'lower bound'
        """
        survivors = self._check_survivors(survivors)
        limit = None if limit is None else check_int("limit", limit, 1)
        key = (survivors, limit)
        if key not in self._worst:
            self._worst[key] = self._find_worst(survivors, limit)
        return self._worst[key]

    @cached_property
    def _worst(self) -> dict[tuple[int, int | None], Condition]:
        return {}

    def _find_worst(self, survivors: int, limit: int | None) -> Condition:
        if survivors < self.dimension or (
            self.minimum_distance_is_exact and survivors <= self.length - self.minimum_distance
        ):
            return Condition(np.inf)
        countable = math.comb(self.length, survivors) <= (limit or sets_per_second(self.dimension, survivors))
        if self._worst_survivors is not None and survivors == self.dimension and not countable:
            return Condition(self.condition(self._worst_survivors), "closed form")
        found = self.conditions(survivors, limit=limit)
        return Condition(found.worst, "exact" if found.exhaustive else "lower bound")

    def lengthened(self, length: int) -> LinearCode:
        """Return a longer code of the same dimension, with at least the same minimum distance.

        A construction that exists at that length is used again. Any other code repeats its columns: if δ − 1 workers
        are missing, at most δ − 1 different columns are lost.
        """
        length = check_int("length", length, self.length)
        if length == self.length:
            return self
        if self.recipe is not None and "length" in self.recipe.arguments:
            try:
                longer: LinearCode = self.recipe.make(length=length)
            except CodeParameterError:
                pass  # this construction has no code of that length
            else:
                if longer.dimension == self.dimension and longer.minimum_distance >= self.minimum_distance:
                    return longer
        columns = np.arange(length) % self.length
        longer = LinearCode(self._generator[:, columns], name=f"{self._name} lengthened")
        longer._distance_at_least = self.minimum_distance
        return longer

    def to_config(self) -> dict[str, Any]:
        """Return a description, as values for JSON, from which `from_config` makes the code again in another process.

        For a random code it holds the seed, which gives the same code if NumPy's generator is the same.

        Examples
        --------
        >>> from gradcode.codes import harmonic
        >>> harmonic(4, 2).to_config()
        {'version': 1, 'code': 'harmonic', 'length': 4, 'dimension': 2, 'systematic': False}
        """
        recipe = self.recipe or Recipe("from_generator", {"array": self._generator.tolist()})
        return recipe.to_config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LinearCode:
        """Return the code that `to_config` described.

        Raises
        ------
        CodeParameterError
            If the version or the construction is not known, or its arguments do not fit.
        TypeError
            If an argument is of the wrong type.

        Examples
        --------
        >>> LinearCode.from_config({"version": 1, "code": "repetition", "length": 3})
        <repetition [3, 1, 3]>
        """
        recipe = Recipe.from_config(config)
        factors = {key: cls.from_config(value) for key, value in recipe.arguments.items() if isinstance(value, Mapping)}
        code: LinearCode = recipe.make(**factors)
        return code

    def _check_survivors(self, survivors: int | None) -> int:
        if survivors is None:
            return self.length - self.minimum_distance + 1
        return check_int("survivors", survivors, 0, self.length, f"length={self.length}")

    def __repr__(self) -> str:
        more = "" if self.minimum_distance_is_exact else "≥"
        return f"<{self._name} [{self.length}, {self.dimension}, {more}{self.minimum_distance}]>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LinearCode):
            return NotImplemented
        return np.array_equal(self._generator, other._generator)

    def __hash__(self) -> int:
        return hash((self._generator + 0.0).tobytes())  # as -0.0 equals 0.0

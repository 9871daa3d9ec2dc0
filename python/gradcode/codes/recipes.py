"""Recipes, from which codes are made again: the name of a construction, and its arguments."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

import numpy as np

from gradcode.errors import CodeParameterError

__all__ = ["CONSTRUCTIONS", "Recipe", "construction"]

_VERSION = 1  # of the configurations that `Recipe.to_config` writes

CONSTRUCTIONS: dict[str, Callable[..., Any]] = {}
"""The functions that make codes, by name."""


class Recipe(NamedTuple):
    """A construction and its arguments, which can be written as JSON.

    Attributes
    ----------
    name : str
        One of `CONSTRUCTIONS`.
    arguments : dict
        By name. A code among them is given by its configuration.
    """

    name: str
    arguments: dict[str, Any]

    def make(self, **changes: Any) -> Any:
        """Make the code again, with some of the arguments changed."""
        return CONSTRUCTIONS[self.name](**{**self.arguments, **changes})

    def to_config(self) -> dict[str, Any]:
        """Return the configuration that `from_config` reads."""
        return {"version": _VERSION, "code": self.name, **copy.deepcopy(self.arguments)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recipe:
        """Return the recipe that `to_config` wrote.

        Raises
        ------
        CodeParameterError
            If the version or the construction is not known, or its arguments do not fit.
        TypeError
            If `config` is no mapping.
        """
        if not isinstance(config, Mapping):
            raise TypeError(f"config must be a mapping, got {type(config).__name__}")
        arguments = dict(config)
        version, name = arguments.pop("version", None), arguments.pop("code", None)
        if version != _VERSION:
            raise CodeParameterError(f"config must have version {_VERSION}, got {version!r}")
        if not isinstance(name, str) or name not in CONSTRUCTIONS:
            raise CodeParameterError(f"config's code must be one of {', '.join(CONSTRUCTIONS)}, got {name!r}")
        try:
            inspect.signature(CONSTRUCTIONS[name]).bind(**arguments)
        except TypeError as error:
            raise CodeParameterError(f"config does not fit the code {name}: {error}") from None
        return cls(name, arguments)


class _Made(Protocol):
    recipe: Recipe | None


P = ParamSpec("P")
T = TypeVar("T", bound=_Made)


def construction(make: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that makes codes: each code keeps the recipe from which it can be made again."""
    signature = inspect.signature(make)

    @functools.wraps(make)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
        code = make(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        code.recipe = Recipe(make.__name__, {name: _plain(value) for name, value in bound.arguments.items()})
        return code

    CONSTRUCTIONS[make.__name__] = remembered
    return remembered


def _plain(value: Any) -> Any:
    """Return an argument of a construction as JSON knows it."""
    if hasattr(value, "to_config"):
        return value.to_config()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value

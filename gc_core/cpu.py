"""The level of the kernels: which instruction set they use, for the whole process."""

import os

from gc_core.kernels import available_levels, force_level, level

__all__ = ["available_levels", "force_level", "level"]

_VARIABLE = "GRADCODE_LEVEL"


def _force_level_of_environment() -> None:
    """Force the level that ``GRADCODE_LEVEL`` names, if it is set and not empty."""
    name = os.environ.get(_VARIABLE, "")
    if not name:
        return
    try:
        force_level(name)
    except ValueError as error:
        raise ImportError(
            f"the environment variable {_VARIABLE} must be one of {', '.join(available_levels())}, got {name!r}"
        ) from error

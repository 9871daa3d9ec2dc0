"""The instruction set and the number of threads of the kernels, for the whole process."""

import os

from gc_core.kernels import (
    available_levels,
    force_level,
    level,
    levels,
    num_threads,
    set_num_threads,
    threads_available,
    threads_for,
)

__all__ = [
    "available_levels",
    "force_level",
    "level",
    "levels",
    "num_threads",
    "set_num_threads",
    "threads_available",
    "threads_for",
]

_LEVEL = "GRADCODE_LEVEL"
_THREADS = "GRADCODE_NUM_THREADS"


def _obey_environment() -> None:
    """Set level and number of threads from the environment; an unset or empty variable changes nothing."""
    if name := os.environ.get(_LEVEL, ""):
        try:
            force_level(name)
        except ValueError as error:
            raise ImportError(
                f"the environment variable {_LEVEL} must be one of {', '.join(available_levels())}, got {name!r}"
            ) from error
    if count := os.environ.get(_THREADS, ""):
        try:
            set_num_threads(int(count))
        except ValueError as error:
            raise ImportError(
                f"the environment variable {_THREADS} must be an integer of at least 1, got {count!r}"
            ) from error


_obey_environment()

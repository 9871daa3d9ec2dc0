"""The reports of an output directory: of one run, or of a comparison and all of its runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from gradcode._files import replacing
from gradcode.errors import DataError
from gradcode.reports.page import write_comparison, write_report, write_report_of
from gradcode.reports.records import read_run

__all__ = ["COMPARISON", "list_runs", "write_reports"]

Value = TypeVar("Value")

COMPARISON = "comparison.json"
"""The file that lists the runs of a comparison."""

_RESULT = "result.json"


def list_runs(directory: Path, names: Sequence[str]) -> None:
    """Write the file that makes `directory` the directory of a comparison.

    Parameters
    ----------
    directory : Path
        The output directory of the comparison.
    names : sequence of str
        Names of the runs, in order. Each has a directory of its name in `directory`.
    """
    with replacing(directory / COMPARISON) as file:
        file.write(json.dumps({"runs": list(names)}).encode())


def write_reports(directory: Path) -> Path:
    """Write the report of a run, or those of a comparison and of all of its runs.

    Parameters
    ----------
    directory : Path
        The output directory of ``gradcode train``.

    Returns
    -------
    Path
        The page to open.

    Raises
    ------
    DataError
        If there is no run in the directory, or a file of it cannot be read.
    MissingExtra
        If matplotlib or jinja2 is not installed.
    """
    if (directory / _RESULT).is_file():
        return _checked(directory, partial(write_report, directory))
    names = [name for name in _listed_runs(directory) if (directory / name / _RESULT).is_file()]
    if not names:
        raise DataError(f"{directory}: none of its runs has a {_RESULT}")
    # Read each run only once: the rounds of a long run take a while.
    runs = {name: _checked(directory / name, partial(read_run, directory / name)) for name in names}
    for run in runs.values():
        _checked(run.directory, partial(write_report_of, run))
    return _checked(directory, partial(write_comparison, directory, runs))


def _checked(directory: Path, step: Callable[[], Value]) -> Value:
    """Return what `step` returns. If it trips over a result of the wrong form, say that the data are wrong."""
    try:
        return step()
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{directory}: {_RESULT} must be as gradcode train wrote it: {error}") from error


def _listed_runs(directory: Path) -> list[str]:
    """Return the names of the runs of a comparison, in order."""
    path = directory / COMPARISON
    try:
        names = json.loads(path.read_bytes())["runs"]
    except FileNotFoundError:
        raise DataError(
            f"{directory}: must contain {_RESULT} or {COMPARISON}, which gradcode train writes with --output"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    # A name must not lead out of the directory.
    if not (isinstance(names, list) and all(isinstance(name, str) and Path(name).name == name for name in names)):
        raise DataError(f"{path}: its runs must be names of directories beside it, got {names!r}")
    return names

"""What one command is to do: a run, or several to be compared, all on the same data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from gradcode._files import replacing
from gradcode.datasets.preparation import prepare
from gradcode.datasets.prepared import open_prepared
from gradcode.errors import DataError, GradCodeError
from gradcode.reports.terminal import Reporter
from gradcode.train.config import TrainConfig
from gradcode.train.descent import starting_point
from gradcode.train.output import check_output

__all__ = ["Job", "draw", "present"]

Value = TypeVar("Value")

_COMPARISON = "comparison.json"
_RESULT = "result.json"


@dataclass(frozen=True)
class Job:
    """Runs in the order in which they are made.

    Attributes
    ----------
    runs : mapping of str to TrainConfig
        By name; they differ in the scheme only.
    output : str or None
        The directory of the one run, or the one that holds those of all.
    cache : str or None
        Where prepared data are kept; None keeps none.
    """

    runs: Mapping[str, TrainConfig]
    output: str | None = None
    cache: str | None = None

    @property
    def first(self) -> TrainConfig:
        """One of the runs, for what is the same in all."""
        return next(iter(self.runs.values()))

    def prepare(self, scratch: Path, say: Callable[[str], None]) -> Path:
        """Lay out the data for the ranks, in `scratch` where they are not kept, and refuse what does not fit them."""
        folder = prepare(
            self.first.source,
            scratch,
            shares=max(config.gradient_code.n_subsets for config in self.runs.values()),
            chunks=self.first.chunks,
            use_cache=self.cache is not None,
            cache=None if self.cache is None else Path(self.cache),
            say=say,
        )
        prepared = open_prepared(folder)
        self.first.batch_rows(prepared.n_train)
        starting_point(self.first, prepared)
        return folder

    @contextmanager
    def directory(self) -> Iterator[None]:
        """Have an output directory, if there shall be one; it is not left behind without a run in it.

        Raises
        ------
        ValueError
            If it cannot be made, or holds something that would be lost.
        """
        check_output(self.output)
        if self.output is None:
            yield
            return
        path = Path(self.output)
        try:
            if self.compares:  # now, so that what a comparison has come to can be drawn however it ends
                with replacing(path / _COMPARISON) as file:
                    file.write(json.dumps({"runs": list(self.runs)}).encode())
            yield
        finally:
            if path.is_dir() and {entry.name for entry in path.iterdir()} <= {_COMPARISON}:
                (path / _COMPARISON).unlink(missing_ok=True)
                path.rmdir()

    @property
    def compares(self) -> bool:
        """Whether there is something to compare."""
        return len(self.runs) > 1


def present(job: Job, results: Mapping[str, dict[str, Any]], reporter: Reporter) -> None:
    """Draw what is to be looked at when all runs have ended: reports, and the comparison.

    Parameters
    ----------
    job : Job
        What was run.
    results : mapping of str to dict
        What the runs ended with; those that did not get that far are missing.
    reporter : Reporter
        Shows the table, and says where the report is.
    """
    if job.compares and results:
        reporter.compare(results)
    if job.output is None or not results:
        return
    try:
        path = draw(Path(job.output))
    except (GradCodeError, OSError, ValueError) as error:
        reporter.note(f"no report was drawn: {error}")
    except KeyboardInterrupt:
        reporter.note(f"no report was drawn; 'gradcode report {job.output}' draws it")
    else:
        reporter.handle({"event": "report", "path": str(path)})


def draw(directory: Path) -> Path:
    """Draw the report of a run's directory, or of a comparison's and of all runs in it.

    Returns
    -------
    Path
        The page to open.

    Raises
    ------
    DataError
        If there is no run, or what there is cannot be read.
    MissingExtra
        If matplotlib or jinja2 is not installed.
    """
    from gradcode.reports.page import write_comparison, write_report, write_report_of
    from gradcode.reports.records import read_run

    if (directory / _RESULT).is_file():
        return _made_of(directory, partial(write_report, directory))
    names = [name for name in _order(directory) if (directory / name / _RESULT).is_file()]
    if not names:
        raise DataError(f"{directory}: none of its runs has come to a {_RESULT}")
    # Read once: the rounds of a long run take a while.
    runs = {name: _made_of(directory / name, partial(read_run, directory / name)) for name in names}
    for run in runs.values():
        _made_of(run.directory, partial(write_report_of, run))
    return _made_of(directory, partial(write_comparison, directory, runs))


def _made_of(directory: Path, step: Callable[[], Value]) -> Value:
    """What `step` makes of a result; one that is not what a run writes is a fault of the data."""
    try:
        return step()
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{directory}: {_RESULT} must be as gradcode train has written it: {error}") from error


def _order(directory: Path) -> list[str]:
    """The runs of a comparison, the first being what the others are measured against."""
    path = directory / _COMPARISON
    try:
        names = json.loads(path.read_bytes())["runs"]
    except FileNotFoundError:
        raise DataError(
            f"{directory}: must have {_RESULT} or {_COMPARISON} in it, which gradcode train writes with --output"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    # A name must stay in the directory.
    if not (isinstance(names, list) and all(isinstance(name, str) and Path(name).name == name for name in names)):
        raise DataError(f"{path}: its runs must be names of directories beside it, got {names!r}")
    return names

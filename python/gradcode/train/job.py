"""The job of one command: a run, or several runs to compare, all on the same data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from gradcode.datasets.preparation import prepare
from gradcode.datasets.prepared import open_prepared
from gradcode.errors import GradCodeError
from gradcode.reports.directory import COMPARISON, list_runs, write_reports
from gradcode.reports.live import Reporter
from gradcode.train.config import TrainConfig
from gradcode.train.descent import starting_point
from gradcode.train.output import check_output

__all__ = ["Attempt", "Job", "present", "run_all"]


@dataclass(frozen=True)
class Job:
    """The runs of one command.

    Attributes
    ----------
    runs : mapping of str to TrainConfig
        The runs by name, in order. They differ only in the scheme.
    output : str or None
        The output directory of the only run, or the directory of a comparison.
    cache : str or None
        The cache of prepared data; None for no cache.
    """

    runs: Mapping[str, TrainConfig]
    output: str | None = None
    cache: str | None = None

    @property
    def first(self) -> TrainConfig:
        """The first run; its configuration of the data holds for all."""
        return next(iter(self.runs.values()))

    @property
    def compares(self) -> bool:
        """Whether there are several runs."""
        return len(self.runs) > 1

    def prepare(self, scratch: Path, say: Callable[[str], None]) -> Path:
        """Prepare the data, in `scratch` if they are not cached, and check that the runs fit them.

        Parameters
        ----------
        scratch : Path
            An existing directory.
        say : callable
            Called with one line of text about the current step.

        Returns
        -------
        Path
            The directory for `open_prepared`.

        Raises
        ------
        GradCodeError, ValueError
            If the data cannot be used, or do not fit the runs.
        """
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
        """Create the output directory, if there is one; remove it at the end if no run has written to it.

        Raises
        ------
        ValueError
            If it cannot be created, or contains files that would be lost.
        """
        check_output(self.output)
        if self.output is None:
            yield
            return
        path = Path(self.output)
        try:
            if self.compares:  # do it now: a comparison that ends early can then be drawn as well
                list_runs(path, list(self.runs))
            yield
        finally:
            if path.is_dir() and {entry.name for entry in path.iterdir()} <= {COMPARISON}:
                (path / COMPARISON).unlink(missing_ok=True)
                path.rmdir()


Attempt: TypeAlias = Callable[[TrainConfig, float, bool], tuple[int, dict[str, Any] | None]]
"""Makes one run: ``attempt(config, launched_at, last)`` returns its exit status and its result, if there is one."""


def run_all(
    job: Job, attempt: Attempt, reporter: Reporter, launched_at: float
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Make the runs of a job in turn, until one ends with a status other than 0.

    Parameters
    ----------
    job : Job
        The runs.
    attempt : callable
        Makes one run; see `Attempt`. `last` says whether it is the last run.
    reporter : Reporter
        Shows the names of the runs.
    launched_at : float
        When the first run was started, in seconds since the epoch.

    Returns
    -------
    status : int
        The exit status of the last run that was made.
    results : dict of str to dict
        The results by name of the run, without the runs that have none.
    """
    results: dict[str, dict[str, Any]] = {}
    status = 0
    for number, (name, config) in enumerate(job.runs.items(), 1):
        if job.compares:
            reporter.headline(name)
        status, result = attempt(config, launched_at, number == len(job.runs))
        if result is not None:
            results[name] = result
        if status:
            break
        launched_at = time.time()
    return status, results


def present(job: Job, results: Mapping[str, dict[str, Any]], reporter: Reporter) -> None:
    """Show the comparison of several runs, and draw the report.

    Parameters
    ----------
    job : Job
        The runs.
    results : mapping of str to dict
        As returned by `run_all`; if empty, nothing is done.
    reporter : Reporter
        Shows the comparison, and where the report is.
    """
    if job.compares and results:
        reporter.compare(results)
    if job.output is None or not results:
        return
    try:
        path = write_reports(Path(job.output))
    except (GradCodeError, OSError, ValueError) as error:
        reporter.note(f"no report was drawn: {error}")
    except KeyboardInterrupt:
        reporter.note(f"no report was drawn; 'gradcode report {job.output}' draws it")
    else:
        reporter.drawn(path)

"""The command ``gradcode train``."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gradcode._options import Option, given_fields, options_of
from gradcode.cli.options import signature_of
from gradcode.datasets.cache import default_cache
from gradcode.datasets.source import DATA_PANEL, TABLE_FIELDS, Source
from gradcode.errors import GradCodeError, GradCodeWarning
from gradcode.linear.losses import LOSSES
from gradcode.train.config import SCHEME_PANEL, TrainConfig, variants
from gradcode.train.job import Job
from gradcode.train.presets import PRESETS

__all__ = ["train"]


@dataclass(frozen=True)
class _Command:
    """The options that are no fields of a run's configuration."""

    compare: Annotated[
        str | None,
        Option(
            "Run several schemes, or codes of the grouped scheme, in turn, and compare them. Data and delays are the "
            "same for all. Speeds are relative to the first.",
            SCHEME_PANEL,
            metavar="NAME,NAME,...",
            after="prefer",
        ),
    ] = None
    preset: Annotated[
        str | None,
        Option(
            "How to prepare a well-known file, and how to train on it: see the README.",
            DATA_PANEL,
            choices=tuple(PRESETS),
            after="data",
        ),
    ] = None
    cache: Annotated[
        Path | None,
        Option(
            "Directory for prepared data.",
            DATA_PANEL,
            default="$GRADCODE_CACHE or ~/.cache/gradcode",
            after="test_share",
        ),
    ] = None
    no_cache: Annotated[bool, Option("Do not keep prepared data.", DATA_PANEL, after="cache")] = False


def train(**options: Any) -> None:
    """Train a linear model with an L2 penalty on coded workers, without waiting for stragglers."""
    from gradcode.mpi.launch import inside_mpi
    from gradcode.reports.live import Reporter
    from gradcode.train.launcher import launch

    inside = inside_mpi()
    speaks = True  # inside mpirun, only rank 0 prints
    try:
        n_ranks = None
        if inside:
            from gradcode.mpi import load_mpi

            comm = load_mpi()
            speaks, n_ranks = comm.rank == 0, comm.size
            if n_ranks < 2:
                raise ValueError(f"the number of ranks must be at least 2, a master and a worker, got {n_ranks}")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", GradCodeWarning)
            job = _job(options, n_ranks)
        for text in dict.fromkeys(str(warning.message) for warning in caught) if speaks else ():
            typer.echo(f"gradcode: warning: {text}", err=True)
        if inside:
            from gradcode.train.rank import serve

            raise typer.Exit(serve(job))
        with Reporter() as reporter:
            status = launch(job, reporter)
    except (GradCodeError, ValueError, TypeError, OSError) as error:
        if speaks:
            typer.echo(f"gradcode: error: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("gradcode: interrupted before training started", err=True)
        raise typer.Exit(130) from None
    raise typer.Exit(status)


# typer reads the options from here.
train.__signature__ = signature_of(TrainConfig, _Command)  # type: ignore[attr-defined]


def _job(options: Mapping[str, Any], n_ranks: int | None) -> Job:
    """Return what to run; `n_ranks` is the number of ranks inside mpirun."""
    command = _Command(**given_fields(_Command, options))
    run = given_fields(TrainConfig, options)
    if command.preset is not None:
        run = {**PRESETS[command.preset].run, **run}
    if n_ranks is not None:
        run.setdefault("workers", n_ranks - 1)
    run["source"] = _source(options, command.preset)
    run["command"] = shlex.join(["gradcode", *sys.argv[1:]])
    nodes = run.pop("nodes", None) if command.compare is not None else None
    config = TrainConfig(**run)
    runs = {config.scheme: config}
    if command.compare is not None:
        runs = variants(config, command.compare.split(","), nodes)
    if command.no_cache and command.cache is not None:
        raise ValueError(f"cache must be left out with no-cache, got {command.cache}")
    cache = None if command.no_cache else str((command.cache or default_cache()).absolute())
    return Job(runs, config.output, cache)


def _source(options: Mapping[str, Any], preset: str | None) -> Source:
    """Return the data to train on."""
    given = given_fields(Source, options)
    if "test" in given and "test_share" in given:
        raise ValueError(f"test-share must be left out with a test file, got {given['test_share']:g}")
    if preset is not None:
        if "path" not in given:
            raise ValueError(f"data must be given with preset {preset}: --data {PRESETS[preset].file}")
        for name in ("format", *TABLE_FIELDS):
            value = given.pop(name, None)
            if value not in (None, options_of(Source)[name].field_default):
                raise ValueError(f"{name} must be left to preset {preset}, got {value!r}")
        given.update(PRESETS[preset].source)
    if options["wire_dtype"] is not None:
        given.setdefault("dtype", "float32")
    return Source(**given, target=LOSSES[options["loss"]].target, seed=options["seed"])

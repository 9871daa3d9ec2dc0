"""The command ``gradcode train`` and its options."""

from __future__ import annotations

import shlex
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from gradcode.datasets.cache import default_cache
from gradcode.datasets.source import Format, Source
from gradcode.errors import GradCodeError, GradCodeWarning
from gradcode.linear.losses import LOSSES
from gradcode.schemes.grouped import Prefer
from gradcode.schemes.ye_abbe import Nodes
from gradcode.train.config import (
    Code,
    DelayKind,
    DType,
    LossName,
    OptimiserName,
    Scheme,
    TrainConfig,
    WireDType,
    variants,
)
from gradcode.train.job import Job
from gradcode.train.presets import PRESETS, PresetName

__all__ = ["train"]

_DATA = "Data"
_OPTIMISATION = "Optimisation"
_SCHEME = "Scheme"
_DELAYS = "Straggling, injected for experiments"


def train(
    workers: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_SCHEME, help=f"Workers n. Default: {TrainConfig.workers}, or all ranks but the master's."
        ),
    ] = None,
    stragglers: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_SCHEME,
            help="Any this many workers may be late. Default: 1; 0 for a single worker or with --scheme uncoded.",
        ),
    ] = None,
    communication: Annotated[
        int, typer.Option(rich_help_panel=_SCHEME, help="Messages are this many times shorter than the gradient.")
    ] = 1,
    scheme: Annotated[
        Scheme,
        typer.Option(
            rich_help_panel=_SCHEME,
            help="Gradient-coding scheme; auto is grouped, or cyclic where uneven groups would compute much more.",
        ),
    ] = "auto",
    code: Annotated[
        Code,
        typer.Option(
            rich_help_panel=_SCHEME,
            help="Code of the grouped scheme; auto takes the best known. See gradcode codes.",
        ),
    ] = "auto",
    nodes: Annotated[
        Nodes | None,
        typer.Option(rich_help_panel=_SCHEME, help="Of --scheme ye-abbe. Default: published."),
    ] = None,
    prefer: Annotated[
        Prefer,
        typer.Option(
            rich_help_panel=_SCHEME, help="Groups: the most accurate decoding, or the least work for the master."
        ),
    ] = "stability",
    compare: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_SCHEME,
            metavar="NAME,NAME,...",
            help="Run several in turn on the same data and draws of stragglers, and compare them: schemes, or codes of "
            "the grouped scheme. The first is what the others are measured against.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_DATA,
            help="LIBSVM, CSV (.csv, .tsv), all of these also .gz or .bz2, or Parquet. Default: data that comes "
            "with scikit-learn: digits, odd or even; with --loss multinomial the ten digits; with squared, diabetes.",
        ),
    ] = None,
    preset: Annotated[
        PresetName | None,
        typer.Option(
            rich_help_panel=_DATA, help="How to prepare a well-known file, and how to train on it: see the README."
        ),
    ] = None,
    format: Annotated[
        Format, typer.Option(rich_help_panel=_DATA, help="Format of the data; auto goes by the file's name.")
    ] = "auto",
    label: Annotated[
        str | None,
        typer.Option(rich_help_panel=_DATA, metavar="COLUMN", help="The label's column, in CSV and Parquet."),
    ] = None,
    numeric: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=_DATA, metavar="COLUMN", help="Take a column as numbers, standardised. Repeatable."
        ),
    ] = None,
    categorical: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=_DATA, metavar="COLUMN", help="Take a column of decimal numbers as categories. Repeatable."
        ),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(rich_help_panel=_DATA, metavar="COLUMN", help="Leave a column out. Repeatable.")
    ] = None,
    interactions: Annotated[
        bool,
        typer.Option(
            "--interactions", rich_help_panel=_DATA, help="Every pair of categorical columns is a further category."
        ),
    ] = False,
    exclude_interaction: Annotated[
        list[str] | None,
        typer.Option(rich_help_panel=_DATA, metavar="A:B", help="But not this pair of columns. Repeatable."),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(rich_help_panel=_DATA, help="Test rows, in the same format. Default: a part of the data."),
    ] = None,
    test_share: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_DATA,
            help=f"The part of the data that is held out, without --test. Default: {Source.test_share:g}.",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_DATA, help="Where prepared data are kept. Default: $GRADCODE_CACHE or ~/.cache/gradcode."
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", rich_help_panel=_DATA, help="Keep no prepared data.")] = False,
    loss: Annotated[
        LossName,
        typer.Option(
            rich_help_panel=_OPTIMISATION,
            help="logistic for two classes, multinomial for several, squared for numbers.",
        ),
    ] = "logistic",
    optimiser: Annotated[
        OptimiserName | None,
        typer.Option(
            rich_help_panel=_OPTIMISATION,
            help="Nesterov's method, gradient descent, L-BFGS, or, with batches, stochastic gradient descent or Adam. "
            f"Default: {TrainConfig.optimiser}, or the preset's.",
        ),
    ] = None,
    iterations: Annotated[int, typer.Option(rich_help_panel=_OPTIMISATION, help="Rounds to train for, at most.")] = 100,
    tolerance: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_OPTIMISATION,
            help="Stop when the largest component of the gradient is this part of that of the run's first. "
            "Default: 0, which is never, or the preset's.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_OPTIMISATION,
            help="Step length. Default: 1 / (smoothness of the objective); 0.001 for adam; lbfgs has none.",
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_OPTIMISATION,
            help="Rows drawn in every round, with sgd and adam. Default: 256, or all if fewer.",
        ),
    ] = None,
    regularisation: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_OPTIMISATION,
            help="λ of λ/2·|w|², added to the sum of the losses. "
            f"Default: {TrainConfig.regularisation:g}, or the preset's.",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_OPTIMISATION, help="Begin at these parameters: the parameters.npz of an earlier run."
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            rich_help_panel=_OPTIMISATION, help="Of the data split, batches, random codes, and who is delayed."
        ),
    ] = 0,
    dtype: Annotated[
        DType | None,
        typer.Option(
            rich_help_panel=_OPTIMISATION,
            help="Type of data, parameters, gradients and, without --wire-dtype, messages. "
            f"Default: {Source.dtype}, or float32 with --wire-dtype.",
        ),
    ] = None,
    wire_dtype: Annotated[
        WireDType | None,
        typer.Option(
            rich_help_panel=_SCHEME,
            help="Send messages in 16 bits, rounded once from float32, which data, parameters and gradients then are. "
            "bfloat16 has the range of float32; float16 three more bits, but nothing above 65504.",
        ),
    ] = None,
    chunks: Annotated[
        int,
        typer.Option(
            rich_help_panel=_SCHEME, help="Compute each share in this many parts, to notice sooner that it is late."
        ),
    ] = 1,
    delay: Annotated[
        float, typer.Option(rich_help_panel=_DELAYS, help="Make workers straggle by this many seconds.")
    ] = 0.0,
    delayed: Annotated[int, typer.Option(rich_help_panel=_DELAYS, help="How many workers straggle.")] = 0,
    delay_kind: Annotated[
        DelayKind,
        typer.Option(
            rich_help_panel=_DELAYS,
            help="transient: other workers every round, who give up once their round is over; "
            "busy: the same workers throughout, who cannot be interrupted.",
        ),
    ] = "transient",
    output: Annotated[
        Path | None,
        typer.Option(help="New directory for result.json, rounds.jsonl, parameters.npz, figures and report.html."),
    ] = None,
) -> None:
    """Train a regularised linear model through a coded cluster."""
    from gradcode.mpi.launch import inside_mpi
    from gradcode.reports.live import Reporter
    from gradcode.train.launcher import launch

    served = inside_mpi()
    speaks = True  # under mpirun, one rank speaks for all
    try:
        size = TrainConfig.workers + 1
        if served:
            from gradcode.mpi import load_mpi

            comm = load_mpi()
            speaks, size = comm.rank == 0, comm.size
            if size < 2:
                raise ValueError(f"the number of ranks must be at least 2, a master and a worker, got {size}")
        chosen = PRESETS[preset] if preset is not None else None
        about: dict[str, Any] = {
            "format": None if format == "auto" else format,
            "label": label,
            "numeric": tuple(numeric or ()),
            "categorical": tuple(categorical or ()),
            "drop": tuple(drop or ()),
            "interactions": interactions,
            "exclude_interactions": tuple(_pair(text) for text in exclude_interaction or ()),
        }
        about = {name: value for name, value in about.items() if value}
        if test is not None and test_share is not None:
            raise ValueError(f"test-share must be left out with a test file, got {test_share:g}")
        if chosen is not None:
            if data is None:
                raise ValueError(f"data must be given with preset {preset}: --data {chosen.file}")
            for name, value in about.items():
                raise ValueError(f"{name} must be left to preset {preset}, got {value!r}")
            about = dict(chosen.source)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", GradCodeWarning)
            config = TrainConfig(
                workers=workers if workers is not None else size - 1,
                stragglers=stragglers,
                communication=communication,
                scheme=scheme,
                code=code,
                nodes=nodes if compare is None else None,
                prefer=prefer,
                source=Source(
                    path=None if data is None else str(data),
                    test=None if test is None else str(test),
                    test_share=_first(test_share, Source.test_share),
                    target=LOSSES[loss].target,
                    seed=seed,
                    dtype=dtype or (Source.dtype if wire_dtype is None else "float32"),
                    **about,
                ),
                loss=loss,
                optimiser=optimiser or (chosen.optimiser if chosen else TrainConfig.optimiser),
                iterations=iterations,
                tolerance=_first(tolerance, chosen.tolerance if chosen else None, TrainConfig.tolerance),
                rate=rate,
                batch=batch,
                regularisation=_first(
                    regularisation, chosen.regularisation if chosen else None, TrainConfig.regularisation
                ),
                start=None if start is None else str(start.absolute()),
                seed=seed,
                chunks=chunks,
                wire_dtype=wire_dtype,
                delay=delay,
                delayed=delayed,
                delay_kind=delay_kind,
                output=None if output is None else str(output.absolute()),
                command=shlex.join(["gradcode", *sys.argv[1:]]),
            )
            runs: dict[str, TrainConfig] = (
                {scheme: config} if compare is None else variants(config, compare.split(","), nodes)
            )
            if no_cache and cache is not None:
                raise ValueError(f"cache must be left out with no-cache, got {cache}")
            job = Job(runs, config.output, None if no_cache else str((cache or default_cache()).absolute()))
        for text in dict.fromkeys(str(warning.message) for warning in caught) if speaks else ():
            typer.echo(f"gradcode: warning: {text}", err=True)
        if served:
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


def _pair(text: str) -> tuple[str, str]:
    """The two columns of A:B."""
    columns = text.split(":")
    if len(columns) != 2 or not all(columns):
        raise ValueError(f"exclude-interaction must be two columns with a colon between them, got {text!r}")
    return columns[0], columns[1]


def _first(*values: float | None) -> float:
    """The first value that is given."""
    return next(value for value in values if value is not None)

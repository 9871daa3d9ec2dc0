"""The commands and their options."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

import gradcode
from gradcode.errors import GradCodeError, LoadWarning
from gradcode.train.config import Code, DelayKind, DType, OptimiserName, Scheme, TrainConfig

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

_SERVED = "Inside an existing mpirun or srun it serves as one of the ranks; otherwise it starts the ranks itself."


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gradcode {gradcode.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Exact distributed gradients from whichever workers are fast."""


@app.command(epilog=_SERVED)
def train(
    workers: Annotated[
        int | None, typer.Option(help=f"Workers n. Default: {TrainConfig.workers}, or all ranks but the master's.")
    ] = None,
    stragglers: Annotated[
        int | None,
        typer.Option(
            help="Any this many workers may be late. Default: 1; 0 for a single worker or with --scheme uncoded."
        ),
    ] = None,
    communication: Annotated[int, typer.Option(help="Messages are this many times shorter than the gradient.")] = 1,
    scheme: Annotated[Scheme, typer.Option(help="Gradient-coding scheme.")] = "grouped",
    code: Annotated[Code, typer.Option(help="Code of the grouped scheme; auto takes the best known.")] = "auto",
    data: Annotated[
        Path | None,
        typer.Option(
            help="Two-class data in LIBSVM form, also .gz or .bz2. Default: scikit-learn's digits, odd or even."
        ),
    ] = None,
    iterations: Annotated[int, typer.Option(help="Rounds to train for.")] = 100,
    optimiser: Annotated[OptimiserName, typer.Option(help="Nesterov's method, or gradient descent.")] = "nesterov",
    rate: Annotated[float | None, typer.Option(help="Step length. Default: 1 / (smoothness of the objective).")] = None,
    regularisation: Annotated[float, typer.Option(help="λ of λ/2·|w|², added to the sum of the losses.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Of the data split, of random codes, and of who is delayed.")] = 0,
    dtype: Annotated[DType, typer.Option(help="Type of data, parameters and messages.")] = "float64",
    chunks: Annotated[
        int, typer.Option(help="Compute each share in this many parts, to notice sooner that it is late.")
    ] = 1,
    delay: Annotated[float, typer.Option(help="Make workers straggle by this many seconds.")] = 0.0,
    delayed: Annotated[int, typer.Option(help="How many workers straggle.")] = 0,
    delay_kind: Annotated[
        DelayKind,
        typer.Option(
            help="transient: other workers every round, who give up once their round is over; "
            "busy: the same workers throughout, who cannot be interrupted."
        ),
    ] = "transient",
    output: Annotated[
        Path | None,
        typer.Option(help="New directory for result.json, rounds.jsonl and parameters.npz."),
    ] = None,
) -> None:
    """Train L2-regularised logistic regression through a coded cluster."""
    from gradcode.mpi.local import inside_mpi
    from gradcode.train.launcher import launch
    from gradcode.train.report import Reporter

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
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", LoadWarning)
            config = TrainConfig(
                workers=workers if workers is not None else size - 1,
                stragglers=stragglers,
                communication=communication,
                scheme=scheme,
                code=code,
                data=None if data is None else str(data),
                optimiser=optimiser,
                iterations=iterations,
                rate=rate,
                regularisation=regularisation,
                seed=seed,
                dtype=dtype,
                chunks=chunks,
                delay=delay,
                delayed=delayed,
                delay_kind=delay_kind,
                output=None if output is None else str(output.absolute()),
            )
        for warning in caught if speaks else []:
            typer.echo(f"gradcode: warning: {warning.message}", err=True)
        if served:
            from gradcode.train.rank import serve

            raise typer.Exit(serve(config))
        with Reporter() as reporter:
            status = launch(config, reporter)
    except (GradCodeError, ValueError, TypeError, OSError) as error:
        if speaks:
            typer.echo(f"gradcode: error: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("gradcode: interrupted before training started", err=True)
        raise typer.Exit(130) from None
    raise typer.Exit(status)


if __name__ == "__main__":
    sys.exit(app())

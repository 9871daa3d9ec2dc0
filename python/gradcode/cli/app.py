"""The commands of ``gradcode``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import gradcode
from gradcode.cli.codes import codes
from gradcode.cli.train import train
from gradcode.errors import GradCodeError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_INSIDE_MPI = "Inside an existing mpirun or srun, the command runs as one of the ranks. Otherwise it starts the ranks."


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
    """Train models with exact gradients from the workers that answer first."""


app.command(epilog=_INSIDE_MPI)(train)
app.command()(codes)


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(help="Output directory of gradcode train, or of a comparison.")],
) -> None:
    """Redraw the figures and the HTML report of a training run."""
    from gradcode.reports.directory import write_reports

    try:
        typer.echo(write_reports(directory))
    except (GradCodeError, ValueError, OSError) as error:
        typer.echo(f"gradcode: error: {error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    sys.exit(app())

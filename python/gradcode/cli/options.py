"""From the options that dataclasses declare to the parameters of a command."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from gradcode._options import Declared, all_options

__all__ = ["signature_of"]


def signature_of(*classes: type[Any]) -> inspect.Signature:
    """Return the signature of a command whose options are those of several dataclasses.

    Parameters
    ----------
    *classes : type
        Dataclasses with options, of their own or in fields that are dataclasses; see `gradcode._options.Option`. The
        help lists the options in this order, except those that say which option they follow.

    Returns
    -------
    inspect.Signature
        For typer, which reads the options from the signature of the function.
    """
    declared = [option for cls in classes for option in all_options(cls)]
    ordered = [option for option in declared if option.option.after is None]
    for option in declared:
        if option.option.after is not None:
            names = [other.name for other in ordered]
            ordered.insert(names.index(option.option.after) + 1, option)
    return inspect.Signature([_parameter(option) for option in ordered])


def _parameter(declared: Declared) -> inspect.Parameter:
    names = [f"--{declared.name.replace('_', '-')}"] if declared.type is bool else []  # without --no-...
    about = typer.Option(
        *names, help=declared.help, rich_help_panel=declared.option.panel, metavar=declared.option.metavar
    )
    kind = declared.type if declared.default is not None else declared.type | None
    return inspect.Parameter(
        declared.name, inspect.Parameter.KEYWORD_ONLY, default=declared.default, annotation=Annotated[kind, about]
    )

"""Options of a command, declared at the fields of dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

__all__ = ["Declared", "Option", "all_options", "given_fields", "options_of"]


@dataclass(frozen=True)
class Option:
    """How a field of a dataclass appears on the command line; part of its type, ``Annotated[type, Option(...)]``.

    Attributes
    ----------
    help : str
        The help text.
    panel : str or None
        Heading of the part of the help in which it appears.
    default : str or None
        The text of the default in the help, if the default depends on something. ``{default}`` in it stands for the
        default of the field. An option with such a text has the value None if it is not given.
    choices : tuple of str
        The values allowed. By default those of the type of the field, if that is a `Literal`.
    name : str or None
        Name of the option, if it differs from that of the field.
    type : type or None
        Type of the option, if it differs from that of the field.
    metavar : str or None
        Placeholder for the value in the help.
    after : str or None
        Name of the option that comes before it in the help. By default that of the field before.
    read : callable or None
        Converts the value of the option to that of the field; called with each value of a repeated option.
    """

    help: str
    panel: str | None = None
    default: str | None = None
    choices: tuple[str, ...] = ()
    name: str | None = None
    type: Any = None
    metavar: str | None = None
    after: str | None = None
    read: Callable[[Any], Any] | None = None


class Declared(NamedTuple):
    """A field that is an option.

    Attributes
    ----------
    name : str
        Name of the option.
    option : Option
        The declaration.
    type : type
        Type of the option if it is given.
    default : object
        Its default; None if code must see whether the option was given.
    field_default : object
        Default of the field.
    choices : tuple of str
        The values allowed; empty if any is.
    help : str
        The help text, with that of the default.
    """

    name: str
    option: Option
    type: Any
    default: Any
    field_default: Any
    choices: tuple[str, ...]
    help: str


def options_of(cls: type[Any]) -> dict[str, Declared]:
    """Return the fields of a dataclass that are options, by the name of the field.

    Parameters
    ----------
    cls : type
        A dataclass.

    Examples
    --------
    >>> @dataclass
    ... class Walk:
    ...     steps: Annotated[int, Option("Steps to take.", default="{default}, or fewer")] = 10
    ...     start: int = 0
    >>> options_of(Walk)["steps"].help
    'Steps to take. Default: 10, or fewer.'
    >>> list(options_of(Walk))
    ['steps']
    """
    hints = get_type_hints(cls, include_extras=True)
    found = {}
    for field in dataclasses.fields(cls):
        if get_origin(hints[field.name]) is not Annotated:
            continue
        kind, *metadata = get_args(hints[field.name])
        option = next((item for item in metadata if isinstance(item, Option)), None)
        if option is not None:
            found[field.name] = _declared(field, kind, option)
    return found


def all_options(cls: type[Any]) -> Iterator[Declared]:
    """Yield the options of a dataclass, and those of the dataclasses that are its fields, in order."""
    hints, own = get_type_hints(cls), options_of(cls)
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from all_options(hints[field.name])
        elif field.name in own:
            yield own[field.name]


def _declared(field: dataclasses.Field[Any], kind: Any, option: Option) -> Declared:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (member for member in get_args(kind) if member is not NoneType)
    choices = option.choices or (get_args(kind) if get_origin(kind) is Literal else ())
    if option.type is not None:
        kind = option.type
    elif choices:
        kind = Literal[choices]
    elif get_origin(kind) is tuple:
        kind = list[str]
    text = option.help
    if option.default is not None:
        text += f" Default: {option.default.format(default=field.default)}."
    default = None if option.default is not None or field.default == () else field.default
    return Declared(option.name or field.name, option, kind, default, field.default, choices, text)


def given_fields(cls: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a dataclass for which options were given.

    Parameters
    ----------
    cls : type
        A dataclass.
    values : mapping
        Values of all options, by name. None or an empty list means that an option was not given.

    Returns
    -------
    dict
        Values of fields, by name.

    Raises
    ------
    ValueError
        If an option cannot be read.
    """
    fields = {}
    for field, declared in options_of(cls).items():
        value, read = values[declared.name], declared.option.read or (lambda value: value)
        if value is None or value == []:
            continue
        fields[field] = tuple(map(read, value)) if isinstance(value, list) else read(value)
    return fields

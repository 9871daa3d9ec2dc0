"""The command ``gradcode codes``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gradcode._validate import check_int
from gradcode.codes.conditioning import Condition, sets_per_second
from gradcode.codes.linear import LinearCode
from gradcode.codes.names import NAMES, named
from gradcode.codes.profile import digits, survival
from gradcode.errors import GradCodeError, MissingExtra
from gradcode.reports.codes import CodeRecord, draw_codes
from gradcode.schemes.catalogue import Entry, catalogue
from gradcode.schemes.design import decoding_operations

__all__ = ["codes"]

_TYPES = ("float32", "float64")
_MAX_ROWS = 24  # in the table of one code; if there are more, only every second, third, ... is shown
_LONGEST = 256  # length of a single code
_MAX_LENGTH = 32  # length in a comparison: for longer codes a search says little, and takes minutes


def codes(
    name: Annotated[
        str | None, typer.Argument(help="The name of a code. Without it, all codes are listed.", show_default=False)
    ] = None,
    d: Annotated[
        int | None, typer.Argument(metavar="D", help="Its length: load, and size of a group.", show_default=False)
    ] = None,
    m: Annotated[
        int | None,
        typer.Argument(metavar="M", help="Its dimension: messages are M times shorter.", show_default=False),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Compare all codes of one length.")] = False,
    length: Annotated[int | None, typer.Option(help="The length d of the codes to compare.")] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            help="The figure that --compare draws, .png or .svg. Default: codes-LENGTH.png; never overwritten."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of random codes.")] = 0,
) -> None:
    """Show one code in numbers, or compare all codes of a length.

    "gradcode codes" lists the names. "gradcode codes harmonic 8 4" shows one code.
    "gradcode codes --compare --length 8" compares all codes of length 8.
    """
    console = Console(highlight=False)
    try:
        check_int("seed", seed, 0)
        if compare:
            if name is not None:
                raise ValueError(f"name must be left out with compare, which compares all codes, got {name!r}")
            if length is None:
                raise ValueError("length must be given with compare: --length D")
            _compare(console, check_int("length", length, 1, _MAX_LENGTH), figure, seed)
        elif length is not None or figure is not None:
            raise ValueError("length and figure need compare; for a single code, give NAME D M")
        elif name is None:
            _list(console)
        elif d is None or m is None:
            raise ValueError(f"length d and dimension m must be given after the name: gradcode codes {name} D M")
        else:
            with console.status(f"looking at {name} {d} {m}"):
                code = named(name, check_int("length d", d, 1, _LONGEST), m, seed)
                _show(console, code)
    except (GradCodeError, ValueError, TypeError, OSError) as error:
        typer.echo(f"gradcode: error: {error}", err=True)
        raise typer.Exit(2) from None


def _list(console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "what it is", "exists if"):
        table.add_column(heading)
    for name, family in NAMES.items():
        table.add_row(name, family.about, family.rule)
    console.print(table)
    _say(
        console,
        "\nd: length; m: dimension\n"
        "gradcode codes NAME D M shows one code, and gradcode codes --compare --length D compares all of length D",
    )


def _show(console: Console, code: LinearCode) -> None:
    exact = "" if code.minimum_distance_is_exact else "at least "
    tolerated = code.minimum_distance - 1
    _say(console, repr(code))
    _say(
        console,
        f"distance {exact}{code.minimum_distance}: any {tolerated} of {code.length} workers may straggle; messages "
        f"{code.dimension} times shorter; {'MDS' if code.is_mds else 'not MDS'}",
    )
    for prefer, about in (("stability", "least squares"), ("decoding", "fewest messages")):
        additions, multiplications = decoding_operations(code, prefer)  # type: ignore[arg-type]
        _say(
            console,
            f"decoding, {about}: {additions:.3g} additions and {multiplications:.3g} multiplications for each element "
            "of a message",
        )
    table = Table(box=None, pad_edge=False)
    table.add_column("survivors", justify="right")
    for heading in ("sets lost", "worst condition", "typical", "float32 digits", "float64 digits"):
        table.add_column(heading, justify="right")
    counts = range(code.length, code.dimension - 1, -1)
    step = -(-len(counts) // _MAX_ROWS)
    for survivors in sorted({*counts[::step], code.dimension}, reverse=True):
        found = survival(code, survivors, max(100, sets_per_second(code.dimension, survivors) // _MAX_ROWS))
        table.add_row(
            str(survivors),
            "0" if not found.lost else f"{'' if found.exhaustive else '~'}{found.lost:.2%}",
            _condition(found.worst),
            f"{found.typical:.4g}",
            *(f"{'≤' if found.worst.kind == 'lower bound' else ''}{digits(found.worst, t):.1f}" for t in _TYPES),
        )
    console.print()
    console.print(table)
    _say(
        console,
        "\nsets lost: share of the sets of survivors that cannot be decoded\n"
        "worst condition, typical: largest and median condition number of the other sets\n"
        "digits: correct digits of the decoded gradient for the worst set; ≥ and ≤ mark bounds that a search found",
    )


def _compare(console: Console, length: int, figure: Path | None, seed: int) -> None:
    path = figure if figure is not None else Path(f"codes-{length}.png")
    if path.suffix not in (".png", ".svg"):
        raise ValueError(f"figure must end in .png or .svg, got {path}")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"figure must lie in a folder that exists, got {path}")
    if path.exists():
        raise ValueError(f"figure must not exist yet, got {path}: remove it, or name another with --figure")
    with console.status(f"looking at the codes of length {length}"):
        entries = catalogue(length, seed=seed)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("code")
    for heading in ("s", "m", "additions", "multiplications", "worst condition", "typical"):
        table.add_column(heading, justify="right")
    for entry in entries:
        table.add_row(*_cells(entry))
    console.print(table)
    _say(
        console,
        "\ns: stragglers tolerated; m: how many times shorter messages are\n"
        "additions, multiplications: for each element of a message, with s workers missing\n"
        "worst condition, typical: over the sets of survivors with s workers missing; ≥ marks the largest of a search\n"
        "*: no other code with this s and m has both a smaller worst condition and cheaper decoding",
    )
    try:
        draw_codes(length, [_record(entry) for entry in entries], path)
    except MissingExtra as error:
        _say(console, f"no figure: {error}")
    else:
        _say(console, f"figure in {path}")


def _say(console: Console, text: str) -> None:
    """Print text as it is; the terminal may wrap it."""
    console.print(text, markup=False, soft_wrap=True)


def _record(entry: Entry) -> CodeRecord:
    """Return what the figure shows of a code."""
    row = entry.row
    return CodeRecord(row.name, row.stragglers, row.communication, entry.operations, float(row.worst), entry.pareto)


def _cells(entry: Entry) -> tuple[str, ...]:
    row = entry.row
    return (
        "*" if entry.pareto else "",
        row.name,
        str(row.stragglers) if row.code.minimum_distance_is_exact else f"≥{row.stragglers}",
        str(row.communication),
        f"{entry.additions:.3g}",
        f"{entry.multiplications:.3g}",
        _condition(row.worst),
        f"{row.typical:.4g}",
    )


def _condition(condition: Condition) -> str:
    return f"{'≥' if condition.kind == 'lower bound' else ''}{condition:.4g}"

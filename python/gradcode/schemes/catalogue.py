"""Codes side by side: what each tolerates and saves, what decoding costs, and how many digits it loses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gradcode._drawing import COLOURS, WIDTH, save_figure, style
from gradcode.codes.profile import Row, candidates
from gradcode.schemes.design import decoding_operations

__all__ = ["Entry", "catalogue", "draw_catalogue"]


class Entry(NamedTuple):
    """A code with what its decoding costs.

    Attributes
    ----------
    row : Row
        The code, its tolerance and its conditions.
    additions, multiplications : float
        For each element of a message, with as many missing as always may be, and decoded from the fewest messages.
    pareto : bool
        Whether no other code with as many stragglers and as short messages has both a smaller worst condition and
        cheaper decoding.
    """

    row: Row
    additions: float
    multiplications: float
    pareto: bool

    @property
    def operations(self) -> float:
        """Additions and multiplications together."""
        return self.additions + self.multiplications


def catalogue(length: int, names: Sequence[str] | None = None, seed: int = 0) -> list[Entry]:
    """All codes of a length, with those marked that no other one beats.

    Parameters
    ----------
    length : int
        d.
    names : sequence of str, optional
        Which of `gradcode.codes.names.NAMES`. Default: all.
    seed : int
        Of random codes.

    Examples
    --------
    >>> for entry in catalogue(5, ["gaussian", "parity"])[:3]:
    ...     print(entry.row.code, entry.additions, entry.multiplications, entry.pareto)
    <gaussian [5, 5, 1]> 20.0 25.0 True
    <gaussian [5, 4, 2]> 12.0 16.0 False
    <parity [5, 4, 2]> 2.4 0.0 True
    """
    rows = candidates(length, names, seed)
    costs = [decoding_operations(row.code, "decoding") for row in rows]
    entries = [Entry(row, *cost, pareto=True) for row, cost in zip(rows, costs, strict=True)]
    return [entry._replace(pareto=not any(_beats(other, entry) for other in entries)) for entry in entries]


def draw_catalogue(entries: Sequence[Entry], path: Path) -> None:
    """Draw the worst condition of the codes over the cost of decoding them, and write it as PNG or SVG.

    Parameters
    ----------
    entries : sequence of Entry
        What `catalogue` found.
    path : Path
        The file.

    Raises
    ------
    MissingExtra
        Without matplotlib.
    """
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
        axes = figure.subplots()
        length = entries[0].row.code.length
        dimensions = sorted({entry.row.communication for entry in entries})
        for index, dimension in enumerate(dimensions):
            chosen = [entry for entry in entries if entry.row.communication == dimension]
            colour = COLOURS[index % len(COLOURS)]
            for best in (True, False):
                points = [entry for entry in chosen if entry.pareto is best]
                axes.scatter(
                    [entry.operations for entry in points],
                    [float(entry.row.worst) for entry in points],
                    s=42,
                    marker="os^Dv<>P"[index // len(COLOURS) % 8],
                    facecolors=colour if best else "none",
                    edgecolors=colour,
                    label=f"m = {dimension}" if best == any(entry.pareto for entry in chosen) else None,
                )
        named = []
        for number, ((operations, worst), names) in enumerate(sorted(_labels(entries).items()), 1):
            axes.annotate(
                str(number), (operations, worst), xytext=(6, 5), textcoords="offset points", fontsize=8, weight="bold"
            )
            named += [f"{number if index == 0 else ' ':>2}  {name}" for index, name in enumerate(names)]
        axes.text(1.02, 0, "\n".join(named), transform=axes.transAxes, fontsize=8, verticalalignment="bottom")
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(left=-0.1)
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
        axes.set_xlabel("additions and multiplications to decode, for each element of a message")
        axes.set_ylabel("worst condition with s missing")
        axes.set_title(f"Codes of length {length}. Filled: no other is as tolerant, as short, as stable and as cheap")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), ncols=2, fontsize=8)
    save_figure(figure, path)


def _labels(entries: Sequence[Entry]) -> dict[tuple[float, float], list[str]]:
    """Which codes lie at which point, of those that no other one beats."""
    labels: dict[tuple[float, float], list[str]] = {}
    for entry in entries:
        if entry.pareto:
            place = (round(entry.operations, 2), round(float(entry.row.worst), 2))
            row = entry.row
            labels.setdefault(place, []).append(f"{row.name}, s = {row.stragglers}, m = {row.communication}")
    return labels


def _beats(one: Entry, other: Entry) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better, by more than rounding."""
    gains = (
        one.row.stragglers - other.row.stragglers,
        one.row.communication - other.row.communication,
        other.operations - one.operations,
        float(other.row.worst) / float(one.row.worst) - 1,
    )
    return min(gains) > -1e-9 and max(gains) > 1e-9

"""The figure that compares codes: how accurate they are, and what decoding costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gradcode.reports.drawing import COLOURS, WIDTH, save_figure, style

__all__ = ["CodeRecord", "draw_codes"]

_MARKERS = "os^Dv<>P"


class CodeRecord(NamedTuple):
    """One code of the figure.

    Attributes
    ----------
    name : str
        Its name.
    stragglers, communication : int
        The code tolerates any s stragglers and makes messages m times shorter.
    operations : float
        Additions and multiplications to decode, for each element of a message.
    worst_condition : float
        The worst condition number with s workers missing.
    pareto : bool
        Whether no other code is at least as good in s, m, condition and operations, and better in one of them.
    """

    name: str
    stragglers: int
    communication: int
    operations: float
    worst_condition: float
    pareto: bool


def draw_codes(length: int, codes: Sequence[CodeRecord], path: Path) -> None:
    """Draw the worst conditions of codes over the costs of decoding them.

    Parameters
    ----------
    length : int
        Length d of all codes.
    codes : sequence of CodeRecord
        The codes.
    path : Path
        The file, PNG or SVG by its name.

    Raises
    ------
    MissingExtra
        Without matplotlib.
    """
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
        axes = figure.subplots()
        for index, dimension in enumerate(sorted({code.communication for code in codes})):
            chosen = [code for code in codes if code.communication == dimension]
            colour = COLOURS[index % len(COLOURS)]
            for best in (True, False):
                points = [code for code in chosen if code.pareto is best]
                axes.scatter(
                    [code.operations for code in points],
                    [code.worst_condition for code in points],
                    s=42,
                    marker=_MARKERS[index // len(COLOURS) % len(_MARKERS)],
                    facecolors=colour if best else "none",
                    edgecolors=colour,
                    label=f"m = {dimension}" if best == any(code.pareto for code in chosen) else None,
                )
        named = []
        for number, ((operations, worst), names) in enumerate(sorted(_labels(codes).items()), 1):
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
        axes.set_xlabel("additions and multiplications to decode, per element of a message")
        axes.set_ylabel("worst condition with s workers missing")
        axes.set_title(f"Codes of length {length}. Filled: no other code is as good in s, m, condition and cost")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), ncols=2, fontsize=8)
    save_figure(figure, path)


def _labels(codes: Sequence[CodeRecord]) -> dict[tuple[float, float], list[str]]:
    """Return the names of the codes at each point, of those that no other code beats."""
    labels: dict[tuple[float, float], list[str]] = {}
    for code in codes:
        if code.pareto:
            place = (round(code.operations, 2), round(code.worst_condition, 2))
            labels.setdefault(place, []).append(f"{code.name}, s = {code.stragglers}, m = {code.communication}")
    return labels

"""The figure of codes side by side: how many digits they lose, over what decoding costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gradcode.reports.drawing import COLOURS, WIDTH, save_figure, style

__all__ = ["CodeRecord", "draw_codes"]

_MARKERS = "os^Dv<>P"


class CodeRecord(NamedTuple):
    """What the figure shows of one code.

    Attributes
    ----------
    name : str
        Its name.
    stragglers, communication : int
        Any s workers may straggle; messages are m times shorter.
    operations : float
        Additions and multiplications to decode, for each element of a message.
    worst_condition : float
        The worst condition with s missing.
    pareto : bool
        Whether no other code is as tolerant, as short, as stable and as cheap.
    """

    name: str
    stragglers: int
    communication: int
    operations: float
    worst_condition: float
    pareto: bool


def draw_codes(length: int, codes: Sequence[CodeRecord], path: Path) -> None:
    """Draw the worst condition of codes over the cost of decoding them, and write it as PNG or SVG.

    Parameters
    ----------
    length : int
        Length d of all codes.
    codes : sequence of CodeRecord
        The codes.
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
        axes.set_xlabel("additions and multiplications to decode, for each element of a message")
        axes.set_ylabel("worst condition with s missing")
        axes.set_title(f"Codes of length {length}. Filled: no other is as tolerant, as short, as stable and as cheap")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), ncols=2, fontsize=8)
    save_figure(figure, path)


def _labels(codes: Sequence[CodeRecord]) -> dict[tuple[float, float], list[str]]:
    """Which codes lie at which point, of those that no other one beats."""
    labels: dict[tuple[float, float], list[str]] = {}
    for code in codes:
        if code.pareto:
            place = (round(code.operations, 2), round(code.worst_condition, 2))
            labels.setdefault(place, []).append(f"{code.name}, s = {code.stragglers}, m = {code.communication}")
    return labels

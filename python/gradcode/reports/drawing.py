"""The style of all figures, which does not depend on the user's own settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcode._files import replacing
from gradcode.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BLACK",
    "BLUE",
    "COLOURS",
    "DASHES",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "WIDTH",
    "save_figure",
    "style",
]

# The colours of Okabe and Ito, which colour-blind readers can tell apart. Their yellow is too pale for lines.
BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE, BLACK = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#000000",
)
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE, BLACK)
DASHES = ("-", "--", "-.", ":")
GREY = "#d4d7da"
WIDTH = 9.0  # inches of 72 points: the width of the column of a report

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica", "sans-serif"],
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222",
    "axes.grid": True,
    "axes.grid.which": "major",
    "axes.axisbelow": True,
    "grid.color": "#e6e8ea",
    "grid.linewidth": 0.8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelcolor": "#222222",
    "ytick.labelcolor": "#222222",
    "lines.linewidth": 1.6,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.fonttype": "none",  # text that can be selected, searched and read aloud
    "svg.hashsalt": "gradcode",  # the same run gives the same file
    "text.parse_math": False,  # a name with dollar signs is a name
}


@contextmanager
def style() -> Iterator[None]:
    """Use the style of this module alone, and restore the user's own settings at the end."""
    try:
        import matplotlib
    except ImportError:
        raise MissingExtra("figures need matplotlib", "train") from None
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, or as PNG if the name ends in .png. The same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure, drawn within `style`.
    path : Path
        The file. It is complete or absent.
    """
    kind = "png" if path.suffix == ".png" else "svg"
    about = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with style(), replacing(path) as file:
        figure.savefig(file, format=kind, metadata=about, dpi=150)

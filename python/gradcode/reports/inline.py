"""Figures within a page: SVG without what would affect the rest of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

from gradcode.reports.drawing import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["InlineFigure", "inline_figure"]

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"


class InlineFigure(NamedTuple):
    """A figure of a page.

    Attributes
    ----------
    svg : markupsafe.Markup
        The element, which needs no escaping.
    caption : str
        The text below it.
    """

    svg: Any
    caption: str


def inline_figure(figure: Figure, name: str, directory: Path, caption: str) -> InlineFigure:
    """Write a figure to ``figures/NAME.svg`` in a directory, and return it for a page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    name : str
        Its name.
    directory : Path
        Directory of the page.
    caption : str
        Text below the figure, and for screen readers.
    """
    from markupsafe import Markup

    path = directory / "figures" / f"{name}.svg"
    path.parent.mkdir(exist_ok=True)
    save_figure(figure, path)
    return InlineFigure(Markup(_inlined(path.read_bytes(), name, caption)), caption)  # noqa: S704 - our own drawing


def _inlined(svg: bytes, name: str, description: str) -> str:
    """Return one of our SVG files as an element of a page.

    The declaration, the metadata and the style sheet are removed: they would affect the whole page. All ids start with
    `name`, so that several figures fit on a page.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own drawing
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = {match for element in root.iter() for match in _references(element)}
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in used:
            element.set("id", f"{name}-{own}")
        if (target := element.attrib.pop(f"{{{_XLINK}}}href", None)) is not None:
            element.set("href", f"#{name}-{target[1:]}" if target.startswith("#") else target)
        for key, value in element.items():
            if "url(#" in value:
                element.set(key, value.replace("url(#", f"url(#{name}-"))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {
        "role": "img",
        "aria-label": description,
        "stroke-linejoin": "round",  # as in the style sheet
        "stroke-linecap": "butt",
    }
    ElementTree.register_namespace("", _SVG)
    text = io.StringIO()
    ElementTree.ElementTree(root).write(text, encoding="unicode")
    return text.getvalue()


def _references(element: ElementTree.Element) -> Iterator[str]:
    target = element.get(f"{{{_XLINK}}}href", "")
    if target.startswith("#"):
        yield target[1:]
    for value in element.attrib.values():
        yield from re.findall(r"url\(#([^)]*)\)", value)

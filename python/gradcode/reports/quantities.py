"""Numbers as text, for the terminal and for reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["byte_count", "count", "duration", "flattened", "number", "score", "score_label"]

_SCORE_LABELS = {"auc": "AUC", "accuracy": "accuracy", "r2": "R2", "rmse": "RMSE"}


def count(value: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count(1, "worker"), count(6, "worker")
    ('1 worker', '6 workers')
    """
    return f"{value} {noun}{'' if value == 1 else 's'}"


def number(value: float | None, form: str) -> str:
    """Return `value` in the given format, or a dash for None."""
    return "-" if value is None else format(value, form)


def duration(seconds: float | None) -> str:
    """Return a time with about three digits, in a suitable unit, or a dash for None.

    Examples
    --------
    >>> duration(0.0063), duration(59.94), duration(3661)
    ('6.3 ms', '59.9 s', '1 h 01 min')
    """
    if seconds is None:
        return "-"
    if seconds >= 120:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
    return _scaled(seconds, ((1.0, "s"), (1e-3, "ms"), (0.0, "us")), 1e-6)


def byte_count(value: float | None) -> str:
    """Return a number of bytes in decimal units, or a dash for None.

    Examples
    --------
    >>> byte_count(999), byte_count(10_345_024)
    ('999 B', '10.3 MB')
    """
    if value is None:
        return "-"
    return _scaled(value, ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (0.0, "B")), 1.0)


def score_label(name: str) -> str:
    """Return the label of the test score that the records call `name`.

    Examples
    --------
    >>> score_label("auc"), score_label("r2")
    ('AUC', 'R2')
    """
    return _SCORE_LABELS.get(name, name)


def score(name: str, value: float | None) -> str:
    """Return a test score: six digits if it has the units of the labels, otherwise four decimals."""
    return number(value, ".6g" if name == "rmse" else ".4f")


def flattened(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings as one level, with dotted names.

    Examples
    --------
    >>> flattened({"seed": 0, "source": {"path": None, "seed": 1}})
    {'seed': 0, 'source.path': None, 'source.seed': 1}
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": item for inner, item in flattened(value).items()}
        else:
            flat[name] = value
    return flat


def _scaled(value: float, units: Iterable[tuple[float, str]], smallest: float) -> str:
    """Return `value` in the first unit that it reaches, or else in the last, whose size is `smallest`."""
    size, unit = next((size, unit) for size, unit in units if abs(value) >= size)
    scaled = value / (size or smallest)
    return f"{scaled:.0f} {unit}" if scaled >= 100 or scaled == 0 else f"{scaled:.1f} {unit}"

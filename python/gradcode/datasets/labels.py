"""From the labels of a file to the numbers that losses take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradcode.datasets.source import Source
from gradcode.errors import DataError
from gradcode.linear.targets import classes_fit

__all__ = ["Labels", "class_labels", "label_text", "shown"]


class Labels(NamedTuple):
    """Labels of all rows, and the classes that they stand for.

    Attributes
    ----------
    y : numpy.ndarray
        -1 and +1, or 0, 1, ..., or real numbers, in float64.
    classes : tuple of str
        As in `Dataset`.
    """

    y: npt.NDArray[np.float64]
    classes: tuple[str, ...]


def class_labels(codes: npt.NDArray[Any], names: Sequence[str], source: Source, n_train: int | None = None) -> Labels:
    """Turn classes into numbers, as the target of the source says: binary or classes.

    Parameters
    ----------
    codes : numpy.ndarray of int
        For every row, the index of its class in `names`.
    names : sequence of str
        All classes found, in the order of their numbers.
    source : Source
        Gives the target, and the file names for messages.
    n_train : int, optional
        Number of rows of the training file, which come first; None without a test file.

    Returns
    -------
    Labels
        -1 and +1, or 0, 1, ...

    Raises
    ------
    DataError
        If there are too few or too many classes, or a class occurs only in the test file.

    Examples
    --------
    >>> class_labels(np.array([1, 0, 1]), ["no", "yes"], Source("votes.csv", label="vote"))
    Labels(y=array([ 1., -1.,  1.]), classes=('no', 'yes'))
    """
    known = np.bincount(codes[:n_train], minlength=len(names)) > 0
    found = [name for name, there in zip(names, known, strict=True) if there]
    if not classes_fit(len(found), source.target):
        rule = "exactly two classes" if source.target == "binary" else "two classes or more"
        raise DataError(f"{source.path}: must hold rows of {rule}, got {len(found)}: {shown(found)}")
    if not known.all():
        unknown = [name for name, there in zip(names, known, strict=True) if not there]
        raise DataError(f"{source.test}: must hold the classes of {source.path} only, got {shown(unknown)}")
    y = codes.astype(np.float64)
    return Labels(2 * y - 1 if source.target == "binary" else y, tuple(found))


def label_text(value: float) -> str:
    """Return a label as text: 1 rather than 1.0.

    Examples
    --------
    >>> label_text(1.0), label_text(0.5)
    ('1', '0.5')
    """
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def shown(names: Sequence[str], limit: int = 5) -> str:
    """Return the first few names, for a message.

    Examples
    --------
    >>> shown(["a", "b", "c"], limit=2)
    'a, b, ...'
    """
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")

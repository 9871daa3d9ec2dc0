"""The kinds of labels: two classes, several classes, or numbers."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Target", "classes_fit", "label_rule", "labels_fit"]

Target = Literal["binary", "classes", "number"]


def classes_fit(n_classes: int, target: Target) -> bool:
    """Return whether labels of kind `target` can have this many classes.

    Examples
    --------
    >>> classes_fit(3, "binary"), classes_fit(3, "classes"), classes_fit(0, "number")
    (False, True, True)
    """
    return {"binary": n_classes == 2, "classes": n_classes >= 2, "number": n_classes == 0}[target]


def label_rule(target: Target, n_classes: int) -> str:
    """Return what labels must be, as text for a message.

    Examples
    --------
    >>> label_rule("classes", 10)
    'a whole number in 0..9'
    """
    return {"binary": "-1 or +1", "classes": f"a whole number in 0..{n_classes - 1}", "number": "finite"}[target]


def labels_fit(y: npt.NDArray[Any], target: Target, n_classes: int) -> npt.NDArray[np.bool_]:
    """Return, for each label, whether it obeys `label_rule`.

    Examples
    --------
    >>> labels_fit(np.array([0.0, 1.5, 2.0, np.nan]), "classes", 2)
    array([ True, False, False, False])
    """
    if target == "binary":
        return np.asarray(np.abs(y) == 1)
    finite = np.asarray(np.isfinite(y))
    if target == "classes":
        finite &= (y >= 0) & (y < n_classes) & (y == np.floor(y))
    return finite

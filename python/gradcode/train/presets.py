"""Well-known files: how published evaluations prepare them, and how to train on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True)
class Preset:
    """How to prepare a file, and how to train on it.

    Attributes
    ----------
    file : str
        Where to get the file, for a message.
    source : mapping
        Fields of `Source`.
    run : mapping
        Fields of `TrainConfig`, for options that the user does not give.
    """

    file: str
    source: Mapping[str, Any]
    run: Mapping[str, Any]


PRESETS: dict[str, Preset] = {
    # Amazon Employee Access Challenge (Kaggle, 2013), prepared as in Tandon et al. 2017 and later work.
    "amazon": Preset(
        file="train.csv (kaggle.com/c/amazon-employee-access-challenge)",
        source={
            "format": "csv",
            "label": "ACTION",
            "interactions": True,
            "exclude_interactions": (("ROLE_TITLE", "ROLE_FAMILY"), ("ROLE_ROLLUP_1", "ROLE_ROLLUP_2")),
            # The published evaluations split without regard to classes.
            "stratify": False,
        },
        run={
            "optimiser": "lbfgs",
            # Cross-validated on the training rows; values from 1 to 4 differ by less than the folds do.
            "regularisation": 2.0,
            "tolerance": 1e-6,
        },
    ),
}

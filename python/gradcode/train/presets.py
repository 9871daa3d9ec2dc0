"""Well-known files: how the published evaluations prepare them, and how to train on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gradcode.train.config import OptimiserName

__all__ = ["PRESETS", "Preset", "PresetName"]

PresetName = Literal["amazon"]


@dataclass(frozen=True)
class Preset:
    """What a preset stands for.

    Attributes
    ----------
    file : str
        Where to find the data, for a message.
    source : mapping
        Fields of `Source`.
    optimiser, regularisation, tolerance
        Of `TrainConfig`, where the user names none.
    """

    file: str
    source: Mapping[str, Any]
    optimiser: OptimiserName
    regularisation: float
    tolerance: float


PRESETS: dict[PresetName, Preset] = {
    # Amazon Employee Access Challenge (Kaggle, 2013), prepared as by Tandon et al. 2017 and those who followed.
    "amazon": Preset(
        file="train.csv (kaggle.com/c/amazon-employee-access-challenge)",
        source={
            "format": "csv",
            "label": "ACTION",
            "interactions": True,
            "exclude_interactions": (("ROLE_TITLE", "ROLE_FAMILY"), ("ROLE_ROLLUP_1", "ROLE_ROLLUP_2")),
            # A plain split, as published.
            "stratify": False,
        },
        optimiser="lbfgs",
        # Cross-validated on the training rows; 1 to 4 differ by less than the folds do.
        regularisation=2.0,
        tolerance=1e-6,
    ),
}

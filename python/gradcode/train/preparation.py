"""From a configuration to data laid out for the ranks, with everything refused that can be before they start."""

from __future__ import annotations

import os
from pathlib import Path

from gradcode.errors import DataError
from gradcode.train.config import TrainConfig
from gradcode.train.data import load_data
from gradcode.train.prepared import save

__all__ = ["check_output", "prepare"]


def prepare(config: TrainConfig, directory: str | os.PathLike[str]) -> None:
    """Read, check and split the data that `config` names, and lay it out in `directory`.

    Raises
    ------
    DataError, ValueError
        If there is no such file, its content cannot be used, or it has too few rows for the scheme.
    """
    if config.data is not None and not Path(config.data).is_file():
        rule = "a file, got a directory" if Path(config.data).is_dir() else "a file that exists"
        raise DataError(f"data must be {rule}: {config.data}")
    dataset = load_data(config.data, config.seed, config.dtype)
    shares = config.gradient_code.n_subsets
    rows = dataset.train_X.shape[0] // shares
    if rows < 1:
        raise DataError(f"data must have a training row for each of {shares} shares, got {dataset.train_X.shape[0]}")
    if config.chunks > rows:
        raise ValueError(f"chunks must be at most the {rows} rows of a share, got {config.chunks}")
    save(dataset, directory)


def check_output(config: TrainConfig) -> None:
    """Make the output directory, if there shall be one.

    Raises
    ------
    ValueError
        If it cannot be made, or holds something that would be lost.
    """
    if config.output is None:
        return
    path = Path(config.output)
    if path.exists() and not path.is_dir():
        raise ValueError(f"output must be a directory, got the file {path}")
    if path.is_dir() and any(path.iterdir()):
        raise ValueError(f"output must be a new or empty directory, so that no result is lost, got {path}")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"output must be a directory that can be made, got {path}: {error.strerror or error}"
        ) from None

"""The files that a run writes to its output directory."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gradcode._files import replacing
from gradcode.errors import DataError

__all__ = ["RunOutput", "check_output", "read_parameters"]


class RunOutput:
    """Writes rounds.jsonl and, now and then, parameters.npz during a run, and result.json at its end.

    The last two are replaced in one step. Once result.json exists, everything else is complete.

    Parameters
    ----------
    directory : Path
        The output directory. It is created if needed.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._rounds: IO[str] = (directory / "rounds.jsonl").open("w", encoding="utf-8")

    def __enter__(self) -> RunOutput:
        """Return this object; rounds.jsonl is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close rounds.jsonl."""
        self._rounds.close()

    def round(self, record: dict[str, Any]) -> None:
        """Append one round."""
        self._rounds.write(json.dumps(record) + "\n")
        self._rounds.flush()

    def parameters(self, parameters: npt.NDArray[Any]) -> None:
        """Write parameters.npz, with a single array, ``parameters``."""
        self._replace("parameters.npz", lambda file: np.savez(file, parameters=parameters))

    def result(self, result: dict[str, Any]) -> None:
        """Write result.json."""
        text = json.dumps(result, indent=2) + "\n"
        self._replace("result.json", lambda file: file.write(text.encode()))

    def _replace(self, name: str, write: Any) -> None:
        with replacing(self.directory / name) as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())


def check_output(output: str | os.PathLike[str] | None) -> None:
    """Create the output directory, unless it is None.

    Raises
    ------
    ValueError
        If it cannot be created, or contains files that would be lost.
    """
    if output is None:
        return
    path = Path(output)
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


def read_parameters(path: Path) -> npt.NDArray[Any]:
    """Read the parameters that `RunOutput.parameters` wrote.

    Raises
    ------
    DataError
        If there is no such file, or it does not contain parameters.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            parameters: npt.NDArray[Any] = file["parameters"]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, EOFError, AttributeError, TypeError, zipfile.BadZipFile):
        # Do not show NumPy's message: it may suggest to unpickle the file, which is unsafe.
        raise DataError(f"{path}: must be the parameters.npz of a training run, and is not") from None
    if not np.isfinite(parameters).all():
        raise DataError(f"{path}: its parameters must be finite")
    return parameters

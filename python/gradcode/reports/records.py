"""Reading the output directory of a run."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradcode.errors import DataError

__all__ = ["Run", "read_run"]

Floats = npt.NDArray[np.float64]

_NEEDED = {"status": str, "rounds": int, "used": list, "late": list, "scheme": dict, "data": dict}
_KINDS = {str: "a text", int: "an integer", list: "a list", dict: "an object"}
_MAX_LINE = 2**26  # bytes; a round of a million workers takes less
_MAX_RESULT = 2**28


@dataclass(frozen=True)
class Run:
    """One training run of R rounds with n workers, read from its output directory.

    Attributes
    ----------
    directory : Path
        The output directory.
    result : dict
        The content of result.json.
    loss : ndarray
        Shape (R,), float64: the objective at the parameters of the round.
    seconds : ndarray
        Shape (R,), float64: time of the round, with the step of the optimiser.
    late : ndarray
        Shape (R, ceil(n / 8)), uint8: bit w % 8 of byte w // 8 is set if worker w was late.
    used_rounds, late_rounds : ndarray
        Shape (n,), int64: the number of rounds in which the answer of a worker was used, and in which it was late. In
        the other rounds its answer was not needed.
    compute_seconds : ndarray
        Shape (n,), float64: the mean over the rounds in which a worker was used; NaN if there were none.
    test_rounds : ndarray
        Shape (T,), int64: the rounds in which the test rows were scored.
    test : dict of str to ndarray
        The values of each score, shape (T,), float64; NaN if it was undefined.
    """

    directory: Path
    result: dict[str, Any]
    loss: Floats
    seconds: Floats
    late: npt.NDArray[np.uint8]
    used_rounds: npt.NDArray[np.int64]
    late_rounds: npt.NDArray[np.int64]
    compute_seconds: Floats
    test_rounds: npt.NDArray[np.int64]
    test: dict[str, Floats]

    @property
    def n_workers(self) -> int:
        """Number of workers n."""
        return len(self.used_rounds)

    @property
    def n_rounds(self) -> int:
        """Number of rounds R."""
        return len(self.loss)

    def late_share(self, start: int, stop: int) -> Floats:
        """Return, for each worker, the share of the rounds start..stop-1 in which it was late.

        Parameters
        ----------
        start, stop : int
            At least one round.

        Returns
        -------
        ndarray
            Shape (n,), float64, in 0..1.
        """
        bits = np.unpackbits(self.late[start:stop], axis=1, count=self.n_workers, bitorder="little")
        share: Floats = bits.mean(axis=0, dtype=np.float64)
        return share


def read_run(directory: str | Path) -> Run:
    """Read result.json and rounds.jsonl of an output directory.

    Rounds are read line by line, so a run of a million rounds needs only tens of megabytes. An incomplete last line is
    dropped: the run was killed while it wrote it.

    Parameters
    ----------
    directory : str or Path
        The output directory of `gradcode train`.

    Returns
    -------
    Run
        The run.

    Raises
    ------
    DataError
        If a file is missing or is not as a run writes it. The message names the file, the line and the rule.
    """
    directory = Path(directory)
    result = _read_result(directory / "result.json")
    columns = _Columns(len(result["used"]))
    path = directory / "rounds.jsonl"
    for line_number, record in _records(path):
        try:
            columns.append(record)
        except ValueError as error:
            raise DataError(f"{path}:{line_number}: {error}") from None
    return columns.run(directory, result)


def _read_result(path: Path) -> dict[str, Any]:
    try:
        if (size := path.stat().st_size) > _MAX_RESULT:
            raise DataError(f"{path}: must have at most {_MAX_RESULT} bytes, got {size}")
        result = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: must be JSON: {error}") from None
    if not isinstance(result, dict):
        raise DataError(f"{path}: must be a JSON object, got {type(result).__name__}")
    for name, kind in _NEEDED.items():
        if not isinstance(result.get(name), kind):
            raise DataError(f"{path}: {name} must be {_KINDS[kind]}, got {_quote(result.get(name))}")
    if not result["used"]:
        raise DataError(f"{path}: used must have an entry for each worker, got none")
    return result


def _records(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield each line: its number, from 1, and its content."""
    try:
        with path.open("rb") as lines:
            line_number = 0
            while line := lines.readline(_MAX_LINE):
                line_number += 1
                if len(line) == _MAX_LINE:
                    raise DataError(f"{path}:{line_number}: must have fewer than {_MAX_LINE} bytes")
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    if not line.endswith(b"\n"):
                        return  # the last line is incomplete
                    raise DataError(f"{path}:{line_number}: must be JSON: {error}") from None
                yield line_number, record
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


class _Columns:
    """Collects the rounds in columns; `append` raises ValueError if a round is not as it should be."""

    def __init__(self, n_workers: int) -> None:
        self._n = n_workers
        self._width = -(-n_workers // 8)
        self._loss = array("d")
        self._seconds = array("d")
        self._late = bytearray()
        self._used_rounds = [0] * n_workers
        self._late_rounds = [0] * n_workers
        self._compute = [0.0] * n_workers
        self._test_rounds = array("q")
        self._test: dict[str, array[float]] = {}

    def append(self, record: Any) -> None:
        if not isinstance(record, dict):
            raise ValueError(f"must be a JSON object, got {_quote(record)}")
        index = len(self._loss)
        if record.get("round") != index:
            raise ValueError(f"round must be {index}, got {_quote(record.get('round'))}")
        loss, seconds = _number(record, "loss"), _number(record, "seconds")
        used, late = self._workers(record, "used"), self._workers(record, "late")
        compute = record.get("compute_seconds")
        if not isinstance(compute, list) or len(compute) != len(used) or not all(map(_is_number, compute)):
            raise ValueError(f"compute_seconds must be a number for each worker used, got {_quote(compute)}")
        self._append_test(record, index)
        self._loss.append(loss)
        self._seconds.append(seconds)
        for worker, taken in zip(used, compute, strict=True):
            self._used_rounds[worker] += 1
            self._compute[worker] += taken
        bits = 0
        for worker in late:
            self._late_rounds[worker] += 1
            bits |= 1 << worker
        self._late += bits.to_bytes(self._width, "little")

    def _workers(self, record: dict[str, Any], name: str) -> list[int]:
        workers = record.get(name)
        if not isinstance(workers, list) or not all(type(w) is int and 0 <= w < self._n for w in workers):
            raise ValueError(f"{name} must be a list of workers in 0..{self._n - 1}, got {_quote(workers)}")
        if len(set(workers)) != len(workers):
            raise ValueError(f"{name} must be distinct workers, got {_quote(workers)}")
        return workers

    def _append_test(self, record: dict[str, Any], index: int) -> None:
        scores = record.get("test")
        if not scores:
            return
        if not isinstance(scores, dict) or not all(v is None or _is_number(v) for v in scores.values()):
            raise ValueError(f"test must be an object of numbers, got {_quote(scores)}")
        for name, value in scores.items():
            column = self._test.setdefault(name, array("d", [np.nan]) * len(self._test_rounds))
            column.append(np.nan if value is None else value)
        self._test_rounds.append(index)
        for column in self._test.values():
            if len(column) < len(self._test_rounds):
                column.append(np.nan)

    def run(self, directory: Path, result: dict[str, Any]) -> Run:
        used = np.array(self._used_rounds, np.int64)
        compute = np.full(self._n, np.nan)
        np.divide(self._compute, used, out=compute, where=used > 0)
        return Run(
            directory=directory,
            result=result,
            loss=np.array(self._loss),
            seconds=np.array(self._seconds),
            late=np.frombuffer(bytes(self._late), np.uint8).reshape(len(self._loss), self._width),
            used_rounds=used,
            late_rounds=np.array(self._late_rounds, np.int64),
            compute_seconds=compute,
            test_rounds=np.array(self._test_rounds, np.int64),
            test={name: np.array(column) for name, column in self._test.items()},
        )


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


def _number(record: dict[str, Any], name: str) -> float:
    value = record.get(name)
    if not _is_number(value):
        raise ValueError(f"{name} must be a number, got {_quote(value)}")
    return float(value)  # type: ignore[arg-type]


def _quote(value: Any, limit: int = 60) -> str:
    shown = repr(value)
    return shown[:limit] + "..." if len(shown) > limit else shown

"""Measure the limits of the machine with loops in C, compiled for its processor when they are needed.

This needs a C compiler (``cc``, or the one that the environment variable ``CC`` names).
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

SOURCE = Path(__file__).with_name("floor.c")
LINE = 64  # bytes

# For each level: the compiler flags that allow its instructions, and the bytes of a register.
LEVELS = {
    "base": ([], 16),
    "neon": ([], 16),
    "avx2": (["-mavx2", "-mfma"], 32),
    "avx512": (["-mavx512f", "-mfma"], 64),
}

# Runs a contender or a loop the given number of times.
Repeated = Callable[[int], object]


class Floor(NamedTuple):
    """The compiled loops."""

    compiler: str  # name and version
    move: Callable[..., None]
    peaks: dict[str, dict[str, Callable[[int], float]]]  # by level and type; each returns the operations done


def build(levels: tuple[str, ...]) -> Floor:
    """Compile the loops; those that multiply and add are compiled for each level."""
    words = shlex.split(os.environ.get("CC", "cc"))
    compiler = shutil.which(words[0])
    if compiler is None:
        raise SystemExit(f"the report needs a C compiler to measure the floor, but {words[0]} is not found (set CC)")
    command = [compiler, *words[1:]]
    with tempfile.TemporaryDirectory() as folder:
        try:
            library = _compile(command, ["-march=native", "-fopenmp"], Path(folder, "move.so"))
        except subprocess.CalledProcessError:  # a compiler that lacks OpenMP or does not know the processor
            library = _compile(command, [], Path(folder, "move.so"))
        move = library.floor_move
        size, number, pointer = ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p
        move.argtypes, move.restype = [pointer, size, pointer, size, number, number, number, size], None
        peaks: dict[str, dict[str, Callable[[int], float]]] = {}
        for level in levels:
            flags, width = LEVELS[level]
            library = _compile(command, [*flags, f"-DBYTES={width}"], Path(folder, f"{level}.so"))
            for peak in (library.floor_peak_f32, library.floor_peak_f64):
                peak.argtypes, peak.restype = [size], ctypes.c_double
            peaks[level] = {"float32": library.floor_peak_f32, "float64": library.floor_peak_f64}
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    return Floor(version.splitlines()[0], move, peaks)


def moves(floor: Floor, n_read: int, n_written: int, threads: int) -> dict[str, Repeated]:
    """Return the loops that read and write these numbers of bytes, on buffers of their own."""
    source, target = _lines(n_read), _lines(n_written)
    read, written = -(-n_read // LINE), -(-n_written // LINE)

    def way(four: int, nontemporal: int) -> Repeated:
        def run(repeat: int) -> None:
            floor.move(source.ctypes.data, read, target.ctypes.data, written, four, nontemporal, threads, repeat)

        return run

    return {
        f"floor, {4 if four else 1} streams, {'non-temporal' if nontemporal else 'normal'}": way(four, nontemporal)
        for four in (0, 1)
        for nontemporal in (0, 1)
    }


def _compile(command: list[str], flags: list[str], path: Path) -> ctypes.CDLL:
    options = ["-O3", *flags, "-shared", "-fPIC", str(SOURCE), "-o", str(path)]
    subprocess.run([*command, *options], capture_output=True, check=True)
    return ctypes.CDLL(str(path))


def _lines(n_bytes: int) -> np.ndarray:
    """Return memory that starts at a cache line and is already touched."""
    held = np.ones(n_bytes + 2 * LINE, np.uint8)
    return held[-held.ctypes.data % LINE :]

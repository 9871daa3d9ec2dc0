"""The limits of the machine, measured by kernels in C that are compiled for it on the spot.

A C compiler is needed (``cc``, or what the environment variable ``CC`` names).
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

# What a level may use: the flags that allow it, and the bytes of its registers.
LEVELS = {
    "base": ([], 16),
    "neon": ([], 16),
    "avx2": (["-mavx2", "-mfma"], 32),
    "avx512": (["-mavx512f", "-mfma"], 64),
}

# Runs so many times.
Repeated = Callable[[int], object]


class Floor(NamedTuple):
    """The compiled kernels."""

    compiler: str  # name and version
    move: Callable[..., None]
    peaks: dict[str, dict[str, Callable[[int], float]]]  # of a level and a type; returns the operations done


def build(levels: tuple[str, ...]) -> Floor:
    """Compile the kernels, those that multiply and add for each level."""
    words = shlex.split(os.environ.get("CC", "cc"))
    compiler = shutil.which(words[0])
    if compiler is None:
        raise SystemExit(f"the floor of the report needs a C compiler, and there is no {words[0]} (set CC)")
    command = [compiler, *words[1:]]
    with tempfile.TemporaryDirectory() as folder:
        try:
            library = _compile(command, ["-march=native", "-fopenmp"], Path(folder, "move.so"))
        except subprocess.CalledProcessError:  # a compiler without OpenMP, or that does not know its processor
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
    """Return the ways to read and write so many bytes, on buffers of their own."""
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
    """Return touched memory that starts at a line."""
    held = np.ones(n_bytes + 2 * LINE, np.uint8)
    return held[-held.ctypes.data % LINE :]

"""Describe the machine of a report, without naming it or its owner."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import numpy as np

from bench.kernels.optional import LIBRARIES


def describe(compiler: str) -> dict[str, str]:
    """Return processor, caches and versions."""
    found = {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores of {os.cpu_count()} used"
        if hasattr(os, "sched_getaffinity")
        else f"{_processor()}, {os.cpu_count()} cores",
        "caches": _caches() or "unknown",
        "huge pages": _huge_pages() or "unknown",
        "system": f"{platform.system()} {platform.machine()}",
        "compiler of the floor": compiler,
        "Python": platform.python_version(),
        "NumPy": f"{np.__version__} ({_blas()})",
    }
    for name in ("scipy", *LIBRARIES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def load() -> str:
    """Return the load average of the last minute: the number of processes that wanted to run, including ours."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "model name" not in facts:
        return platform.machine()
    return f"{facts['model name']} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')})"


def _caches() -> str:
    found = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found)


def _huge_pages() -> str:
    try:
        text = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return ""
    return text.partition("[")[2].partition("]")[0]


def _blas() -> str:
    config = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {}) if isinstance(config, dict) else {}
    return f"{blas.get('name', 'BLAS')} {blas.get('version', '')}".strip()

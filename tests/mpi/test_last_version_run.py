"""A run writes what the last version wrote, in every field but times, and what depends on the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LAST = json.loads((Path(__file__).parents[1] / "last_version.json").read_text())
# Another processor adds up in another order (1e-16), and four rounds of descent multiply that by less than 1e5.
TOLERANCE = 1e-11


def differences(new, old, path=""):
    """Where two records differ; an old value of None stands for what depends on time, machine or folder."""
    if isinstance(old, dict):
        if set(old) - set(new):
            yield f"{path}: lacks {sorted(set(old) - set(new))}"
        for key in set(old) & set(new):
            yield from differences(new[key], old[key], f"{path}.{key}")
    elif isinstance(old, list):
        if len(new) != len(old):
            yield f"{path}: {new} and not {old}"
        for index, (one, other) in enumerate(zip(new, old, strict=False)):
            yield from differences(one, other, f"{path}[{index}]")
    elif isinstance(old, float):
        if new != pytest.approx(old, rel=TOLERANCE):
            yield f"{path}: {new} and not {old}"
    elif old is not None and new != old:
        yield f"{path}: {new} and not {old}"


def test_a_comparison_writes_what_the_last_version_wrote(tmp_path):
    output = tmp_path / "out"
    command = [sys.executable, "-P", "-m", "gradcode", "train", *LAST["command"], "--output", str(output)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert completed.returncode == 0, completed.stderr
    assert json.loads((output / "comparison.json").read_text()) == {"runs": list(LAST["runs"])}
    for name, old in LAST["runs"].items():
        folder = output / name
        result = json.loads((folder / "result.json").read_text())
        rounds = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
        assert list(differences(result, old["result"], "result")) == []
        assert list(differences(rounds, old["rounds"], "rounds")) == []
        assert (folder / "report.html").is_file() and (folder / "parameters.npz").is_file()

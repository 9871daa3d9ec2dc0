"""Measure the cost of a straggler: seconds per round with and without one, coded and uncoded, on this machine.

``python -m bench.cluster.stragglers`` runs `gradcode train` with six workers for 50 rounds. It repeats each case
several times, interleaved, and writes a table to bench/results/stragglers.md. In each delayed round one worker is two
seconds late: a different worker each time ("transient"), or always the same one, which cannot be interrupted ("busy").
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

DELAY = ["--delay", "2", "--delayed", "1"]
CODED = ["--stragglers", "1", "--communication", "2"]
CASES = {
    "coded, nobody delayed": CODED,
    "coded, transient delay": [*CODED, *DELAY],
    "coded, busy delay": [*CODED, *DELAY, "--delay-kind", "busy"],
    "repetition, nobody delayed": ["--stragglers", "1"],
    "repetition, transient delay": ["--stragglers", "1", *DELAY],
    "repetition, busy delay": ["--stragglers", "1", *DELAY, "--delay-kind", "busy"],
    "uncoded, nobody delayed": ["--scheme", "uncoded"],
    "uncoded, transient delay": ["--scheme", "uncoded", *DELAY],
}
RESULTS = Path(__file__).parents[1] / "results" / "stragglers.md"
# The promise: in mean and 95th percentile, a delayed run takes at most FACTOR x the undelayed time + EXTRA_SECONDS.
FACTOR, EXTRA_SECONDS = 1.2, 0.020
CAVEAT = (
    "On one machine messages are almost free. So the repetition code (load 2) is cheaper here than the code that "
    "halves messages (load 3), and uncoded rounds without a delay are as cheap as any. Coding pays where workers "
    "straggle, and shorter messages pay where links are slow."
)


def measure(options: list[str], rounds: int) -> dict[str, float]:
    """Return mean, median and p95 of the seconds per round of the whole loop."""
    with tempfile.TemporaryDirectory() as directory:
        out = str(Path(directory) / "out")
        command = [sys.executable, "-m", "gradcode", "train", "--iterations", str(rounds), "--output", out, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result: dict[str, dict[str, float]] = json.loads((Path(out) / "result.json").read_text())
        return result["seconds_per_round"]


def main() -> int:
    """Measure, print and write the table; return 0 if the promise holds, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--uncoded-repetitions", type=int, default=1, help="of the delayed uncoded case")
    options = parser.parse_args()
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    for repetition in range(options.repetitions):
        for name, case in CASES.items():
            if name == "uncoded, transient delay" and repetition >= options.uncoded_repetitions:
                continue
            measured[name].append(measure(case, options.rounds))
            print(f"{repetition}: {name}: {measured[name][-1]}", flush=True)

    lines = [
        "# What a straggler costs",
        "",
        f"Six workers and the master on {os.cpu_count()} cores ({platform.machine()}, Python "
        f"{platform.python_version()}), {options.rounds} rounds of `gradcode train` on the digits data. In the delayed "
        "cases one worker is 2 s late in every round. Milliseconds per round of the whole loop: median of "
        f"{options.repetitions} interleaved repetitions ({options.uncoded_repetitions} of the delayed uncoded case) "
        "[smallest, largest].",
        "",
        "| case | mean | median | p95 |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {spread(runs, 'mean')} | {spread(runs, 'median')} | {spread(runs, 'p95')} |"
        for name, runs in measured.items()
    ]
    lines += ["", CAVEAT, ""]
    lines += [f"Promised: delayed <= {FACTOR} x undelayed + {EXTRA_SECONDS * 1e3:g} ms.", ""]
    kept = True
    for scheme in ("coded", "repetition"):
        for kind in ("transient", "busy"):
            for what in ("mean", "p95"):
                base = middle(measured[f"{scheme}, nobody delayed"], what)
                delayed = middle(measured[f"{scheme}, {kind} delay"], what)
                holds = delayed <= FACTOR * base + EXTRA_SECONDS
                kept &= holds
                lines.append(
                    f"- {scheme}, {kind}, {what}: {delayed * 1e3:.1f} ms against {base * 1e3:.1f} ms undelayed, "
                    f"ratio {delayed / base:.2f}: {'kept' if holds else 'NOT KEPT'}"
                )
    report = "\n".join(lines) + "\n"
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(report)
    print(report)
    return 0 if kept else 1


def middle(runs: list[dict[str, float]], what: str) -> float:
    """Return the median over the repetitions."""
    return statistics.median(run[what] for run in runs)


def spread(runs: list[dict[str, float]], what: str) -> str:
    """Write median [smallest, largest], in milliseconds."""
    values = [run[what] * 1e3 for run in runs]
    return f"{statistics.median(values):.1f} [{min(values):.1f}, {max(values):.1f}]"


if __name__ == "__main__":
    sys.exit(main())

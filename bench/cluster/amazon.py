"""Evaluate on the Amazon Employee Access data: compare with scikit-learn, and schemes with each other, on this machine.

``python -m bench.cluster.amazon path/to/train.csv`` trains with `gradcode train --preset amazon` and fits
scikit-learn's LogisticRegression to the same objective. Then it compares schemes with no worker late and with one of
six late, in several interleaved repetitions. It writes bench/results/amazon.md.
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
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from gradcode.datasets.loading import load
from gradcode.datasets.source import Source
from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import regularised
from gradcode.train.presets import PRESETS

RESULTS = Path(__file__).parents[1] / "results" / "amazon.md"
SCHEMES = ("uncoded", "repetition", "grouped")
SCHEME = ["--workers", "6", "--stragglers", "1", "--communication", "2"]
CAVEAT = (
    "On one machine messages are almost free, and six workers share the cores. So a load of 2 or 3 costs its full "
    "price, and shorter messages gain nothing. Coding pays where workers straggle. Here repetition (load 2, whole "
    "gradients) is the cheaper code; the code that halves messages (load 3) is meant for slow links."
)


def gradcode_train(data: str, *options: str) -> dict[str, dict[str, Any]]:
    """Run `gradcode train`; return its results by scheme, with the parameters if it is a single run."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        command = [sys.executable, "-P", "-m", "gradcode", "train", "--preset", "amazon", "--data", data]
        subprocess.run([*command, *options, "--output", str(out)], check=True, stdout=subprocess.DEVNULL)
        if (out / "result.json").exists():
            result = json.loads((out / "result.json").read_text())
            with np.load(out / "parameters.npz", allow_pickle=False) as file:
                return {"": result | {"parameters": file["parameters"]}}
        return {name: json.loads((out / name / "result.json").read_text()) for name in SCHEMES}


def against_scikit_learn(data: str, iterations: int) -> list[str]:
    """Return lines on the objective, the AUC, the time and the memory of one run."""
    result = gradcode_train(data, *SCHEME, "--iterations", str(iterations))[""]
    rows = load(Source(data, **PRESETS["amazon"].source))
    penalty = result["regularisation"]

    def objective(w: np.ndarray) -> float:
        loss = LOSSES["logistic"].value_and_gradient(w, rows.train_X, rows.train_y)
        return regularised(*loss, w, penalty)[0]

    model = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-6, max_iter=10_000)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on convergence: only the objectives are compared
        model.fit(rows.train_X, rows.train_y)
    seconds = time.perf_counter() - started
    reference = objective(model.coef_.ravel())
    auc = roc_auc_score(rows.test_y, model.decision_function(rows.test_X))
    memory = result["memory"]
    return [
        f"`gradcode train --preset amazon {' '.join(SCHEME)} --iterations {iterations}`, "
        f"{rows.train_X.shape[0]:,} × {rows.train_X.shape[1]:,}, L-BFGS, penalty {penalty:g}:",
        "",
        "| | gradcode | scikit-learn, tol 1e-6 |",
        "|---|---|---|",
        f"| objective | {objective(result['parameters']):.6g} | {reference:.6g} |",
        f"| test AUC | {result['test']['auc']:.4f} | {auc:.4f} |",
        f"| gradients | {result['rounds']} ({result['stopped']}) | {int(model.n_iter_[0])} iterations |",
        f"| training | {result['train_seconds']:.1f} s | {seconds:.1f} s |",
        f"| peak memory | master {memory['master'] / 1e6:.0f} MB, each worker at most "
        f"{max(memory['workers']) / 1e6:.0f} MB | one process with all rows |",
        "",
        f"Objective: {objective(result['parameters']) / reference - 1:+.1e} of scikit-learn's; "
        f"AUC: {result['test']['auc'] - auc:+.4f}.",
    ]


def against_each_other(data: str, rounds: int, repetitions: int, delay: float) -> list[str]:
    """Return a table of the time per round of the schemes, with no worker late and with one late."""
    cases = {"nobody": [], "transient": ["--delay", str(delay), "--delayed", "1"]}
    measured: dict[tuple[str, str], list[dict[str, float]]] = {}
    for repetition in range(repetitions):
        for case, options in cases.items():
            fixed = ["--iterations", str(rounds), "--tolerance", "0", "--optimiser", "nesterov"]
            results = gradcode_train(data, *SCHEME, *fixed, "--compare", ",".join(SCHEMES), *options)
            for scheme, result in results.items():
                measured.setdefault((scheme, case), []).append(result["seconds_per_round"])
                print(f"{repetition}: {scheme}, {case} late: {result['seconds_per_round']}", flush=True)
    lines = [
        f"Milliseconds per round of the whole loop, over {rounds} rounds: median of {repetitions} interleaved "
        "repetitions [smallest, largest]. In the runs with a late worker, a different worker is "
        f"{delay * 1e3:g} ms late in each round.",
        "",
        "| scheme | late | mean | median | p95 |",
        "|---|---|---|---|---|",
    ]
    for (scheme, case), runs in sorted(measured.items(), key=lambda item: (item[0][1], SCHEMES.index(item[0][0]))):
        cells = (spread([run[what] for run in runs]) for what in ("mean", "median", "p95"))
        lines.append(f"| {scheme} | {'nobody' if case == 'nobody' else 'one'} | {' | '.join(cells)} |")
    return [*lines, "", CAVEAT]


def spread(seconds: list[float]) -> str:
    """Write median [smallest, largest], in milliseconds."""
    values = [value * 1e3 for value in seconds]
    return f"{statistics.median(values):.1f} [{min(values):.1f}, {max(values):.1f}]"


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="train.csv of the challenge")
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=50, help="rounds of each timed run")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--delay", type=float, default=0.5)
    options = parser.parse_args()
    data = str(options.data)
    lines = [
        "# The Amazon Employee Access evaluation",
        "",
        f"Six workers and the master on {os.cpu_count()} cores ({platform.machine()}, Python "
        f"{platform.python_version()}).",
        "",
        "## Against scikit-learn",
        "",
        *against_scikit_learn(data, options.iterations),
        "",
        "## Schemes against each other",
        "",
        *against_each_other(data, options.rounds, options.repetitions, options.delay),
    ]
    report = "\n".join(lines) + "\n"
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(report)
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

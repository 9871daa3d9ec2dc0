"""Output directories as a training run leaves them, made up for the tests of what reads them."""

from __future__ import annotations

import json

import numpy as np

RESULT = {
    "status": "completed",
    "stopped": "iterations",
    "iterations": 300,
    "test": {"auc": 0.9925, "accuracy": 0.9583},
    "loss": 103.367,
    "loss_name": "logistic",
    "objective": "sum over rows of log(1 + exp(-y x.w)) + regularisation/2 |w|^2",
    "regularisation": 0.5,
    "rate": 3.78e-5,
    "batch": None,
    "startup_seconds": 2.9,
    "train_seconds": 0.8612,
    "seconds_down": 0.4,
    "seconds_up": 0.1,
    "bytes_down": 10_345_024,
    "bytes_up": 4_126_112,
    "memory": {"master": 141_200_000, "workers": [128_000_000, None]},
    "scheme": {"name": "Grouped(6, load=3)", "load": 3.0, "stragglers": 1, "communication": 2, "message_size": 1073},
    "data": {"name": "digits", "train_rows": 1437, "test_rows": 360, "features": 2145, "classes": ["even", "odd"]},
    "delays": {"seconds": 0.2, "count": 1, "kind": "transient"},
    "configuration": {"workers": 6, "optimiser": "nesterov", "seed": 0, "source": {"path": None}, "rate": None},
    "command": "gradcode train --stragglers 1",
    "versions": {"gradcode": "0.1.0", "numpy": "2.0.0"},
    "output": "runs/1",
}


def records(n_rounds, n_workers, seed=0, test_every=None):
    """Return rounds in which workers are late at random, and one that answered was sometimes not needed."""
    rng = np.random.default_rng(seed)
    rounds = []
    for index in range(n_rounds):
        order = rng.permutation(n_workers).tolist()
        late = sorted(order[: rng.integers(0, n_workers)])
        answered = order[len(late) :]
        used = sorted(answered[: rng.integers(1, len(answered) + 1)])
        record = {
            "round": index,
            "loss": 100 + 900 / (1 + index / 10),
            "seconds": float(rng.lognormal(-5, 0.5)),
            "gradient_seconds": 0.004,
            "decode_seconds": 0.0001,
            "used": used,
            "late": late,
            "compute_seconds": rng.uniform(0.001, 0.002, len(used)).tolist(),
        }
        if test_every and index % test_every == 0:
            record["test"] = {"auc": 1 - 0.5 / (1 + index), "accuracy": None if index == 0 else 0.9}
        rounds.append(record)
    return rounds


def write_run(directory, rounds, n_workers, **change):
    """Write a run into a directory, which is made, and return it."""
    directory.mkdir(parents=True)
    seconds = np.array([record["seconds"] for record in rounds])
    result = {
        **RESULT,
        "rounds": len(rounds),
        "used": [sum(worker in record["used"] for record in rounds) for worker in range(n_workers)],
        "late": [sum(worker in record["late"] for record in rounds) for worker in range(n_workers)],
        "seconds_per_round": {
            "mean": seconds.mean(),
            "median": np.median(seconds),
            "p95": np.percentile(seconds, 95),
        }
        if rounds
        else None,
        **change,
    }
    (directory / "rounds.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rounds))
    (directory / "result.json").write_text(json.dumps(result))
    return directory


def result(n_workers=6, rounds=100, **change):
    """Return what result.json holds, of a run in which the last worker was late in every other round."""
    return {
        "status": "completed",
        "rounds": rounds,
        "iterations": 100,
        "stopped": "iterations",
        "test": {"auc": 0.98765, "accuracy": 0.95},
        "loss": 123.456,
        "train_seconds": 3.5,
        "startup_seconds": 0.8,
        "seconds_per_round": {"mean": 0.005, "median": 0.0041, "p95": 0.25},
        "seconds_down": 0.21,
        "seconds_up": 61.0,
        "bytes_down": 10_300_000,
        "bytes_up": 512,
        "memory": {"master": 120_000_000, "workers": [95_000_000, None] + [90_000_000] * (n_workers - 2)},
        "used": [rounds] * (n_workers - 1) + [rounds // 2],
        "late": [0] * (n_workers - 1) + [rounds - rounds // 2],
        "configuration": {},
        "scheme": {"name": "Grouped", "load": 3.0, "stragglers": 1, "communication": 2},
        "versions": {},
        "output": "runs/digits.json",
    } | change

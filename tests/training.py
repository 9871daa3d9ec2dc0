"""`gradcode train` in this process, its output, and what one process makes of the same data by itself.

`on_threads` is the command as people type it: it parses the options, prepares the data, trains and writes the output.
Only the ranks of mpirun are replaced, by the threads of `gradcode.local`. It draws no report; tests/mpi has the ranks
and the reports.
"""

from __future__ import annotations

import functools
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

import gradcode.local
from gradcode.cli.app import app
from gradcode.datasets.loading import load
from gradcode.datasets.prepared import open_prepared
from gradcode.datasets.source import Source
from gradcode.errors import GradCodeWarning
from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import batch_of, regularised
from gradcode.linear.optimisers import default_rate, optimiser_of
from gradcode.linear.spectrum import spectral_norm_squared
from gradcode.train import application, descent, launcher
from gradcode.train.config import TrainConfig
from gradcode.train.events import show
from gradcode.train.job import run_all

# One worker is late in every round, each time another one, and nobody waits for it.
STRAGGLER = ("--delay", 2, "--delayed", 1)


def on_threads(monkeypatch):
    """Return ``train(*options)``, which runs `gradcode train` with threads for ranks and returns its outcome."""

    def run(main, scheme, gradient, *, configuration, **options):
        return gradcode.local.run(main, scheme, gradient, **options)

    def launch(job, reporter):
        def attempt(config, launched_at, last):
            return application.train(config, prepared, lambda event: show(event, reporter), launched_at), None

        with tempfile.TemporaryDirectory() as scratch, job.directory(), warnings.catch_warnings():
            warnings.simplefilter("ignore", GradCodeWarning)  # as the ranks do: the command has said it
            prepared = open_prepared(job.prepare(Path(scratch), reporter.status))
            status, _ = run_all(job, attempt, reporter, time.time())
        return status

    monkeypatch.setattr(application, "run", run)
    monkeypatch.setattr(launcher, "launch", launch)
    monkeypatch.setattr(descent, "_versions", dict)  # those of MPI would start MPI in this process
    return lambda *options: CliRunner().invoke(app, ["train", *map(str, options)])


def result_of(directory):
    return json.loads((Path(directory) / "result.json").read_text())


def rounds_of(directory):
    return [json.loads(line) for line in (Path(directory) / "rounds.jsonl").read_text().splitlines()]


def parameters_of(directory):
    with np.load(Path(directory) / "parameters.npz", allow_pickle=False) as file:
        return file["parameters"]


@functools.cache
def built_in(target="binary"):
    """The data that `gradcode train` takes where it is given none."""
    return load(Source(target=target))


@functools.cache
def alone(*, loss="logistic", optimiser="nesterov", iterations, batch=None, regularisation=1e-3):
    """What one process makes of the built-in data with the same optimiser: parameters, and the objective there."""
    data = built_in(LOSSES[loss].target)
    X, y, n_rows = data.train_X, data.train_y, data.train_X.shape[0]
    value_and_gradient, round_ = LOSSES[loss].value_and_gradient, 0

    def objective(w, rows=slice(None), scale=1.0):
        value, vector = value_and_gradient(w, X[rows], y[rows])
        return regularised(scale * value, scale * vector, w, regularisation)

    def of_the_round(w):
        nonlocal round_
        rows = batch_of(n_rows, batch, 0, round_, 0, n_rows)
        round_ += 1
        return objective(w, rows, n_rows / batch)

    smoothness = LOSSES[loss].smoothness(spectral_norm_squared(X)) + regularisation
    w = optimiser_of(optimiser, n_rows)(
        objective if batch is None else of_the_round,
        np.zeros(LOSSES[loss].n_parameters(X.shape[1], len(data.classes))),
        rate=default_rate(optimiser, smoothness),
        iterations=iterations,
    ).w
    w.setflags(write=False)
    return w, objective(w)[0]


def distance(directory, expected):
    """How far the parameters of a run are from these, relative to their norm."""
    return np.linalg.norm(parameters_of(directory) - expected) / np.linalg.norm(expected)


def write_large_numbers(path):
    """Write data for the squared loss whose gradients are above the 65504 that float16 can hold."""
    rows = np.random.default_rng(0).uniform(500, 1000, (60, 2))
    path.write_text("".join(f"{10 * a - b:.3f} 1:{a:.3f} 2:{b:.3f}\n" for a, b in rows))


def check_comparison(directory, **delays):
    """All runs were made on the same data with the same worker delayed; only uncoded waited for it."""
    results = {name: result_of(directory / name) for name in ("uncoded", "grouped", "repetition")}
    assert [result["scheme"]["load"] for result in results.values()] == [1.0, 2.0, 2.0]
    medians = {name: result["seconds_per_round"]["median"] for name, result in results.items()}
    assert medians["uncoded"] >= delays["delay"] > medians["grouped"]
    losses = [result["loss"] for result in results.values()]
    assert max(losses) - min(losses) <= 1e-10 * max(losses)
    draws = TrainConfig(workers=4, **delays).delays()
    for name in ("grouped", "repetition"):
        rounds = rounds_of(directory / name)
        assert all(draws.delayed(index)[0] in record["late"] for index, record in enumerate(rounds))

"""`gradcode train` with threads for ranks: every scheme, loss, optimiser, message type and kind of data.

What comes out must be what one process makes of the same data, regardless of stragglers. tests/mpi/test_train_run.py
has the ranks of mpirun.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from training import (
    STRAGGLER,
    alone,
    built_in,
    check_comparison,
    distance,
    on_threads,
    parameters_of,
    result_of,
    write_large_numbers,
)
from typer.testing import CliRunner

from gradcode.cli.app import app
from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import regularised


@pytest.fixture
def train(monkeypatch):
    return on_threads(monkeypatch)


@pytest.mark.parametrize(
    ("options", "equal_to"),
    [
        ((*STRAGGLER, "--communication", 2), {}),
        (("--optimiser", "gd", "--workers", 5, "--chunks", 3), {"optimiser": "gd"}),
        (("--scheme", "uncoded", "--workers", 3), {}),
        ((*STRAGGLER, "--scheme", "cyclic-repetition"), {}),
        ((*STRAGGLER, "--scheme", "ye-abbe", "--communication", 2, "--nodes", "harmonic"), {}),
        ((*STRAGGLER, "--workers", 8, "--stragglers", 3, "--communication", 4, "--prefer", "decoding"), {}),
        (("--loss", "multinomial", "--workers", 4), {"loss": "multinomial"}),
        (("--loss", "squared", "--workers", 4), {"loss": "squared"}),
    ],
    ids=["grouped", "gd", "uncoded", "cyclic", "ye-abbe", "additive", "multinomial", "squared"],
)
def test_parameters_equal_those_of_one_process(train, tmp_path, options, equal_to):
    out = tmp_path / "out"
    completed = train("--iterations", 50, "--output", out, *options)
    assert completed.exit_code == 0, completed.stderr
    assert distance(out, alone(iterations=50, **equal_to)[0]) < 1e-10
    result = result_of(out)
    assert result["loss_name"] == equal_to.get("loss", "logistic")
    if "--delay" in options:
        assert sum(result["late"]) >= 50


@pytest.mark.parametrize(
    ("optimiser", "more", "batch"),
    [("sgd", ("--batch", 100), 100), ("adam", ("--chunks", 2), 256)],
    ids=["sgd", "adam"],
)
def test_batches_are_the_same_whoever_straggles(train, tmp_path, optimiser, more, batch):
    out = tmp_path / "out"
    options = ("--optimiser", optimiser, "--iterations", 100, *STRAGGLER, "--communication", 2, *more)
    completed = train("--output", out, *options)
    assert completed.exit_code == 0, completed.stderr
    assert distance(out, alone(optimiser=optimiser, iterations=100, batch=batch)[0]) < 1e-9
    result = result_of(out)
    assert result["batch"] == batch and "estimated from the batch" in result["objective"]


def test_lbfgs_reaches_the_objective_of_one_process(train, tmp_path):
    out = tmp_path / "out"
    options = ("--optimiser", "lbfgs", "--regularisation", 1, "--iterations", 300)
    completed = train("--output", out, *STRAGGLER, *options, "--tolerance", 1e-8)
    assert completed.exit_code == 0, completed.stderr
    _, expected = alone(optimiser="lbfgs", iterations=300, regularisation=1)
    data = built_in()
    value, vector = LOSSES["logistic"].value_and_gradient(parameters_of(out), data.train_X, data.train_y)
    reached, _ = regularised(value, vector, parameters_of(out), 1)
    assert abs(reached - expected) <= 1e-8 * expected
    result = result_of(out)
    assert result["stopped"] == "tolerance" and result["rounds"] < 300 and result["rate"] is None
    assert f"completed, {result['rounds']} of 300 rounds (tolerance reached)" in completed.stdout


def test_a_run_goes_on_from_the_parameters_of_another(train, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert train("--optimiser", "gd", "--workers", 3, "--iterations", 20, "--output", first).exit_code == 0
    start = ("--start", first / "parameters.npz")
    assert train("--optimiser", "gd", "--workers", 3, "--iterations", 30, "--output", second, *start).exit_code == 0
    assert distance(second, alone(optimiser="gd", iterations=50)[0]) < 1e-10


def test_float32_is_float32_throughout(train, tmp_path):
    out = tmp_path / "out"
    assert train("--dtype", "float32", "--iterations", 30, "--workers", 4, "--output", out).exit_code == 0
    assert parameters_of(out).dtype == np.float32


@pytest.mark.parametrize(
    ("wire_dtype", "options"),
    [
        ("float16", ("--communication", 2)),
        ("bfloat16", ("--communication", 2)),
        ("bfloat16", ("--scheme", "ye-abbe", "--nodes", "harmonic", "--communication", 2, "--chunks", 3)),
        pytest.param(
            "float16",
            ("--scheme", "cyclic-repetition", "--workers", 5, "--dtype", "float32"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["float16", "bfloat16", "ye-abbe", "cyclic"],
)
def test_messages_of_16_bits_teach_the_digits_as_well(train, tmp_path, wire_dtype, options):
    out = tmp_path / "out"
    completed = train("--wire-dtype", wire_dtype, *STRAGGLER, *options, "--output", out)
    assert completed.exit_code == 0, completed.stderr
    result, data = result_of(out), built_in()
    expected = LOSSES["logistic"].scores(alone(iterations=100)[0], data.test_X, data.test_y)["auc"]
    assert abs(result["test"]["auc"] - expected) <= 0.005, (result["test"]["auc"], expected)
    assert result["rounds"] == 100 and sum(result["late"]) >= 100

    size, workers = result["scheme"]["message_size"], result["configuration"]["workers"]
    assert result["configuration"]["wire_dtype"] == result["scheme"]["wire_dtype"] == wire_dtype
    assert result["configuration"]["source"]["dtype"] == "float32" and parameters_of(out).dtype == np.float32
    # Of two bytes a number; a worker that is late in one round may answer in another.
    assert 100 * 2 * size <= result["bytes_up"] <= 100 * workers * 2 * size
    assert f"messages       {size:,} numbers of {wire_dtype}\n" in completed.stdout


def test_bfloat16_holds_what_float16_cannot(train, tmp_path):
    path = tmp_path / "large.svm"
    write_large_numbers(path)
    options = ("--data", path, "--loss", "squared", "--workers", 3, "--iterations", 3, "--no-cache")
    assert train(*options, "--wire-dtype", "bfloat16").exit_code == 0
    failed = train(*options, "--wire-dtype", "float16")
    assert failed.exit_code != 0 and "the sum of all gradients must be finite" in failed.stderr


def test_schemes_are_compared_on_the_same_draws(train, tmp_path):
    out = tmp_path / "out"
    options = ("--compare", "uncoded,grouped,repetition", "--workers", 4, "--iterations", 8)
    completed = train(*options, "--delay", 0.1, "--delayed", 1, "--output", out)
    assert completed.exit_code == 0, completed.stderr
    check_comparison(out, delay=0.1, delayed=1)


def test_libsvm_files_can_be_trained_on(train, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5))
    labels = np.where(X @ [1, -2, 3, 0, 1] > 0, "1", "-1")
    lines = (
        f"{label} " + " ".join(f"{i + 1}:{v:.6f}" for i, v in enumerate(row))
        for label, row in zip(labels, X, strict=True)
    )
    path = tmp_path / "data.svm"
    path.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    completed = train("--data", path, "--workers", 3, "--output", out)
    assert completed.exit_code == 0, completed.stderr
    result = result_of(out)
    assert result["data"] == {
        "name": "data.svm",
        "train_rows": 160,
        "test_rows": 40,
        "features": 6,
        "parameters": 6,
        "classes": ["-1", "1"],
    }
    assert result["test"]["auc"] > 0.95


PEOPLE = "\n".join(
    ["town,job,age,left"]
    + [
        f"{'ABC'[i % 3]},{'xy'[i % 2]},{20 + i * 7 % 40}.5,{'yes' if i % 3 == 0 or i % 6 == 1 else 'no'}"
        for i in range(120)
    ]
)


def test_tables_can_be_trained_on(train, tmp_path):
    path, test, out = tmp_path / "people.csv", tmp_path / "test.csv", tmp_path / "out"
    path.write_text(PEOPLE + "\n")
    test.write_text("\n".join(PEOPLE.split("\n")[:41]) + "\n")
    about = ("--data", path, "--label", "left", "--numeric", "age", "--interactions", "--test", test)
    cache = tmp_path / "cache"
    first = train(*about, "--workers", 3, "--output", out, "--cache", cache)
    assert first.exit_code == 0, first.stderr
    # Three towns, two jobs, the six pairs of them, the age and the constant.
    assert result_of(out)["data"] | {"name": ""} == {
        "name": "", "train_rows": 120, "test_rows": 40, "features": 13, "parameters": 13, "classes": ["no", "yes"],
    }  # fmt: skip
    assert result_of(out)["test"]["auc"] > 0.9
    again = train(*about, "--workers", 3, "--cache", cache)
    assert "kept in" in first.stdout and "reading the prepared data" in again.stdout


def test_a_rate_that_is_too_large_is_named(train, tmp_path):
    completed = train("--rate", 1e300, "--workers", 2, "--iterations", 20, "--output", tmp_path / "out")
    assert completed.exit_code != 0
    assert "the rate, 1e+300, is too large" in completed.stderr
    assert not (tmp_path / "out" / "result.json").exists()


def test_a_damaged_result_is_refused_by_name(train, tmp_path):
    out = tmp_path / "out"
    assert train("--workers", 2, "--iterations", 2, "--output", out).exit_code == 0
    result = result_of(out)
    damage = {"seconds_per_round": "abc", "test": [1, 2], "versions": 5, "memory": {"master": "x"}, "scheme": None}
    for field, value in damage.items():
        (out / "result.json").write_text(json.dumps(result | {field: value}))
        outcome = CliRunner().invoke(app, ["report", str(out)])
        assert outcome.exit_code == 2, field
        assert "Traceback" not in outcome.stderr and "result.json" in outcome.stderr, field

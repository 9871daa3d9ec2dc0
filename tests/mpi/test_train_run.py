"""`gradcode train` with the ranks of mpirun, as people run it.

What does not depend on MPI (schemes, losses, optimisers, kinds of data) is in tests/test_train_threads.py, and what is
refused before any rank starts in tests/test_train_refusals.py.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from training import (
    STRAGGLER,
    alone,
    built_in,
    check_comparison,
    distance,
    parameters_of,
    result_of,
    rounds_of,
    write_large_numbers,
)
from typer.testing import CliRunner

from gradcode.cli.app import app
from gradcode.datasets.loading import load
from gradcode.datasets.source import Source
from gradcode.linear.losses import LOSSES
from gradcode.linear.objective import regularised
from gradcode.mpi.launch import mpirun_command, rank_environment
from gradcode.train.config import TrainConfig
from gradcode.train.presets import PRESETS

# -P: a source tree in the current directory must not hide the installed package.
TRAIN = [sys.executable, "-P", "-m", "gradcode", "train"]


def train(*options):
    """Run the command, which starts its own ranks."""
    command = [*TRAIN, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def serve(ranks, *options):
    """Run the command inside an mpirun of somebody's own."""
    command = mpirun_command(ranks, ["-P", "-m", "gradcode", "train", *map(str, options)])
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=rank_environment())


def check_page(path):
    page = path.read_text(encoding="utf-8")
    assert page.count("<svg") >= 1 and "<script" not in page
    return page


def test_the_command_of_the_readme_learns_the_digits(tmp_path):
    out = tmp_path / "out"
    completed = train("--communication", 2, *STRAGGLER, "--output", out)
    assert completed.returncode == 0, completed.stderr
    assert "test AUC" in completed.stdout and "round 100/100" in completed.stdout
    result = result_of(out)
    assert result["status"] == "completed" and result["rounds"] == 100
    assert result["scheme"]["name"] == "Grouped(6, <harmonic [3, 2, 2]>, load=3)"
    assert result["scheme"]["load"] == 3.0 and result["versions"]["mpi4py"]
    assert distance(out, alone(iterations=100)[0]) < 1e-10

    # The quality of scikit-learn's solution of the same objective: C = 1/regularisation, the bias a feature.
    digits = built_in()
    reference = LogisticRegression(C=1e3, fit_intercept=False, max_iter=10_000)
    reference.fit(digits.train_X, digits.train_y)
    expected = roc_auc_score(digits.test_y, reference.decision_function(digits.test_X))
    assert result["test"]["auc"] >= 0.98
    assert abs(result["test"]["auc"] - expected) <= 0.005, (result["test"]["auc"], expected)

    rounds = rounds_of(out)
    assert [r["round"] for r in rounds] == list(range(100))
    assert rounds[-1]["loss"] == result["loss"] < rounds[0]["loss"]
    assert all(not set(r["used"]) & set(r["late"]) and len(r["used"]) >= 4 for r in rounds)
    assert result["used"] == [sum(w in r["used"] for r in rounds) for w in range(6)]
    assert sum(result["late"]) >= 100
    # The model goes down to at least the 4 workers that each round needs; half a gradient comes up from each.
    assert result["bytes_down"] >= 100 * 4 * 8 * 2145 and result["bytes_up"] >= 100 * 4 * 8 * 1073

    page = check_page(out / "report.html")
    assert f"gradcode train --communication 2 --delay 2 --delayed 1 --output {out}" in page
    assert {path.suffix for path in (out / "figures").iterdir()} == {".svg"}
    assert str(out / "report.html") in completed.stdout
    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    again = CliRunner().invoke(app, ["report", str(out)])
    assert again.exit_code == 0 and again.stdout.strip() == str(out / "report.html")
    assert (out / "report.html").read_bytes() == before


def test_a_busy_worker_is_never_waited_for_and_a_costly_grouping_is_warned_of_once(tmp_path):
    out = tmp_path / "out"
    options = ("--workers", 5, "--scheme", "grouped", "--code", "gaussian", "--communication", 2)
    completed = train(*options, *STRAGGLER, "--delay-kind", "busy", "--iterations", 50, "--output", out)
    assert completed.returncode == 0, completed.stderr
    assert distance(out, alone(iterations=50)[0]) < 1e-10
    assert max(result_of(out)["late"]) == 50  # it sleeps 2 s over every model it takes
    assert completed.stderr.count("5 workers make 1 group") == 1
    assert completed.stderr.startswith("gradcode: warning: 5 workers make 1 group")


def test_schemes_are_compared_inside_an_existing_mpirun(tmp_path):
    out = tmp_path / "out"
    options = ("--compare", "uncoded,grouped,repetition", "--iterations", 8, "--delay", 0.1, "--delayed", 1)
    completed = serve(5, *options, "--output", out)
    assert completed.returncode == 0, completed.stderr
    check_comparison(out, delay=0.1, delayed=1)
    check_page(out / "comparison.html")
    result = result_of(out / "grouped")
    assert result["configuration"]["workers"] == 4 and result["rounds"] == 8
    # One rank speaks: of each run, and once of all of them.
    assert completed.stdout.count("test AUC") == 4 and "\x1b" not in completed.stdout
    table = completed.stdout[completed.stdout.rindex("load") :]
    assert "speed" in table and str(out / "comparison.html") in completed.stdout


@pytest.mark.slow
def test_runs_with_messages_of_16_bits_are_compared_and_go_on_from_parameters(tmp_path):
    out, start = tmp_path / "out", tmp_path / "parameters.npz"
    before, objective = alone(optimiser="gd", iterations=20)
    np.savez(start, parameters=before.astype(np.float32))
    options = ("--wire-dtype", "bfloat16", "--workers", 3, "--iterations", 20, "--optimiser", "gd", "--start", start)
    delays = ("--delay", 0.1, "--delayed", 1)
    completed = train(*options, *delays, "--compare", "uncoded,repetition", "--output", out)
    assert completed.returncode == 0, completed.stderr
    assert "; messages of bfloat16; seed 0." in " ".join(completed.stdout.split())
    assert "messages of bfloat16" in check_page(out / "comparison.html")
    assert str(out / "comparison.html") in completed.stdout
    size = result_of(out / "uncoded")["scheme"]["message_size"]
    assert f"{size:,} numbers of bfloat16" in check_page(out / "uncoded" / "report.html")
    draws = TrainConfig(workers=3, delay=0.1, delayed=1).delays()
    assert all(draws.delayed(index)[0] in r["late"] for index, r in enumerate(rounds_of(out / "repetition")))
    for name in ("uncoded", "repetition"):
        result = result_of(out / name)
        assert result["configuration"]["wire_dtype"] == "bfloat16" and result["configuration"]["start"] == str(start)
        loss = [record["loss"] for record in rounds_of(out / name)]
        assert loss[-1] < loss[0] == pytest.approx(objective, rel=1e-4)
        # Of two bytes a number, with notes of 104 bytes.
        assert 20 * 2 * size <= result["bytes_up"] <= 20 * 3 * (2 * size + 1000)


def test_a_run_that_fails_says_why(tmp_path):
    path, out = tmp_path / "large.svm", tmp_path / "out"
    write_large_numbers(path)
    options = ("--data", path, "--loss", "squared", "--workers", 2, "--iterations", 3, "--no-cache")
    failed = train(*options, "--wire-dtype", "float16", "--output", out)
    assert failed.returncode == 1
    assert "the sum of all gradients must be finite" in failed.stderr
    assert "with messages of float16, which holds numbers up to 65504; send bfloat16 or float32" in failed.stderr
    assert not (out / "result.json").exists()


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
    rounds = rounds_of(out)
    assert len(rounds) == result["rounds"] and rounds[-1]["loss"] == result["loss"]
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


def test_a_comparison_that_fails_ends_on_all_ranks(tmp_path):
    out = tmp_path / "out"
    diverging = ("--optimiser", "gd", "--rate", 1e300, "--iterations", 20)
    completed = serve(3, "--compare", "uncoded,repetition", *diverging, "--output", out)
    assert completed.returncode != 0
    assert completed.stderr.count("the rate, 1e+300, is too large") == 1
    assert "\nrepetition\n" not in completed.stdout


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_reader_that_goes_away_takes_nothing_with_it(tmp_path):
    out = tmp_path / "out"
    options = ("--iterations", "5", "--workers", "2", "--output", str(out))
    with subprocess.Popen([*TRAIN, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(timeout=100) == 0, errors
    assert errors == ""
    check_page(out / "report.html")


def test_a_wrong_number_of_ranks_is_refused_once():
    completed = serve(3, "--workers", 4)
    assert completed.returncode != 0
    message = "the number of ranks must be n_workers + 1 = 5 (the workers and the master), got 3"
    assert (completed.stdout + completed.stderr).count(message) == 1, completed.stderr


@pytest.mark.slow
def test_a_fault_in_the_data_is_said_once_by_all_ranks(tmp_path):
    path = tmp_path / "bad.svm"
    path.write_text("1 1:0.5\n-1 1:nan\n")
    completed = serve(3, "--data", path)
    assert completed.returncode != 0
    assert completed.stderr.count("gradcode: error:") == 1 and f"{path}:2" in completed.stderr


AMAZON = Path(__file__).parents[3] / "shared" / "data" / "amazon_employee_access" / "train.csv"


@pytest.mark.skipif(not AMAZON.is_file(), reason="the Amazon Employee Access data are not there")
@pytest.mark.slow
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

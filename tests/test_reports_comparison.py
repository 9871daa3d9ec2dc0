"""Several runs side by side, as numbers."""

import io

import pytest

from gradcode.reports.comparison import comparison_table, comparison_text, measured_on, show_comparison


def result(mean=0.2, **change):
    return {
        "status": "completed",
        "rounds": 50,
        "test": {"auc": 0.9925, "accuracy": 0.95},
        "loss": 103.367,
        "train_seconds": None if mean is None else 50 * mean,
        "seconds_per_round": None if mean is None else {"mean": mean, "median": mean / 2, "p95": mean * 3},
        "scheme": {"name": "Grouped", "load": 3.0, "stragglers": 1, "communication": 2, "message_size": 1073},
        "data": {"name": "digits", "train_rows": 1437, "features": 2145},
        "delays": {"seconds": 2.0, "count": 1, "kind": "busy"},
        "configuration": {"workers": 6, "optimiser": "nesterov", "seed": 0, "scheme": "grouped", "output": "x"},
    } | change


UNCODED = {"name": "Uncoded", "load": 1.0, "stragglers": 0, "communication": 1, "message_size": 2145}


def test_rows_hold_the_numbers_of_the_results():
    first, second = comparison_table({"uncoded": result(2.0, scheme=UNCODED), "grouped": result(0.25)})
    assert first.name == "uncoded"
    assert first.scheme == "Uncoded"
    assert first[2:6] == (1.0, 0, 1, 2145)
    assert first.speed == 1.0
    assert second[2:6] == (3.0, 1, 2, 1073)
    assert (second.rounds, second.median, second.mean, second.p95) == (50, 0.125, 0.25, 0.75)
    assert (second.seconds, second.score_name, second.score, second.loss) == (12.5, "auc", 0.9925, 103.367)
    assert second.speed == 8.0


def test_text():
    text = comparison_text({"uncoded": result(2.0, scheme=UNCODED), "grouped": result(0.25)})
    assert text.splitlines() == [
        "                  uncoded  grouped",
        "load                    1        3",
        "stragglers              0        1",
        "communication           1        2",
        "message size         2145     1073",
        "rounds                 50       50",
        "median round        1.0 s   125 ms",
        "mean round          2.0 s   250 ms",
        "p95 round           6.0 s   750 ms",
        "training time       100 s   12.5 s",
        "test AUC           0.9925   0.9925",
        "loss              103.367  103.367",
        "speed vs uncoded       1x       8x",
        "",
        "digits, 1437 rows, 2145 features; 6 workers; nesterov; seed 0. Injected: 1",
        "worker late by 2.0 s in every round (busy).",
    ]


@pytest.mark.parametrize("n_runs", [1, 4, 5, 6, 12])
def test_text_fits_eighty_columns(n_runs):
    text = comparison_text({f"repetition-{i}": result(0.25) for i in range(n_runs)})
    assert max(map(len, text.splitlines())) <= 80
    assert all(text.count(f" repetition-{i}\n") + text.count(f" repetition-{i} ") >= 1 for i in range(n_runs))
    assert text.count("250 ms") == n_runs


@pytest.mark.parametrize("lost", [0, 1])
def test_a_run_without_rounds_has_no_speed(lost):
    results = {"one": result(), "two": result()}
    results[["one", "two"][lost]] = result(None, rounds=0, test={}, loss=None)
    rows = comparison_table(results)
    assert [row.speed for row in rows] == ([None, None] if lost == 0 else [1.0, None])
    assert rows[lost].score is None
    text = comparison_text(results)
    assert "test AUC" in text  # from the other run
    assert "-" in text.splitlines()[-4]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"data": {"name": "other"}}, "same data.name to be compared, got 'digits' in one and 'other' in two"),
        ({"delays": {"seconds": 1.0, "count": 1, "kind": "busy"}}, "same delays.seconds .* got 2.0 in one and 1.0 in"),
        ({"configuration": {"seed": 1}}, "same workers to be compared, got 6 in one and None in two"),
        (
            {"configuration": {"workers": 6, "optimiser": "nesterov", "seed": 0, "source": {"seed": 3}}},
            "same source.seed to be compared, got None in one and 3 in two",
        ),
    ],
)
def test_unlike_runs_are_refused(change, rule):
    with pytest.raises(ValueError, match=f"results must have the {rule}"):
        comparison_table({"one": result(), "two": result(**change)})


def test_nothing_is_refused():
    with pytest.raises(ValueError, match="results must have at least one run, got none"):
        comparison_table({})


def test_runs_may_differ_in_the_scheme_and_where_they_write():
    other = {**result()["configuration"], "scheme": "uncoded", "stragglers": 0, "communication": 1, "output": "y"}
    assert len(comparison_table({"one": result(), "two": result(configuration=other)})) == 2


def test_measured_on_says_when_nothing_was_injected():
    text = measured_on({"one": result(delays={"seconds": 0.0, "count": 0, "kind": "transient"})})
    assert text.endswith("seed 0. No delay was injected.")


def test_measured_on_names_messages_of_16_bits():
    configuration = {**result()["configuration"], "wire_dtype": "bfloat16"}
    assert "; nesterov; messages of bfloat16; seed 0. " in measured_on({"one": result(configuration=configuration)})
    with pytest.raises(ValueError, match="same wire_dtype to be compared, got 'bfloat16' in one and None in two"):
        comparison_table({"one": result(configuration=configuration), "two": result()})


def test_show_prints_the_text(capsys):
    results = {"one": result()}
    out = io.StringIO()
    show_comparison(results, out)
    show_comparison(results)
    assert out.getvalue() == capsys.readouterr().out == f"\n{comparison_text(results)}\n"

"""What a run has kept is read back whole, and the figures draw just that."""

import builtins
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from training_output import records, write_run

from gradcode.errors import DataError, MissingExtra
from gradcode.reports.bins import bands, late_shares
from gradcode.reports.drawing import save_figure
from gradcode.reports.figures import (
    comparison_figure,
    convergence_figure,
    rounds_figure,
    run_figures,
    usage_figure,
)
from gradcode.reports.records import read_run

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def make(tmp_path):
    """Return a function that writes a run and reads it back."""

    def make(n_rounds=30, n_workers=6, name="run", **options):
        rounds = records(n_rounds, n_workers, **options)
        return rounds, read_run(write_run(tmp_path / name, rounds, n_workers))

    return make


# --- records ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_workers", [1, 7, 8, 9, 70])
def test_rounds_are_read_as_they_were_written(make, n_workers):
    rounds, run = make(25, n_workers, test_every=4)
    assert (run.n_rounds, run.n_workers) == (25, n_workers)
    assert run.loss.tolist() == [r["loss"] for r in rounds]
    assert run.seconds.tolist() == [r["seconds"] for r in rounds]
    assert run.test_rounds.tolist() == [0, 4, 8, 12, 16, 20, 24]
    assert run.test["auc"].tolist() == [rounds[i]["test"]["auc"] for i in run.test_rounds]
    np.testing.assert_array_equal(run.test["accuracy"], [np.nan, *[0.9] * 6])
    for index, record in enumerate(rounds):
        assert np.flatnonzero(run.late_share(index, index + 1)).tolist() == record["late"]
    for worker in range(n_workers):
        taken = [r["compute_seconds"][r["used"].index(worker)] for r in rounds if worker in r["used"]]
        assert run.used_rounds[worker] == len(taken)
        assert run.late_rounds[worker] == sum(worker in r["late"] for r in rounds)
        assert run.compute_seconds[worker] == pytest.approx(np.mean(taken), rel=1e-12) if taken else True
    assert np.isnan(run.compute_seconds[run.used_rounds == 0]).all()


def test_scores_that_come_and_go_stay_with_their_rounds(tmp_path):
    rounds = records(3, 2)
    for record, scores in zip(rounds, ({"auc": 0.5}, {"accuracy": 0.6}, {"auc": 0.7, "accuracy": 0.8}), strict=True):
        record["test"] = scores
    run = read_run(write_run(tmp_path / "run", rounds, 2))
    np.testing.assert_array_equal(run.test["auc"], [0.5, np.nan, 0.7])
    np.testing.assert_array_equal(run.test["accuracy"], [np.nan, 0.6, 0.8])


def test_a_torn_last_line_is_dropped(tmp_path):
    directory = write_run(tmp_path / "run", records(5, 3), 3)
    path = directory / "rounds.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert read_run(directory).n_rounds == 4
    path.write_bytes(whole[:-1])  # only the end of the line is missing
    assert read_run(directory).n_rounds == 5
    path.write_bytes(b"")
    assert read_run(directory).n_rounds == 0


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"round": 7}, "round must be 2, got 7"),
        ({"loss": "low"}, "loss must be a number, got 'low'"),
        ({"loss": True}, "loss must be a number, got True"),
        ({"seconds": None}, "seconds must be a number, got None"),
        ({"seconds": 10**400}, "seconds must be a number, got 1000"),
        ({"late": [3]}, r"late must be a list of workers in 0..2, got \[3\]"),
        ({"late": [-1]}, r"late must be a list of workers in 0..2, got \[-1\]"),
        ({"late": [1, 1]}, r"late must be distinct workers, got \[1, 1\]"),
        ({"used": 3}, "used must be a list of workers in 0..2, got 3"),
        ({"used": [0, 1.0]}, r"used must be a list of workers in 0..2, got \[0, 1.0\]"),
        ({"used": [0, 1], "compute_seconds": [0.5]}, "compute_seconds must be a number for each worker used"),
        ({"test": [0.5]}, r"test must be an object of numbers, got \[0.5\]"),
        ({"test": {"auc": "high"}}, "test must be an object of numbers"),
    ],
)
def test_a_bad_round_is_named_with_its_line(tmp_path, change, rule):
    rounds = records(5, 3)
    rounds[2] |= change
    directory = write_run(tmp_path / "run", records(5, 3), 3)
    (directory / "rounds.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rounds))
    with pytest.raises(DataError, match=f"rounds.jsonl:3: {rule}"):
        read_run(directory)


@pytest.mark.parametrize("text", ['{"round": 0, ', "[]", "\0\0\0", "[" * 100_000])
def test_a_bad_line_is_named(tmp_path, text):
    directory = write_run(tmp_path / "run", records(2, 3), 3)
    path = directory / "rounds.jsonl"
    path.write_text(text + "\n" + path.read_text())
    with pytest.raises(DataError, match=r"rounds\.jsonl:1: must be "):
        read_run(directory)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be JSON"),
        ("[]", "must be a JSON object, got list"),
        ('{"status": "completed"}', "rounds must be an integer, got None"),
    ],
)
def test_a_bad_result_is_named(tmp_path, text, rule):
    directory = write_run(tmp_path / "run", records(2, 3), 3)
    (directory / "result.json").write_text(text)
    with pytest.raises(DataError, match=f"result.json: {rule}"):
        read_run(directory)


def test_a_result_without_workers_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"result\.json: used must have an entry for each worker, got none"):
        read_run(write_run(tmp_path / "run", [], 0))


@pytest.mark.parametrize("name", ["result.json", "rounds.jsonl"])
def test_a_missing_file_is_named(tmp_path, name):
    directory = write_run(tmp_path / "run", records(2, 3), 3)
    (directory / name).unlink()
    with pytest.raises(DataError, match=f"{name}: cannot be read: No such file"):
        read_run(directory)


# --- bins -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_points", [1, 2, 9, 10, 11, 19, 20, 21, 1000])
def test_bands_hold_every_point(n_points):
    rng = np.random.default_rng(n_points)
    x, y = np.cumsum(rng.random(n_points)), rng.standard_normal(n_points)
    middles, low, median, high = bands(x, y, bins=10)
    size = -(-n_points // 10)
    pieces = [slice(start, start + size) for start in range(0, n_points, size)]
    assert len(middles) == len(pieces) <= 10
    for piece, *got in zip(pieces, middles, low, median, high, strict=True):
        values = y[piece]
        assert got == [x[piece][(len(values) - 1) // 2], values.min(), np.median(values), values.max()]


def test_bands_leave_out_what_is_not_finite():
    x, low, median, high = bands([1, 2, 3, 4], [5, np.nan, np.inf, 6])
    assert x.tolist() == [1, 4]
    assert low.tolist() == median.tolist() == high.tolist() == [5, 6]


@pytest.mark.parametrize(("n_rounds", "n_workers"), [(1, 1), (20, 5), (21, 6), (65, 23)])
def test_late_shares_count_rounds_and_workers(make, n_rounds, n_workers):
    rounds, run = make(n_rounds, n_workers)
    shares = late_shares(run, columns=20, rows=5)
    wide, tall = -(-n_rounds // 20), -(-n_workers // 5)
    assert shares.shape == (-(-n_workers // tall), -(-n_rounds // wide))
    for (row, column), share in np.ndenumerate(shares):
        workers = range(row * tall, min((row + 1) * tall, n_workers))
        of = rounds[column * wide : (column + 1) * wide]
        expected = np.mean([worker in record["late"] for record in of for worker in workers])
        assert share == pytest.approx(expected, rel=1e-12)


# --- one run ----------------------------------------------------------------------------------------------------------


def line(axes, index=0):
    return axes.lines[index].get_xydata()


def test_convergence_draws_the_records(make):
    rounds, run = make(30, test_every=7)
    figure = convergence_figure(run)
    by_round, by_time, score_by_round, score_by_time = figure.axes
    elapsed = np.cumsum([r["seconds"] for r in rounds]) / 1e-3
    losses = [r["loss"] for r in rounds]
    scored = [r for r in rounds if "test" in r]
    index = [r["round"] for r in scored]
    auc = [r["test"]["auc"] for r in scored]
    np.testing.assert_array_equal(line(by_round), np.column_stack([np.arange(1, 31), losses]))
    np.testing.assert_allclose(line(by_time), np.column_stack([elapsed, losses]), rtol=1e-12)
    np.testing.assert_array_equal(line(score_by_round), np.column_stack([np.array(index) + 1, auc]))
    np.testing.assert_allclose(line(score_by_time), np.column_stack([elapsed[index], auc]), rtol=1e-12)
    assert by_round.get_ylabel() == "loss"
    assert score_by_round.get_ylabel() == "test AUC"
    assert (score_by_round.get_xlabel(), score_by_time.get_xlabel()) == ("round", "training time (ms)")


def test_convergence_without_scores_has_no_panel_for_them(make):
    assert len(convergence_figure(make(5)[1]).axes) == 2


@pytest.mark.parametrize(("last", "scale"), [(300.0, "linear"), (100.0, "log"), (0.0, "linear"), (-5.0, "linear")])
def test_loss_is_logarithmic_where_it_falls_far(tmp_path, last, scale):
    rounds = records(3, 2)
    for record, loss in zip(rounds, (1000.0, 400.0, last), strict=True):
        record["loss"] = loss
    axes = convergence_figure(read_run(write_run(tmp_path / "run", rounds, 2))).axes[0]
    assert axes.get_yscale() == scale


def test_rounds_draws_the_records(make):
    rounds, run = make(30)
    figure = rounds_figure(run)
    top, below = figure.axes
    seconds = np.array([r["seconds"] for r in rounds]) / 1e-3
    np.testing.assert_allclose(line(top), np.column_stack([np.arange(1, 31), seconds]), rtol=1e-12)
    (median, p95) = (top.lines[i].get_ydata()[0] for i in (1, 2))
    np.testing.assert_allclose([median, p95], [np.median(seconds), np.percentile(seconds, 95)], rtol=1e-12)
    assert [text.get_text() for text in top.get_legend().get_texts()] == [
        f"median {median:.3g} ms",
        f"p95 {p95:.3g} ms",
    ]
    assert top.get_ylabel() == "time of a round (ms)"
    (image,) = below.images
    late = [[worker in record["late"] for record in rounds] for worker in range(6)]
    np.testing.assert_array_equal(image.get_array(), late)
    assert tuple(image.get_extent()) == (0.5, 30.5, 5.5, -0.5)
    assert below.get_xlim() == (0.5, 30.5)
    assert [tick.get_text() for tick in below.get_yticklabels()] == list("012345")


def test_many_rounds_and_workers_are_drawn_in_bins(make):
    rounds, run = make(901, 70)
    figure = rounds_figure(run)
    top, below, bar = figure.axes
    seconds = np.array([r["seconds"] for r in rounds]) / 1e-3
    drawn = line(top)
    assert len(drawn) == 301  # of 3 rounds each, the last of one
    np.testing.assert_allclose(drawn[:, 1], [np.median(seconds[i : i + 3]) for i in range(0, 901, 3)], rtol=1e-12)
    assert drawn[0, 0] == 2
    (band,) = top.collections
    corners = band.get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == (seconds.min(), seconds.max())
    (image,) = below.images
    assert image.get_array().shape == (35, 181)  # of 2 workers and 5 rounds each
    np.testing.assert_array_equal(image.get_array(), late_shares(run))
    assert tuple(image.get_extent()) == (0.5, 905.5, 34.5, -0.5)
    assert below.get_xlim() == (0.5, 901.5)
    labels = [tick.get_text() for tick in below.get_yticklabels()]
    assert labels == [str(2 * row) for row in below.get_yticks()]
    assert [tick.get_text() for tick in bar.get_yticklabels()] == ["0 %", "50 %", "100 %"]


def test_usage_adds_up(make):
    rounds, run = make(40, 5)
    (axes,) = usage_figure(run).axes
    used, spare, late = ([bar.get_height() for bar in bars] for bars in axes.containers)
    np.testing.assert_allclose(used, [sum(w in r["used"] for r in rounds) * 2.5 for w in range(5)], rtol=1e-12)
    np.testing.assert_allclose(late, [sum(w in r["late"] for r in rounds) * 2.5 for w in range(5)], rtol=1e-12)
    np.testing.assert_allclose(np.sum([used, spare, late], axis=0), 100, rtol=1e-12)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["used", "answered, not needed", "late"]
    tops = [bar.get_y() + bar.get_height() for bar in axes.containers[-1]]
    np.testing.assert_allclose(tops, 100, rtol=1e-12)


def test_usage_of_many_workers_is_that_of_neighbours(make):
    _, run = make(10, 65)
    (axes,) = usage_figure(run).axes
    used = [bar.get_height() for bar in axes.containers[0]]
    assert len(used) == 33
    assert used[0] == pytest.approx(run.used_rounds[:2].mean() * 10, rel=1e-12)
    assert used[-1] == pytest.approx(run.used_rounds[64] * 10, rel=1e-12)


@pytest.mark.parametrize("draw", [convergence_figure, rounds_figure, usage_figure])
def test_a_run_without_rounds_is_not_drawn(make, draw):
    _, run = make(0)
    assert run_figures(run) == {}
    with pytest.raises(ValueError, match="run must have at least 1 round, got 0"):
        draw(run)


# --- several runs -----------------------------------------------------------------------------------------------------


def test_comparison_draws_every_run(make):
    _, first = make(30, name="first")
    _, second = make(50, name="second", seed=1)
    _, none = make(0, name="none")
    figure = comparison_figure({"one $x": first, "two": second, "three": none})
    left, right = figure.axes
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one $x", "two"]
    for index, run in enumerate((first, second)):
        np.testing.assert_allclose(line(left, index)[:, 0], np.cumsum(run.seconds) * 1000, rtol=1e-12)
        np.testing.assert_array_equal(line(left, index)[:, 1], run.loss)
        x, share = line(right, index).T
        for at in np.quantile(run.seconds, [0.1, 0.5, 0.9]) / 1e-3:
            expected = np.mean(run.seconds / 1e-3 <= at) * 100
            assert share[np.searchsorted(x, at, side="right") - 1] == pytest.approx(expected, rel=1e-12)
    assert {left.lines[0].get_linestyle(), left.lines[1].get_linestyle()} == {"-", "--"}


def test_distribution_of_a_long_run_is_thinned(make):
    _, run = make(1000, 2)
    x, share = comparison_figure({"run": run}).axes[1].lines[0].get_xydata().T
    assert len(x) <= 402
    assert (x[0], x[-1]) == (run.seconds.min() / 1e-3, run.seconds.max() / 1e-3)
    assert share[0] == 0
    np.testing.assert_allclose(share[1:], [np.mean(run.seconds / 1e-3 <= at) * 100 for at in x[1:]], rtol=1e-12)


@pytest.mark.parametrize(("factor", "scale"), [(1, "linear"), (100, "log")])
def test_times_far_apart_are_logarithmic(tmp_path, factor, scale):
    runs = {}
    for name, times in (("fast", 1), ("slow", factor)):
        rounds = records(10, 2)
        for record in rounds:
            record["seconds"] = 0.01 * times
        runs[name] = read_run(write_run(tmp_path / name, rounds, 2))
    left, right = comparison_figure(runs).axes
    assert (left.get_xscale(), right.get_xscale()) == (scale, scale)


@pytest.mark.parametrize("empty", [True, False])
def test_nothing_to_compare(make, empty):
    runs = {} if empty else {"run": make(0)[1]}
    with pytest.raises(ValueError, match="runs must have one with at least one round, got"):
        comparison_figure(runs)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_rounds", "n_workers", "test_every"), [(1, 1, None), (1, 6, 1), (61, 6, 5), (500, 3, 1), (450, 130, 50)]
)
def test_every_figure_can_be_saved(make, tmp_path, n_rounds, n_workers, test_every):
    _, run = make(n_rounds, n_workers, test_every=test_every)
    for name, figure in run_figures(run).items():
        save_figure(figure, tmp_path / f"{name}.svg")
        root = ElementTree.parse(tmp_path / f"{name}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
        assert any("round" in text for text in texts if text)  # as text, not as outlines


def test_the_same_run_gives_the_same_bytes(make, tmp_path):
    _, run = make(500, 4, test_every=10)
    drawn = []
    for _ in range(2):
        for name, figure in run_figures(run).items():
            save_figure(figure, tmp_path / name)
        drawn.append([(tmp_path / name).read_bytes() for name in ("convergence", "rounds", "usage")])
    assert drawn[0] == drawn[1]


def test_the_users_own_style_is_neither_used_nor_lost(make, tmp_path):
    _, run = make(10)
    save_figure(usage_figure(run), tmp_path / "before.svg")
    with matplotlib.rc_context({"lines.linewidth": 9, "svg.fonttype": "path", "axes.facecolor": "red"}):
        save_figure(usage_figure(run), tmp_path / "after.svg")
        assert matplotlib.rcParams["svg.fonttype"] == "path"
        assert matplotlib.rcParams["axes.facecolor"] == "red"
    assert (tmp_path / "before.svg").read_bytes() == (tmp_path / "after.svg").read_bytes()


def test_without_matplotlib_the_extra_is_named(make, monkeypatch):
    _, run = make(3)
    real = builtins.__import__

    def no_matplotlib(name, *rest):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    with pytest.raises(MissingExtra, match=r"figures need matplotlib; .*gradcode\[train\]"):
        usage_figure(run)

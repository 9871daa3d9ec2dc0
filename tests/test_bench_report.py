"""The report of the kernels' benchmarks: what it judges, and that it can be drawn from what was kept."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

# The package `bench` is not installed; last, so that what is installed comes first.
sys.path.append(str(Path(__file__).parents[1]))

pytest.importorskip("matplotlib")

from bench.kernels import cases, contenders, figures, floor, measure, run, targets
from bench.kernels.contenders import OWN
from bench.kernels.measure import COMPUTE, FLOOR, LIMIT
from bench.kernels.report import judged, losses, report

NAMES = ["gc_core", "numpy fresh", "numpy list", "numpy packed", "scipy packed", "torch packed"]
DECODE = cases.decode((4, 20), cases.DRAM)


def result_of(case, spread=1.0, **seconds):
    """A case in which the limits take 0.8 and everybody else 5 times as long as ours, unless told otherwise."""
    times = {OWN: 1.0, FLOOR: 0.8, COMPUTE: 0.4, LIMIT: 0.8} | dict.fromkeys(NAMES, 5.0)
    times |= {name.replace("_", " "): value for name, value in seconds.items()}
    moving = case.n_bytes / 20e9
    arrays = {name: np.full(8, value * moving) for name, value in times.items()}
    arrays[FLOOR] = np.array([0.8] * 4 + [0.8 * spread] * 4) * moving
    return measure.summary(case, arrays)


def run_of(*results):
    about = {"level": "avx512", "quick": False, "threads": 1, "seed": 0, "date": "2000-01-01", "load": "0.0"}
    return {**about, "machine": {"processor": "one"}, "results": list(results)}


def text_of(*results):
    return report(run_of(*results), {}, {})


def test_bytes_and_operations_of_a_decode_and_an_encode():
    decode = cases.decode((4, 20), 1_000, wire="bfloat16")
    assert (decode.n_read, decode.n_written, decode.flops) == (20 * 250 * 2, 1_000 * 4, 2 * 4 * 20 * 250)
    encode = cases.encode((5, 2), 1_000, "float64", accumulate=True)
    assert (encode.n_read, encode.n_written) == ((5 * 1_000 + 4 * 500) * 8, 5 * 500 * 8)


def test_a_target_is_missed_by_the_one_that_is_too_fast():
    assert all(met for _, met in judged(result_of(DECODE), 1))
    missed = [str(target) for target, met in judged(result_of(DECODE, torch_packed=1.5), 1) if not met]
    assert missed == ["≥ 2× torch packed"]
    assert "no: 1.50× torch packed" in text_of(result_of(DECODE, torch_packed=1.5))


def test_the_better_of_two_ratios_counts():
    times = {OWN: np.array([1.0, 2.0, 2.0]), FLOOR: np.full(3, 0.8), COMPUTE: np.ones(3), LIMIT: np.ones(3)}
    target = targets.Target(FLOOR, 0.7)
    assert target.reached(measure.summary(DECODE, times)) == 0.8


def test_the_best_of_several_is_taken_round_by_round():
    times = {OWN: np.ones(2), FLOOR: np.ones(2), COMPUTE: np.ones(2), LIMIT: np.ones(2)}
    times |= {"numpy packed": np.array([2.0, 6.0]), "scipy packed": np.array([6.0, 2.0])}
    assert measure.summary(DECODE, times)["ratio"]["best numpy packed"][1] == 2.0


def test_losses_are_those_of_more_than_a_tenth_against_rivals():
    result = result_of(DECODE, numpy_packed=0.95, scipy_packed=0.8, nothing=0.1)
    assert losses([result]) == [(DECODE.name, "scipy packed", 1.25)]
    text = text_of(result)
    assert "missed in 1 of 1 cases" in text
    assert "| scipy packed | 1.25 |" in text
    assert "by more than 10 %: met in 1 of 1." in text_of(result_of(DECODE))


def test_what_was_measured_unsteadily_is_named_and_not_judged():
    text = text_of(result_of(DECODE, spread=1.5, torch_packed=1.5, scipy_packed=0.5))
    assert "## Not judged" in text
    assert "## Decode" not in text
    assert "0 of 0 are met" in text
    assert "(not judged)" in text


def test_goal_against_the_shortest_expression():
    few, many = cases.decode((2, 2), cases.DRAM), DECODE
    text = text_of(result_of(few, numpy_fresh=5.0), result_of(many, numpy_fresh=5.0))
    assert "Met by 1 of 2: (2, 2) 5.0×, (4, 20) 5.0× (missed)" in text


def test_draws_again_what_was_kept(tmp_path):
    found = [result_of(case) for case in cases.full()]
    (tmp_path / "avx512.json").write_text(json.dumps(run_of(*found)))
    (tmp_path / "base.json").write_text(json.dumps(run_of(*found[:3]) | {"level": "base"}))
    run.draw(tmp_path)
    assert {path.name for path in tmp_path.glob("*.md")} == {"README.md", "base.md"}
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    for picture in ("avx512_roofline.png", "avx512_speedup.png"):
        assert f"]({picture})" in page
        assert (tmp_path / picture).stat().st_size > 0
    for case in cases.full():
        assert f"| {case.shape}" in page or f"{case.kind} {case.shape}" in page


def test_nothing_to_draw_says_so(tmp_path):
    with pytest.raises(SystemExit, match="nothing has been measured"):
        run.draw(tmp_path)


def test_no_figure_of_nothing(tmp_path):
    assert not figures.roofline(run_of(), tmp_path / "figure.png")
    assert not figures.speedup(run_of(), tmp_path / "figure.png")


@pytest.mark.skipif(shutil.which("cc") is None, reason="the floor needs a C compiler")
def test_floor_writes_all_lines_and_no_more():
    tools = floor.build(("base",))
    lines = 101
    source = floor._lines(64 * 5 * lines)
    for four in (0, 1):
        for nontemporal in (0, 1):
            target = floor._lines(64 * (lines + 1))[: 64 * (lines + 1)]
            target[:] = 7
            tools.move(source.ctypes.data, 5 * lines, target.ctypes.data, lines, four, nontemporal, 1, 1)
            assert (target[: 64 * lines] != 7).all()
            assert (target[64 * lines :] == 7).all()
    assert tools.peaks["base"]["float32"](10) == 10 * 2 * 12 * 4
    assert tools.peaks["base"]["float64"](10) == 10 * 2 * 12 * 2


@pytest.mark.parametrize("case", [DECODE._replace(size=1_000), cases.encode((5, 2), 1_000)], ids=lambda c: c.kind)
def test_a_contender_that_is_wrong_is_found(case):
    data = contenders.make(case)
    calls = contenders.contenders(case, data)
    contenders.check(case, data, calls)
    wrong = calls["numpy list"]
    with pytest.raises(AssertionError, match="numpy list is off"):
        contenders.check(case, data, {"numpy list": lambda: wrong() + np.float32(1e-2)})

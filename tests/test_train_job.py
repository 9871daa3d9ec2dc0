"""The runs of one command: made in turn, presented at the end, and an output directory that is not left empty."""

import io

import pytest
from training_output import records, result, write_run

from gradcode.reports.directory import COMPARISON
from gradcode.reports.live import Reporter
from gradcode.train.config import TrainConfig, variants
from gradcode.train.job import Job, present, run_all

NAMES = ("uncoded", "grouped", "repetition")


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def reporter(stream):
    return Reporter(stream=stream)


def job_of(*names, output=None):
    config = TrainConfig(output=None if output is None else str(output))
    return Job({"auto": config} if not names else variants(config, names), config.output)


def make(job, reporter, outcomes):
    """Make the runs of a job, with the given outcomes; return what came of it, and how each run was called."""
    calls, outcomes = [], iter(outcomes)

    def attempt(config, launched_at, last):
        calls.append((config.scheme, launched_at, last))
        return next(outcomes)

    return run_all(job, attempt, reporter, 5.0), calls


def test_runs_are_made_in_turn(reporter, stream):
    job = job_of(*NAMES)
    (status, results), calls = make(job, reporter, [(0, {"rounds": 1}), (0, {"rounds": 2}), (0, {"rounds": 3})])
    assert status == 0
    assert results == {"uncoded": {"rounds": 1}, "grouped": {"rounds": 2}, "repetition": {"rounds": 3}}
    assert [call[0] for call in calls] == ["uncoded", "grouped", "grouped"]  # repetition is a code of groups
    assert [call[2] for call in calls] == [False, False, True]
    assert calls[0][1] == 5.0 < calls[1][1] <= calls[2][1]
    assert stream.getvalue() == "\nuncoded\n\ngrouped\n\nrepetition\n"


@pytest.mark.parametrize("status", [1, 2, 130])
def test_a_run_that_does_not_end_well_is_the_last(reporter, status):
    outcome, calls = make(job_of(*NAMES), reporter, [(0, {"rounds": 1}), (status, None)])
    assert outcome == (status, {"uncoded": {"rounds": 1}})
    assert len(calls) == 2


def test_an_interrupted_run_keeps_its_result(reporter):
    outcome, _ = make(job_of(*NAMES), reporter, [(130, {"rounds": 1})])
    assert outcome == (130, {"uncoded": {"rounds": 1}})


def test_a_single_run_has_no_headline(reporter, stream):
    outcome, calls = make(job_of(), reporter, [(0, {"rounds": 1})])
    assert outcome == (0, {"auto": {"rounds": 1}})
    assert calls == [("auto", 5.0, True)]
    assert stream.getvalue() == ""


def test_nothing_is_presented_without_a_result_or_an_output(reporter, stream, tmp_path):
    present(job_of(*NAMES, output=tmp_path), {}, reporter)
    present(job_of(), {"auto": result()}, reporter)
    assert stream.getvalue() == "" and list(tmp_path.iterdir()) == []


def test_a_comparison_is_shown(reporter, stream):
    present(job_of("uncoded", "grouped"), {name: result() for name in ("uncoded", "grouped")}, reporter)
    assert "speed vs uncoded" in stream.getvalue()


def test_the_report_is_drawn(reporter, stream, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    directory = write_run(tmp_path / "run", records(3, 6), 6)
    present(job_of(output=directory), {"auto": result()}, reporter)
    assert stream.getvalue() == f"report in {directory / 'report.html'}\n"


def test_a_report_that_cannot_be_drawn_is_no_failure(reporter, stream, tmp_path):
    present(job_of(output=tmp_path), {"auto": result()}, reporter)
    assert stream.getvalue().startswith("no report was drawn: ")


def test_an_interrupted_report_can_be_drawn_later(reporter, stream, tmp_path, monkeypatch):
    def interrupted(directory):
        raise KeyboardInterrupt

    monkeypatch.setattr("gradcode.train.job.write_reports", interrupted)
    present(job_of(output=tmp_path), {"auto": result()}, reporter)
    assert stream.getvalue() == f"no report was drawn; 'gradcode report {tmp_path}' draws it\n"


@pytest.mark.parametrize("names", [(), ("uncoded", "grouped")], ids=["run", "comparison"])
def test_an_output_directory_without_a_run_is_removed(tmp_path, names):
    job = job_of(*names, output=tmp_path / "out")

    def fail():
        with job.directory():
            assert [path.name for path in (tmp_path / "out").iterdir()] == ([COMPARISON] if names else [])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not (tmp_path / "out").exists()


def test_an_output_directory_with_a_run_stays(tmp_path):
    with job_of("uncoded", "grouped", output=tmp_path / "out").directory():
        (tmp_path / "out" / "uncoded").mkdir()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [COMPARISON, "uncoded"]

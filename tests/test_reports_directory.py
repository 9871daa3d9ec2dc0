"""The reports of an output directory, of one run or of a comparison, and what is refused."""

import json

import pytest
from training_output import records, write_run

from gradcode.errors import DataError
from gradcode.reports.directory import COMPARISON, list_runs, write_reports

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


def run_in(directory, n_workers=3):
    return write_run(directory, records(4, n_workers), n_workers)


def test_a_run_has_one_report(tmp_path):
    directory = run_in(tmp_path / "run")
    assert write_reports(directory) == directory / "report.html"
    assert (directory / "report.html").is_file()


def test_a_comparison_has_a_page_and_a_report_of_each_run(tmp_path):
    for name in ("coded", "uncoded"):
        run_in(tmp_path / name)
    list_runs(tmp_path, ["uncoded", "coded", "not finished"])
    assert write_reports(tmp_path) == tmp_path / "comparison.html"
    text = (tmp_path / "comparison.html").read_text()
    assert "2 schemes compared" in text and "speed vs uncoded" in text
    assert all((tmp_path / name / "report.html").is_file() for name in ("coded", "uncoded"))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, r"must contain result\.json or comparison\.json, which gradcode train writes with --output"),
        ("{", r"comparison\.json: cannot be read: "),
        ("[]", r"comparison\.json: cannot be read: "),
        ('{"runs": "a"}', r"its runs must be names of directories beside it, got 'a'"),
        ('{"runs": ["../a"]}', r"its runs must be names of directories beside it, got \['\.\./a'\]"),
        ('{"runs": ["a", 1]}', r"its runs must be names of directories beside it, got \['a', 1\]"),
        ('{"runs": ["a"]}', r"none of its runs has a result\.json"),
    ],
)
def test_directories_without_a_run_are_refused(tmp_path, content, rule):
    if content is not None:
        (tmp_path / COMPARISON).write_text(content)
    with pytest.raises(DataError, match=rule) as caught:
        write_reports(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize("compared", [False, True], ids=["run", "comparison"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seconds_per_round", "abc"),
        ("test", [1, 2]),
        ("versions", 5),
        ("memory", {"master": "x"}),
        ("scheme", None),
    ],
)
def test_a_damaged_result_is_named(tmp_path, field, value, compared):
    directory = run_in(tmp_path / "run")
    result = json.loads((directory / "result.json").read_text())
    (directory / "result.json").write_text(json.dumps(result | {field: value}))
    if compared:
        list_runs(tmp_path, ["run"])
    with pytest.raises(DataError, match=r"result\.json"):
        write_reports(tmp_path if compared else directory)

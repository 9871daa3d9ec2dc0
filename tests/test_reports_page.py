"""The pages stand alone, show what the run has kept, and take names for names."""

import importlib.util
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from training_output import records, write_run

from gradcode.errors import DataError, MissingExtra
from gradcode.reports.page import write_comparison, write_report
from gradcode.reports.records import read_run

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

HOSTILE = "<script>alert('x')</script>\"onload=\"y' &amp; {{ 7*7 }} $\\frac$"
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """A page taken apart, its tags checked for balance."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words, self.styles = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if self.open and self.open[-1] == "style" else self.words).append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page(path):
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path):
    """Return a function that writes a run and returns its directory."""

    def run(n_rounds=30, n_workers=6, name="run", test_every=5, **change):
        return write_run(tmp_path / name, records(n_rounds, n_workers, test_every=test_every), n_workers, **change)

    return run


def assert_stands_alone(path):
    """Check that a page asks nothing of anybody: no script, no address but data: and its own parts."""
    parsed = page(path)
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "img"}
    for _, attributes in parsed.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href", "action", "data"):
            value = attributes.get(name)
            assert value is None or re.match(r"#|data:image/png;base64,|[\w./%-]+$", value), value
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", " ".join(parsed.styles))
    ids = Counter(attributes["id"] for _, attributes in parsed.elements if "id" in attributes)
    assert [name for name, times in ids.items() if times > 1] == []
    wanted = set(re.findall(r"""(?:url\(|href=")#([^)"]+)""", path.read_text(encoding="utf-8")))
    assert wanted and wanted <= set(ids)
    return parsed


# --- report -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_rounds", "n_workers", "test_every"), [(1, 1, None), (30, 6, 5), (500, 70, 50)])
def test_report_stands_alone(run, n_rounds, n_workers, test_every):
    directory = run(n_rounds, n_workers, test_every=test_every)
    path = write_report(directory)
    assert path == directory / "report.html"
    parsed = assert_stands_alone(path)
    assert len(parsed.all("svg")) == len(parsed.all("figure")) == len(parsed.all("figcaption")) == 3
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in parsed.all("svg"))
    assert sorted(file.name for file in (directory / "figures").iterdir()) == [
        "convergence.svg",
        "rounds.svg",
        "usage.svg",
    ]
    (policy,) = (meta["content"] for meta in parsed.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none';")


def test_report_says_what_was_kept(run):
    text = page(write_report(run())).text
    for expected in (
        "Grouped(6, load=3) on digits",
        "completed, 30 of 300 rounds. Injected: 1 worker late by 200 ms in every round (transient).",
        "test AUC 0.9925",
        "test accuracy 0.9583",
        "loss 103.367",
        "rounds 30 of 300",
        "training time 861 ms startup 2.9 s",
        "load 3 of 6",
        "stragglers tolerated 1",
        "messages 2× shorter 1,073 numbers",
        "sent to workers 10.3 MB in 400 ms",
        "sent to master 4.1 MB in 100 ms",
        "peak memory, master 141 MB workers up to 128 MB",
        "sum over rows of log(1 + exp(-y x.w)) + regularisation/2 |w|^2",
        "regularisation 0.5 optimiser nesterov rate 3.78e-05",
        "workers 6 optimiser nesterov seed 0 source.path default rate default",
        "gradcode 0.1.0 numpy 2.0.0",
        "Command gradcode train --stragglers 1",
    ):
        assert expected in text, expected


def test_table_of_workers(run):
    directory = run(20, 3)
    kept = read_run(directory)
    text = page(write_report(directory)).text
    table = text[text.index("mean time to compute") : text.index("Objective")]
    numbers = re.findall(r"\b(\d) (\d+) (\d+) (\d+) [\d.]+ ms", table)
    used, late = kept.used_rounds.tolist(), kept.late_rounds.tolist()
    assert numbers == [tuple(map(str, (w, used[w], 20 - used[w] - late[w], late[w]))) for w in range(3)]


def test_many_workers_have_no_table(run):
    parsed = page(write_report(run(2, 65)))
    assert "mean time to compute" not in parsed.text
    assert "neighbours share a row" in parsed.text


def test_hostile_names_are_shown_as_they_are(run):
    change = {
        "status": HOSTILE + "1",
        "scheme": {"name": HOSTILE + "2"},
        "data": {"name": HOSTILE + "3"},
        "objective": HOSTILE + "4",
        "command": HOSTILE + "5",
        "configuration": {HOSTILE + "6": HOSTILE + "7", "source": {"pairs": [["A", HOSTILE + "8"], ["B", "C"]]}},
        "versions": {HOSTILE + "9": HOSTILE + "10"},
    }
    parsed = assert_stands_alone(write_report(run(5, **change)))
    for number in range(1, 11):
        assert f"{HOSTILE}{number}" in parsed.text
    assert f"source.pairs A:{HOSTILE}8, B:C" in parsed.text


def test_a_run_without_rounds_has_a_report(run):
    directory = run(0, 4, status="interrupted", stopped="interrupted", test={}, loss=None, memory={})
    parsed = page(write_report(directory))
    assert "interrupted, 0 of 300 rounds" in parsed.text
    assert "No round was finished" in parsed.text
    assert parsed.all("svg") == []
    assert not (directory / "figures").exists()


def test_scores_that_were_not_reached(run):
    text = page(write_report(run(test={"auc": None, "rmse": 53.25}))).text
    assert "test AUC - test RMSE 53.25 loss" in text


def test_a_report_is_written_anew(run):
    directory = run()
    first = write_report(directory).read_bytes()
    assert write_report(directory).read_bytes() == first
    assert sorted(path.name for path in directory.iterdir()) == [
        "figures",
        "report.html",
        "result.json",
        "rounds.jsonl",
    ]


def test_no_report_of_no_run(tmp_path):
    with pytest.raises(DataError, match=r"result\.json: cannot be read: No such file"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_what_reports_need_is_checked_first(run, monkeypatch, missing):
    directory = run()
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "gradcode.reports.page.find_spec", lambda name, *rest: None if name == missing else real(name, *rest)
    )
    with pytest.raises(MissingExtra, match=rf"reports need {missing}; .*gradcode\[train\]"):
        write_report(directory)
    assert not (directory / "report.html").exists()


# --- comparison -------------------------------------------------------------------------------------------------------


def test_comparison_stands_alone_and_links_to_the_reports(run, tmp_path):
    runs = {}
    for name in ("uncoded", "a b & c"):
        directory = run(name=name)
        write_report(directory)
        runs[name] = read_run(directory)
    runs["no report"] = read_run(run(name="third"))
    path = write_comparison(tmp_path, runs)
    assert path == tmp_path / "comparison.html"
    parsed = assert_stands_alone(path)
    assert [link["href"] for link in parsed.all("a")] == ["uncoded/report.html", "a%20b%20%26%20c/report.html"]
    assert len(parsed.all("svg")) == 1
    assert (tmp_path / "figures" / "comparison.svg").is_file()
    assert "3 schemes compared on digits" in parsed.text
    assert "digits, 1437 rows, 2145 features; 6 workers; nesterov; seed 0. Injected: 1 worker late" in parsed.text
    assert "speed vs uncoded 1x 1x 1x" in parsed.text
    assert "a b & c Grouped(6, load=3); completed, 30 of 300 rounds" in parsed.text


def test_comparison_of_hostile_names(run, tmp_path):
    parsed = assert_stands_alone(write_comparison(tmp_path, {HOSTILE: read_run(run())}))
    assert HOSTILE in parsed.text


def test_comparison_of_runs_without_rounds(run, tmp_path):
    parsed = page(write_comparison(tmp_path, {"one": read_run(run(0))}))
    assert "No round was finished" in parsed.text


def test_comparison_of_unlike_runs_is_refused_before_anything_is_written(run, tmp_path):
    runs = {name: read_run(run(name=name, configuration={"seed": seed})) for seed, name in enumerate(("one", "two"))}
    with pytest.raises(ValueError, match="results must have the same seed to be compared, got 0 in one and 1 in two"):
        write_comparison(tmp_path, runs)
    assert not (tmp_path / "comparison.html").exists()

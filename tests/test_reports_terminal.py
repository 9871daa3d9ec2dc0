"""What is shown of a training run, on a terminal and elsewhere."""

import builtins
import io
import re
import subprocess
import sys

import pytest

from gradcode.reports.comparison import comparison_text
from gradcode.reports.live import Reporter
from gradcode.reports.summary import summary

STARTED = {
    "scheme": "Grouped(6, load=3)",
    "n_workers": 6,
    "rows": 1437,
    "features": 2145,
    "iterations": 100,
    "startup_seconds": 0.8,
}


def show_round(reporter, index, late=(), loss=123.456, seconds=0.0041):
    reporter.round(index, loss=loss, seconds=seconds, late=late)


def result(n_workers=6, rounds=100, **change):
    return {
        "status": "completed",
        "rounds": rounds,
        "iterations": 100,
        "stopped": "iterations",
        "test": {"auc": 0.98765, "accuracy": 0.95},
        "loss": 123.456,
        "train_seconds": 3.5,
        "startup_seconds": 0.8,
        "seconds_per_round": {"mean": 0.005, "median": 0.0041, "p95": 0.25},
        "seconds_down": 0.21,
        "seconds_up": 61.0,
        "bytes_down": 10_300_000,
        "bytes_up": 512,
        "memory": {"master": 120_000_000, "workers": [95_000_000, None] + [90_000_000] * (n_workers - 2)},
        "used": [rounds] * (n_workers - 1) + [rounds // 2],
        "late": [0] * (n_workers - 1) + [rounds - rounds // 2],
        "configuration": {},
        "scheme": {"name": "Grouped", "load": 3.0, "stragglers": 1, "communication": 2},
        "versions": {},
        "output": "runs/digits.json",
    } | change


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def plain(clock):
    """Return a reporter that writes lines, and its two files."""
    out, errors = io.StringIO(), io.StringIO()
    return Reporter(stream=out, errors=errors, clock=clock), out, errors


def rounds_shown(out):
    return [int(number) for number in re.findall(r"^round +(\d+)", out.getvalue(), re.MULTILINE)]


# --- plain lines ------------------------------------------------------------------------------------------------------


def test_started_line(plain):
    reporter, out, _ = plain
    reporter.started(**STARTED)
    assert out.getvalue() == (
        "Grouped(6, load=3): 6 workers, 1437 rows, 2145 features, 100 iterations; started in 800 ms\n"
    )


def test_round_line(plain):
    reporter, out, _ = plain
    reporter.started(**STARTED)
    show_round(reporter, 0, late=[3])
    assert out.getvalue().splitlines()[1] == "round   1/100  loss 123.456  4.1 ms/round  late: 3"


@pytest.mark.parametrize(
    ("late", "text"), [([], "none"), ([4, 2], "4,2"), ([1, 2, 3], "1,2,3"), ([9, 8, 7, 6, 5], "9,8,7 +2")]
)
def test_late_workers_of_a_line(plain, late, text):
    reporter, out, _ = plain
    show_round(reporter, 0, late=late)
    assert out.getvalue().endswith(f"  late: {text}\n")


def test_lines_are_the_first_the_last_and_one_a_second(plain, clock):
    reporter, out, _ = plain
    reporter.started(**STARTED)
    for number in range(100):
        clock.now = number * 0.03
        show_round(reporter, number)
    assert rounds_shown(out) == [1, 35, 69, 100]


def test_pace_is_the_median_of_recent_rounds(plain, clock):
    reporter, out, _ = plain
    for number, seconds in enumerate([10.0] * 30 + [0.002] * 13):
        show_round(reporter, number, seconds=seconds)
    clock.now = 5
    show_round(reporter, 43, seconds=9.0)
    assert "  2.0 ms/round" in out.getvalue().splitlines()[-1]


@pytest.mark.parametrize("end", ["finished", "failed", "exit"])
def test_last_round_of_a_run_that_ends_early_is_shown(plain, end):
    reporter, out, _ = plain
    with reporter:
        reporter.started(**STARTED)
        for number in range(7):
            show_round(reporter, number)
        assert rounds_shown(out) == [1]
        if end == "finished":
            reporter.finished(result(rounds=7, status="interrupted"))
        elif end == "failed":
            reporter.failed("x")
    assert rounds_shown(out) == [1, 7]


def test_exit_does_not_swallow_the_error(plain):
    reporter, _, _ = plain
    with pytest.raises(KeyboardInterrupt), reporter:
        raise KeyboardInterrupt


def test_a_second_run_starts_afresh(plain):
    reporter, out, _ = plain
    for seconds in (9.0, 0.002):
        reporter.started(**STARTED)
        show_round(reporter, 0, seconds=seconds)
        reporter.finished(result())
    assert rounds_shown(out) == [1, 1]
    assert re.findall(r"(\S+ \S+)/round", out.getvalue()) == ["9.0 s", "2.0 ms"]


def test_several_runs(plain):
    reporter, out, _ = plain
    results = {name: result(2, output=name) for name in ("uncoded", "coded")}
    reporter.status("reading")
    for name in results:
        reporter.headline(name)
    reporter.compare(results)
    reporter.drawn("out/comparison.html")
    assert out.getvalue() == (
        f"reading ...\n\nuncoded\n\ncoded\n\n{comparison_text(results)}\nreport in out/comparison.html\n"
    )


# --- failure ----------------------------------------------------------------------------------------------------------


def test_failure_goes_to_the_errors(plain):
    reporter, out, errors = plain
    reporter.failed("it broke", worker=3, traceback="Traceback:\n  line\nBoom\n")
    assert out.getvalue() == ""
    assert errors.getvalue() == "gradcode: error: worker 3: it broke\n\nTraceback:\n  line\nBoom\n"


def test_failure_of_no_worker_without_traceback(capsys):
    reporter = Reporter(stream=io.StringIO())
    reporter.failed("it broke")
    assert capsys.readouterr().err == "gradcode: error: it broke\n"


# --- summary ----------------------------------------------------------------------------------------------------------


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


def test_summary_follows_the_lines(plain):
    reporter, out, _ = plain
    reporter.finished(result())
    assert out.getvalue() == f"\n{summary(result())}\n"


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


# --- terminal ---------------------------------------------------------------------------------------------------------


def terminal(width=80):
    rich = pytest.importorskip("rich.console")
    return rich.Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False)


def text_of(console):
    """Return what was written, without the control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue()).replace("\r", "\n")


def test_terminal_shows_progress_and_then_a_panel(clock):
    console = terminal()
    with Reporter(console, clock=clock) as reporter:
        reporter.started(**STARTED)
        for number in range(100):
            clock.now += 0.01
            show_round(reporter, number, late=[3, 4, 5, 1, 2])
        reporter.finished(result())
    text = text_of(console)
    assert "Grouped(6, load=3): 6 workers" in text
    assert re.search(r"round 100/100 ━+ loss 123.456 4.1 ms/round 0:00:0\d .* late 3,4,5 \+2", text)
    panel = text[text.index("╭") :]
    assert "test AUC       0.9877" in panel
    assert "5 ████░░░░  50 used 50 late" in panel
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("status", "full"), [("completed", True), ("interrupted", False)], ids=["completed", "interrupted"]
)
def test_bar_is_full_once_a_run_is_done_though_it_needed_fewer_rounds(clock, status, full):
    console = terminal()
    with Reporter(console, clock=clock) as reporter:
        reporter.started(**STARTED)
        for number in range(50):
            clock.now += 0.01
            show_round(reporter, number)
        reporter.finished(result(rounds=50, status=status, stopped="tolerance"))
    last = [line for line in text_of(console).splitlines() if line.lstrip().startswith("round  50/100")][-1]
    assert bool(re.search("100 ━+ loss", last)) == full


@pytest.mark.parametrize("n_workers", [6, 32, 100])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_panel_fits_the_terminal(width, n_workers):
    console = terminal(width)
    Reporter(console).finished(result(n_workers))
    text = text_of(console)
    assert max(map(len, text.splitlines())) <= min(width, 80)
    if n_workers <= 32:  # no entry is broken over two lines
        assert len(re.findall(r"\d+ [█░]{8} +\d+ used +\d+ late", text)) == n_workers


def test_terminal_is_not_redrawn_every_round(clock):
    console = terminal()
    with Reporter(console, clock=clock) as reporter:
        reporter.started(**STARTED | {"iterations": 1000})
        for number in range(1000):
            show_round(reporter, number)
    assert text_of(console).count("round ") < 300


def test_terminal_is_put_in_order_after_an_error(clock):
    console = terminal()
    stdout, stderr = sys.stdout, sys.stderr

    def run():
        with Reporter(console, clock=clock) as reporter:
            reporter.started(**STARTED)
            show_round(reporter, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    written = console.file.getvalue()
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")  # the cursor is shown again
    assert (sys.stdout, sys.stderr) == (stdout, stderr)


def test_terminal_failure_goes_to_standard_error(clock, capsys):
    console = terminal()
    with Reporter(console, clock=clock) as reporter:
        reporter.started(**STARTED)
        reporter.failed("it broke", worker=3, traceback="Boom")
    assert capsys.readouterr().err == "gradcode: error: worker 3: it broke\n\nBoom\n"
    assert "it broke" not in text_of(console)


def test_markup_in_names_is_shown_as_it_is(clock):
    console = terminal()
    with Reporter(console, clock=clock) as reporter:
        reporter.started(**STARTED | {"scheme": "Grouped([4, 2, 3] [bold])"})
        reporter.finished(result(output="runs/[red]/x.json"))
    assert "Grouped([4, 2, 3] [bold])" in text_of(console)
    assert "runs/[red]/x.json" in text_of(console)


def test_rounds_before_the_start_are_shown_as_well(clock):
    console = terminal()
    with Reporter(console, clock=clock) as reporter:
        show_round(reporter, 4)
    assert "round 5 " in text_of(console)


def test_console_that_is_no_terminal_gets_lines(clock):
    rich = pytest.importorskip("rich.console")
    console = rich.Console(file=io.StringIO(), force_terminal=False)
    show_round(Reporter(console, clock=clock), 0)
    assert console.file.getvalue() == "round 1  loss 123.456  4.1 ms/round  late: none\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_terminal_without_rich_gets_lines(monkeypatch):
    real = builtins.__import__

    def no_rich(name, *rest):
        if name.split(".")[0] == "rich":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_rich)
    out = Terminal()
    with Reporter(stream=out) as reporter:
        reporter.started(**STARTED)
        show_round(reporter, 0)
        reporter.finished(result())
    assert "round   1/100  loss" in out.getvalue()
    assert "test AUC       0.9877" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_optional_packages_are_imported_when_used_and_not_before():
    modules = ", ".join(
        f"gradcode.{name}"
        for name in ("datasets.loading", "train.delays", "linear.objective", "linear.optimisers", "reports.live")
    )
    code = f"import sys, {modules}; print(sorted({{'sklearn', 'rich', 'typer', 'mpi4py'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"

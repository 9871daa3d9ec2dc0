"""What is shown of a training run, on a terminal and elsewhere."""

import builtins
import io
import re
import subprocess
import sys

import pytest
from training_output import result

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


def test_summary_follows_the_lines(plain):
    reporter, out, _ = plain
    reporter.finished(result())
    assert out.getvalue() == f"\n{summary(result())}\n"


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

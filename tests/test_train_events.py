"""Events between rank 0 and the launcher: what is written is what is read, and nothing else is obeyed."""

import dataclasses
import json

import pytest

from gradcode.errors import DataError, WorkerFailed
from gradcode.train.events import (
    Failed,
    Finished,
    RoundDone,
    Started,
    Status,
    decoded,
    encoded,
    failure,
    show,
)

EVENTS = [
    Status("reading"),
    Started("Uncoded(2)", n_workers=2, rows=80, features=5, iterations=3, startup_seconds=0.25),
    RoundDone(0, loss=1.5, seconds=0.01, late=[1], used=[0]),
    Finished({"status": "completed", "rounds": 3}),
    Failed("it broke", worker=1, traceback="Traceback"),
]
# The fields on the wire, which other versions and programs may read.
WIRE = {
    "status": {"message"},
    "started": {"scheme", "n_workers", "rows", "features", "iterations", "startup_seconds"},
    "round": {"round", "loss", "seconds", "late", "used"},
    "finished": {"result"},
    "failed": {"message", "worker", "traceback"},
}
each = pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)


def fields_of(event):
    return json.loads(encoded(event).removeprefix("@gradcode "))


def line_of(fields):
    return f"@gradcode {json.dumps(fields)}\n"


@each
def test_an_event_is_one_line_and_comes_back(event):
    line = encoded(event)
    assert line.startswith("@gradcode {") and line.index("\n") == len(line) - 1
    assert decoded(line) == event


def test_fields_on_the_wire():
    assert {fields["event"]: fields.keys() - {"event"} for fields in map(fields_of, EVENTS)} == WIRE


@each
def test_an_event_with_a_field_too_few_or_too_many_is_not_obeyed(event):
    fields = fields_of(event)
    for name in fields:
        assert decoded(line_of({key: value for key, value in fields.items() if key != name})) is None
    assert decoded(line_of(fields | {"more": 1})) is None


@pytest.mark.parametrize(
    "line",
    [
        "round 1/5\n",
        "@gradcode\n",
        "@gradcode not JSON\n",
        '@gradcode {"event": "status", "mess\n',
        "@gradcode []\n",
        "@gradcode 5\n",
        '@gradcode {"event": "over"}\n',
        '@gradcode {"event": ["status"], "message": ""}\n',
        ' @gradcode {"event": "status", "message": ""}\n',
    ],
)
def test_other_lines_are_no_events(line):
    assert decoded(line) is None


class Calls:
    """A reporter that keeps how it was called."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))


def test_the_reporter_shows_each_event():
    reporter = Calls()
    for event in EVENTS:
        show(event, reporter)
    assert reporter.calls == [
        ("status", "reading"),
        ("started", "Uncoded(2)", 2, 80, 5, 3, 0.25),
        ("round", 0, 1.5, 0.01, [1]),
        ("finished", {"status": "completed", "rounds": 3}),
        ("failed", "it broke", 1, "Traceback"),
    ]


def test_events_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EVENTS[0].message = "other"


def test_failures_that_explain_themselves_have_no_traceback():
    assert failure(DataError("no such file")) == Failed("no such file", None, "")
    assert failure(KeyboardInterrupt()) == Failed("KeyboardInterrupt", None, "")


def test_other_failures_have_their_traceback():
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        event = failure(error)
    assert (event.message, event.worker) == ("by zero", None)
    assert event.traceback.startswith("Traceback") and "raise ZeroDivisionError" in event.traceback


def test_a_failure_of_a_worker_names_it():
    error = WorkerFailed(3, "Traceback of the worker")
    event = failure(error)
    assert (event.worker, event.traceback) == (3, "Traceback of the worker")
    assert event.message == str(error).split("\n", 1)[0]

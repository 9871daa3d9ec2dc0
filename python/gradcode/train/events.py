"""The events that rank 0 reports to the launcher, each as one line of JSON on its standard output."""

from __future__ import annotations

import dataclasses
import json
import traceback
from dataclasses import dataclass
from typing import Any, TypeAlias

from gradcode.errors import GradCodeError, WorkerFailed
from gradcode.reports.live import Reporter

__all__ = ["Event", "Failed", "Finished", "RoundDone", "Started", "Status", "decoded", "encoded", "failure", "show"]


@dataclass(frozen=True)
class Status:
    """Something happens before training starts.

    Attributes
    ----------
    message : str
        What happens.
    """

    message: str


@dataclass(frozen=True)
class Started:
    """Training starts.

    Attributes
    ----------
    scheme : str
        The scheme, as text.
    n_workers, rows, features, iterations : int
        Numbers of workers, of training rows, of their columns, and of rounds at most.
    startup_seconds : float
        Time from the command to the first round.
    """

    scheme: str
    n_workers: int
    rows: int
    features: int
    iterations: int
    startup_seconds: float


@dataclass(frozen=True)
class RoundDone:
    """A round has ended.

    Attributes
    ----------
    round : int
        Its number, from 0.
    loss, seconds : float
        The objective, and the time of the round.
    late, used : list of int
        The workers that were late, and those whose messages were used.
    """

    round: int
    loss: float
    seconds: float
    late: list[int]
    used: list[int]


@dataclass(frozen=True)
class Finished:
    """The run has ended with a result, which is stored.

    Attributes
    ----------
    result : dict
        What result.json holds.
    """

    result: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """The run has ended without a result.

    Attributes
    ----------
    message : str
        The reason.
    worker : int or None
        The worker that failed, if it was one.
    traceback : str
        Empty if the message explains enough.
    """

    message: str
    worker: int | None
    traceback: str


Event: TypeAlias = Status | Started | RoundDone | Finished | Failed

_KINDS: dict[str, type[Event]] = {
    "status": Status,
    "started": Started,
    "round": RoundDone,
    "finished": Finished,
    "failed": Failed,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
# A line that starts with this is an event. All other lines are output of other code.
_PREFIX = "@gradcode "


def encoded(event: Event) -> str:
    r"""Return an event as a line of text.

    Examples
    --------
    >>> encoded(Status("reading"))
    '@gradcode {"event": "status", "message": "reading"}\n'
    """
    # Not asdict, which would copy a whole result.
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    return f"{_PREFIX}{json.dumps({'event': _NAMES[type(event)], **fields})}\n"


def decoded(line: str) -> Event | None:
    """Return the event of a line, or None if it is not an event with exactly the fields of its kind.

    Examples
    --------
    >>> decoded(encoded(Status("reading")))
    Status(message='reading')
    >>> decoded("reading"), decoded('@gradcode {"event": "status"}')
    (None, None)
    """
    if not line.startswith(_PREFIX):
        return None
    try:
        fields = json.loads(line[len(_PREFIX) :])
        return _KINDS[fields.pop("event")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # output of other code, or an event that such output has broken up


def failure(error: BaseException) -> Failed:
    """Return the event for a run that ended with an exception."""
    if isinstance(error, WorkerFailed):
        return Failed(str(error).split("\n", 1)[0], error.worker, error.traceback)
    # Exceptions of gradcode explain themselves; others need their traceback.
    explained = isinstance(error, (GradCodeError, ValueError, MemoryError, KeyboardInterrupt))
    text = "" if explained else "".join(traceback.format_exception(error))
    return Failed(str(error) or type(error).__name__, None, text)


def show(event: Event, reporter: Reporter) -> None:
    """Let the reporter show an event."""
    match event:
        case Status(message):
            reporter.status(message)
        case Started(scheme, n_workers, rows, features, iterations, startup_seconds):
            reporter.started(scheme, n_workers, rows, features, iterations, startup_seconds)
        case RoundDone(round, loss, seconds, late):
            reporter.round(round, loss, seconds, late)
        case Finished(result):
            reporter.finished(result)
        case Failed(message, worker, trace):
            reporter.failed(message, worker, trace)

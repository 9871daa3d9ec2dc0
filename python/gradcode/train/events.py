"""How rank 0 tells the launcher what happens: one event a line on its standard output."""

from __future__ import annotations

import json
import traceback
from typing import Any

from gradcode.errors import GradCodeError, WorkerFailed

__all__ = ["decode_event", "encode_event", "failure_event"]

# Lines that begin with this are events; all others are somebody's output.
_PREFIX = "@gradcode "


def encode_event(event: dict[str, Any]) -> str:
    """The line of an event."""
    return f"{_PREFIX}{json.dumps(event)}\n"


def decode_event(line: str) -> dict[str, Any] | None:
    """The event of a line, or None if it is none."""
    if not line.startswith(_PREFIX):
        return None
    try:
        event: dict[str, Any] = json.loads(line[len(_PREFIX) :])
    except ValueError:
        return None  # somebody's output, or an event torn by it: shown, not obeyed
    return event


def failure_event(error: BaseException) -> dict[str, Any]:
    """The event that says why a run ended without a result."""
    if isinstance(error, WorkerFailed):
        message = str(error).split("\n", 1)[0]
        return {"event": "failed", "message": message, "worker": error.worker, "traceback": error.traceback}
    # What gradcode raises explains itself; anything else is worth its traceback.
    explained = isinstance(error, (GradCodeError, ValueError, MemoryError, KeyboardInterrupt))
    text = "" if explained else "".join(traceback.format_exception(error))
    return {"event": "failed", "message": str(error) or type(error).__name__, "worker": None, "traceback": text}

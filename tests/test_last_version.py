"""What users of the last version rely on is still there: public names, and the options of the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

import gradcode
from gradcode.cli.app import app

LAST = json.loads(Path(__file__).with_name("last_version.json").read_text())
COMMANDS = typer.main.get_command(app).commands


def test_every_public_name_is_still_there():
    assert set(LAST["names"]) <= set(gradcode.__all__)
    assert all(hasattr(gradcode, name) for name in gradcode.__all__)


@pytest.mark.parametrize("command", LAST["options"])
def test_every_option_is_still_there(command):
    options = {option for parameter in COMMANDS[command].params for option in parameter.opts + parameter.secondary_opts}
    assert set(LAST["options"][command]) <= options

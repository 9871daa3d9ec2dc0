"""The options of `gradcode train` are those that the fields of its configuration declare."""

import dataclasses
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import pytest

from gradcode._options import Option, all_options, given_fields, options_of
from gradcode.datasets.source import Source
from gradcode.linear.losses import LOSSES
from gradcode.linear.optimisers import OPTIMISERS
from gradcode.schemes.names import SCHEMES
from gradcode.train.config import CODES, TrainConfig, variants
from gradcode.train.presets import PRESETS

typer = pytest.importorskip("typer")

# Options of the command that are no settings of a run.
COMMAND = {"compare", "preset", "cache", "no_cache"}
# Fields that follow from others: from the loss, from the preset, from the seed, and from the command line.
NO_OPTIONS = {TrainConfig: {"source", "command"}, Source: {"target", "stratify", "seed"}}


@pytest.fixture(scope="module")
def command():
    from gradcode.cli.app import app

    return typer.main.get_command(app).commands["train"]


def test_options_are_exactly_the_fields(command):
    fields = {declared.name for cls in (TrainConfig, Source) for declared in options_of(cls).values()}
    assert not fields & COMMAND
    assert {parameter.name for parameter in command.params} == fields | COMMAND
    assert {declared.name for declared in all_options(TrainConfig)} == fields


@pytest.mark.parametrize("cls", [TrainConfig, Source])
def test_fields_without_an_option(cls):
    assert {field.name for field in dataclasses.fields(cls)} - options_of(cls).keys() == NO_OPTIONS[cls]


@pytest.mark.parametrize("cls", [TrainConfig, Source])
def test_a_default_is_that_of_the_field_or_is_explained(cls, command):
    parameters = {parameter.name: parameter for parameter in command.params}
    for field in dataclasses.fields(cls):
        if field.name in NO_OPTIONS[cls]:
            continue
        declared = options_of(cls)[field.name]
        assert parameters[declared.name].help == declared.help
        if declared.option.default is None and field.default != ():
            assert declared.default == field.default
        else:
            assert declared.default is None


def test_choices_are_the_names_in_the_tables():
    from gradcode.cli.train import train

    parameters = inspect.signature(train).parameters
    tables = {"scheme": SCHEMES, "code": CODES, "loss": LOSSES, "optimiser": OPTIMISERS, "preset": PRESETS}
    for name, table in tables.items():
        kind = get_args(parameters[name].annotation)[0]
        if type(None) in get_args(kind):
            (kind,) = set(get_args(kind)) - {type(None)}
        assert get_args(kind) == tuple(table)


@pytest.mark.parametrize("name", ["scheme", "code", "nodes", "prefer", "loss", "optimiser", "wire_dtype", "delay_kind"])
def test_a_value_that_is_no_choice_is_refused(name):
    choices = ", ".join(options_of(TrainConfig)[name].choices)
    with pytest.raises(ValueError, match=f"^{name} must be one of {choices}, got 'nonsense'$"):
        TrainConfig(**{name: "nonsense"})


def test_a_new_option_is_a_field_and_its_use():
    """One that is declared is on the command line, in the help, checked, and part of what all ranks agree on."""
    from typer.testing import CliRunner

    from gradcode.cli.options import signature_of

    @dataclass(frozen=True)
    class Extended(TrainConfig):
        momentum: Annotated[float, Option("How much of the last step is kept.", "Optimisation")] = 0.5
        mood: Annotated[Literal["calm", "eager"], Option("Of the optimiser.", after="seed")] = "calm"

    made = []

    def train(**options):
        made.append(Extended(**given_fields(Extended, options), source=Source(**given_fields(Source, options))))

    train.__signature__ = signature_of(Extended)
    app = typer.Typer()
    app.command()(train)
    outcome = CliRunner().invoke(app, ["--momentum", "0.25", "--workers", "3", "--mood", "eager"])
    assert outcome.exit_code == 0, outcome.output
    (config,) = made
    assert (config.momentum, config.mood, config.workers) == (0.25, "eager", 3)
    assert config.shared()["momentum"] == 0.25
    assert Extended.from_json(config.to_json()) == config
    assert CliRunner().invoke(app, ["--mood", "bored"]).exit_code == 2
    with pytest.raises(ValueError, match="mood must be one of calm, eager, got 'bored'"):
        Extended(mood="bored")
    names = list(signature_of(Extended).parameters)
    assert names[-1] == "momentum" and names[names.index("seed") + 1] == "mood"
    helped = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).output
    assert "--momentum" in helped and "How much of the last step is kept." in helped


def test_options_become_fields():
    values = {declared.name: None for declared in all_options(TrainConfig)}
    given = {
        "data": Path("t.csv"),
        "numeric": ["a", "b"],
        "drop": [],
        "exclude_interaction": ["c:d"],
        "interactions": True,
        "test_share": 0.0,
    }
    assert given_fields(Source, values | given) == {
        "path": "t.csv",
        "numeric": ("a", "b"),
        "exclude_interactions": (("c", "d"),),
        "interactions": True,
        "test_share": 0.0,
    }
    assert given_fields(TrainConfig, values | {"start": Path("p.npz"), "chunks": 2}) == {
        "start": str(Path.cwd() / "p.npz"),
        "chunks": 2,
    }


@pytest.mark.parametrize("text", ["a", "a:", ":b", "a:b:c", ""])
def test_a_pair_is_two_columns(text):
    values = {declared.name: None for declared in all_options(TrainConfig)} | {"exclude_interaction": [text]}
    with pytest.raises(ValueError, match=f"exclude-interaction must be two columns .*, got '{text}'"):
        given_fields(Source, values)


def test_variants_set_aside_what_a_scheme_does_not_take():
    config = TrainConfig(workers=12, communication=2, stragglers=2, code="gaussian", prefer="decoding", output="out")
    found = variants(config, ["uncoded", "grouped", " ye-abbe", "haar", "repetition"], nodes="harmonic")
    assert list(found) == ["uncoded", "grouped", "ye-abbe", "haar", "repetition"]
    about = {name: (c.scheme, c.code, c.prefer, c.nodes, c.stragglers, c.communication) for name, c in found.items()}
    assert about == {
        "uncoded": ("uncoded", "auto", "stability", None, 0, 1),
        "grouped": ("grouped", "gaussian", "decoding", None, 2, 2),
        "ye-abbe": ("ye-abbe", "auto", "stability", "harmonic", 2, 2),
        "haar": ("grouped", "haar", "decoding", None, 2, 2),
        "repetition": ("grouped", "repetition", "decoding", None, 2, 1),
    }
    assert {c.output for c in found.values()} == {f"out/{name}" for name in found}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_fields_of_a_run_and_of_its_data(name):
    preset = PRESETS[name]
    source = Source("x", **preset.source)
    assert TrainConfig(source=source, **preset.run).source.label == preset.source["label"]

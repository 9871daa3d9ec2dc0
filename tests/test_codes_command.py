"""`gradcode codes`: codes by name, in numbers, and side by side."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from gradcode import codes
from gradcode.cli.app import app
from gradcode.codes.names import NAMES, named, named_for
from gradcode.codes.profile import candidates, digits, survival
from gradcode.errors import CodeParameterError
from gradcode.schemes.catalogue import catalogue
from gradcode.schemes.design import decoding_operations


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return lambda *arguments: CliRunner().invoke(app, ["codes", *map(str, arguments)])


def test_one_code_in_numbers(run):
    result = run("hamming-extended", 8, 4)
    assert result.exit_code == 0, result.output
    assert "distance 4: any 3 of 8 workers may straggle; messages 4 times shorter; not MDS" in result.output
    assert "decoding, fewest messages: 3 additions and 0 multiplications" in result.output
    rows = [line.split() for line in result.output.splitlines() if line.strip()[:1].isdigit()]
    assert rows[3] == ["5", "0", "6.178", "3.835", "6.7", "15.4"]
    assert rows[4][:2] == ["4", "14.29%"]
    search = run("gaussian", 24, 12).output
    assert "≥" in search and "MDS" in search


def test_names_are_listed(run):
    output = run().output
    assert all(name in output for name in NAMES)


def test_all_codes_of_a_length_with_a_picture(run, tmp_path):
    result = run("--compare", "--length", 6)
    assert result.exit_code == 0, result.output
    assert "figure in codes-6.png" in result.output
    assert (tmp_path / "codes-6.png").read_bytes().startswith(b"\x89PNG")
    for name in ("harmonic", "icosahedron", "parity", "repeated-slices", "gaussian", "repetition", "identity"):
        assert f" {name} " in result.output
    again = run("--compare", "--length", 6)
    assert again.exit_code == 2 and "figure must not exist yet, got codes-6.png" in again.output
    assert run("--compare", "--length", 5, "--figure", "five.svg").exit_code == 0
    text = (tmp_path / "five.svg").read_text()
    assert "worst condition with s workers missing" in text and "Codes of length 5" in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["turbo", 8, 4], "code must be one of default, repetition, .*, got 'turbo'"),
        (["simplex", 8, 4], "code simplex needs d = 7 and m = 3, got d=8 and m=4"),
        (["harmonic"], "length d and dimension m must be given after the name"),
        (["harmonic", 4, 8], "code harmonic needs m <= d, got d=4 and m=8"),
        (["harmonic", 0, 0], "length d must be an integer in 1..256, got 0"),
        (["--compare"], "length must be given with compare: --length D"),
        (["--compare", "--length", 99], "length must be an integer in 1..32, got 99"),
        (["harmonic", "--compare", "--length", 8], "name must be left out with compare"),
        (["--length", 8], "length and figure need compare"),
        (["--compare", "--length", 4, "--figure", "x.pdf"], "figure must end in .png or .svg, got x.pdf"),
        (["--compare", "--length", 4, "--figure", "no/x.png"], "figure must lie in a folder that exists, got no/x.png"),
        (["gaussian", 4, 2, "--seed", -1], "seed must be an integer of at least 0, got -1"),
    ],
)
def test_bad_options_are_refused_before_any_work(run, arguments, text, tmp_path):
    result = run(*arguments)
    assert result.exit_code == 2
    assert re.search(text, result.output), result.output
    assert not list(tmp_path.iterdir())


def test_every_name_makes_codes_as_it_says():
    for name, family in NAMES.items():
        made = 0
        for length in range(1, 17):
            for dimension in range(1, length + 1):
                if family.exists(length, dimension):
                    code = named(name, length, dimension)
                    assert (code.length, code.dimension) == (length, dimension), name
                    made += 1
        assert made, name


def test_codes_for_what_they_shall_do():
    for name in NAMES:
        for stragglers, communication in [(0, 1), (1, 1), (1, 2), (1, 4), (2, 3), (3, 3), (3, 4), (2, 4), (5, 4)]:
            try:
                code = named_for(name, stragglers, communication)
            except CodeParameterError:
                continue
            assert code.minimum_distance > stragglers and code.dimension == communication
    assert named_for("repeated-slices", 2, 3) == codes.product(codes.repetition(3), codes.identity(3))
    assert named_for("parity-product", 3, 4) == codes.product(codes.parity(3), codes.parity(3))
    with pytest.raises(CodeParameterError, match=r"code hamming-extended tolerates 3 stragglers .*, got stragglers=4"):
        named_for("hamming-extended", 4, 4)


def test_survivals_are_those_of_all_sets():
    code = codes.simplex()
    values = np.array([code.condition(s) for s in itertools.combinations(range(7), 3)])
    found = survival(code, 3)
    assert found.exhaustive and found.lost == pytest.approx(np.isinf(values).mean())
    finite = values[np.isfinite(values)]
    assert found.worst == pytest.approx(finite.max()) and found.typical == pytest.approx(np.median(finite))
    assert survival(code, 4).lost == 0


def test_digits():
    assert digits(1, "float32") == pytest.approx(-math.log10(np.finfo(np.float32).eps))
    assert digits(1e20, "float32") == 0
    assert digits(1e4, "float64") == pytest.approx(digits(1e4, "float32") + math.log10(2**29), abs=1e-9)


# Additions for each element of a message at s erasures, mean, of the study (section 4).
ADDITIONS = [(codes.parity(3), 0.7), (codes.parity(5), 2.4), (codes.parity(9), 6.2)]
ADDITIONS += [
    (codes.hamming_extended(), 3),
    (codes.simplex(), 1.3),
    (codes.product(codes.parity(3), codes.parity(3)), 1.5),
]


@pytest.mark.parametrize(("code", "additions"), ADDITIONS, ids=lambda value: repr(value))
def test_additive_codes_decode_by_additions(code, additions):
    found, multiplications = decoding_operations(code, "decoding")
    assert multiplications == 0
    assert found <= additions + 0.05


def test_dense_codes_cost_what_a_dense_matrix_costs():
    assert decoding_operations(codes.gaussian(8, 4)) == (12, 16)
    additions, multiplications = decoding_operations(codes.gaussian(8, 4), missing=2)
    assert (additions, multiplications) == (20, 24)
    assert decoding_operations(codes.gaussian(8, 4), "decoding", missing=2) == (12, 16)


def test_nobody_beats_those_that_are_marked(tmp_path):
    entries = catalogue(7)
    assert {entry.row.code for entry in entries} == {row.code for row in candidates(7)}
    for entry in entries:
        better = [
            other
            for other in entries
            if other.row.stragglers >= entry.row.stragglers
            and other.row.communication >= entry.row.communication
            and other.operations < entry.operations - 1e-9
            and other.row.worst < entry.row.worst * (1 - 1e-9)
        ]
        assert not (entry.pareto and better), entry
    assert any(not entry.pareto for entry in entries)

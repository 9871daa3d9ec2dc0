"""The files of an output directory: written in one step, read back, and refused where they would be lost."""

import json

import numpy as np
import pytest

from gradcode.errors import DataError
from gradcode.train.output import RunOutput, check_output, read_parameters


def test_a_run_writes_its_files(tmp_path):
    with RunOutput(tmp_path / "a" / "b") as output:
        for index in range(2):
            output.round({"round": index})
            lines = (output.directory / "rounds.jsonl").read_text().splitlines()
            assert [json.loads(line) for line in lines] == [{"round": i} for i in range(index + 1)]
        output.parameters(np.arange(3.0))
        output.result({"status": "interrupted"})
        output.result({"status": "completed"})
    assert json.loads((output.directory / "result.json").read_text()) == {"status": "completed"}
    np.testing.assert_array_equal(read_parameters(output.directory / "parameters.npz"), [0, 1, 2])
    assert len(list(output.directory.iterdir())) == 3


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "must be the parameters.npz of a training run"),
        (b"not an archive", "must be the parameters.npz of a training run"),
        ({"other": np.ones(2)}, "must be the parameters.npz of a training run"),
        ({"parameters": np.array([object()])}, "must be the parameters.npz of a training run"),
        ({"parameters": np.array([1.0, np.nan])}, "its parameters must be finite"),
    ],
    ids=["missing", "empty", "text", "other", "pickle", "nan"],
)
def test_a_file_without_parameters_is_refused(tmp_path, content, rule):
    path = tmp_path / "parameters.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(DataError, match=rule) as caught:
        read_parameters(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_check_output(tmp_path):
    check_output(None)
    check_output(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    check_output(tmp_path / "a" / "b")  # empty
    with pytest.raises(
        ValueError, match=r"output must be a new or empty directory, so that no result is lost, got .*a$"
    ):
        check_output(tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="output must be a directory, got the file"):
        check_output(tmp_path / "file")
    with pytest.raises(ValueError, match=r"output must be a directory that can be made, got .*below: "):
        check_output(tmp_path / "file" / "below")

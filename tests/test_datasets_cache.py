"""The cache of prepared data, and how a run gets its data: found again, made anew, refused."""

import dataclasses
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from gradcode.datasets import cache as cache_module
from gradcode.datasets.cache import cached, default_cache
from gradcode.datasets.loading import load
from gradcode.datasets.preparation import prepare
from gradcode.datasets.prepared import open_prepared
from gradcode.datasets.source import Source
from gradcode.errors import DataError

pytest.importorskip("sklearn")

TEXT = "".join(f"{i % 2} 1:{i + 1} 3:2\n" for i in range(20))


@pytest.fixture
def path(tmp_path):
    """A small LIBSVM file."""
    path = tmp_path / "data.svm"
    path.write_text(TEXT)
    return path


@pytest.fixture
def root(tmp_path):
    """Where the cache will be."""
    return tmp_path / "cache" / "below"


def entries(root):
    return sorted(path.name for path in root.iterdir())


def rows_of(folder):
    prepared = open_prepared(folder)
    return [prepared.rows(0, prepared.n_train)[0].toarray(), prepared.test()[0].toarray()]


# --- found again ------------------------------------------------------------------------------------------------------


def test_second_call_finds_what_the_first_made(path, root, monkeypatch):
    said = []
    folder = cached(Source(path), root, said.append)
    data = load(Source(path))
    for found, expected in zip(rows_of(folder), (data.train_X, data.test_X), strict=True):
        np.testing.assert_array_equal(found, expected.toarray())

    monkeypatch.setattr(cache_module, "load", None)  # nothing is read again
    assert cached(Source(path), root, said.append) == folder
    assert said == [f"preparing data.svm, kept in {folder}", f"reading the prepared data in {folder}"]
    assert entries(root) == [folder.name]


def test_key_is_the_content_and_not_the_place(path, root, tmp_path):
    folder = cached(Source(path), root)
    copy = tmp_path / "elsewhere" / "data.svm"
    copy.parent.mkdir()
    copy.write_text(TEXT)
    assert cached(Source(copy), root) == folder
    assert cached(Source(copy, format="libsvm"), root) == folder  # what auto found by the name
    copy.write_text(TEXT.replace("3:2", "3:4"))
    assert cached(Source(copy), root) != folder
    renamed = path.with_name("other.svm")  # the name is shown in reports
    renamed.write_text(TEXT)
    assert open_prepared(cached(Source(renamed), root)).name == "other.svm"
    assert len(entries(root)) == 3


def test_every_field_of_a_source_tells_data_apart(tmp_path, root):
    pytest.importorskip("pandas")
    path, test = tmp_path / "data.csv", tmp_path / "test.csv"
    path.write_text("a,b,c,y\n" + "".join(f"{i % 3},{i % 5},{i % 7},{i % 2}\n" for i in range(100)))
    test.write_text("a,b,c,y\n0,0,0,0\n1,1,1,1\n")
    source = Source(path, label="y")
    others = {
        "test": test,
        "target": "classes",
        "label": "a",
        "numeric": ["c"],
        "categorical": ["c"],
        "drop": ["c"],
        "interactions": True,
        "test_share": 0.5,
        "stratify": False,
        "seed": 1,
        "dtype": "float32",
    }
    fields = {field.name for field in dataclasses.fields(Source)}
    assert fields == {"path", "format", "exclude_interactions", *others}
    changed = [dataclasses.replace(source, **{"target": "classes"} | {name: value}) for name, value in others.items()]
    changed.append(dataclasses.replace(source, target="classes", interactions=True, exclude_interactions=[("a", "b")]))
    changed.append(source)
    folders = {cached(each, root) for each in changed}
    assert len(folders) == len(changed)
    assert len(entries(root)) == len(changed)


def test_content_of_the_test_file_counts(path, root):
    test = path.with_name("test.svm")
    test.write_text("0 1:1\n")
    source = Source(path, test=test)
    first = cached(source, root)
    test.write_text("0 1:2\n")
    second = cached(source, root)
    assert first != second
    assert [open_prepared(folder).test()[0].toarray()[0, 0] for folder in (first, second)] == [1, 2]


def test_other_version_is_not_used(path, root, monkeypatch):
    folder = cached(Source(path), root)
    monkeypatch.setattr(cache_module, "__version__", "another")
    assert cached(Source(path), root) != folder


# --- made anew --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "meta.json").unlink(),
        lambda folder: (folder / "meta.json").write_text("{"),
        lambda folder: (folder / "train_data.npy").write_bytes(b""),
        lambda folder: [file.unlink() for file in folder.iterdir()],
        lambda folder: folder.rename(folder.with_name("gone")) and folder.write_text("a file"),
    ],
)
def test_damaged_entry_is_made_anew(path, root, damage):
    folder = cached(Source(path), root)
    expected = rows_of(folder)
    damage(folder)
    said = []
    assert cached(Source(path), root, said.append) == folder
    assert said[0].startswith("preparing")
    for found, wanted in zip(rows_of(folder), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert set(entries(root)) - {"gone"} == {folder.name}


@pytest.mark.parametrize("damaged", [False, True])
def test_two_at_once(path, root, monkeypatch, damaged):
    if damaged:
        (cached(Source(path), root) / "meta.json").unlink()
    together, found = threading.Barrier(2), []

    def load_together(source):
        together.wait(timeout=30)  # both have found nothing, and prepare
        return load(source)

    monkeypatch.setattr(cache_module, "load", load_together)
    threads = [threading.Thread(target=lambda: found.append(cached(Source(path), root))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(found) == 2
    assert found[0] == found[1]
    assert open_prepared(found[0]).n_train == 16
    assert entries(root) == [found[0].name]


def test_loser_uses_what_the_winner_made(path, root, monkeypatch):
    """The winner's entry appears while the loser prepares; it is not touched, since others have it open."""

    def load_late(source):
        monkeypatch.setattr(cache_module, "load", load)
        winners = cached(source, root)
        times.extend(file.stat().st_mtime_ns for file in sorted(winners.iterdir()))
        return load(source)

    times = []
    monkeypatch.setattr(cache_module, "load", load_late)
    folder = cached(Source(path), root)
    assert times == [file.stat().st_mtime_ns for file in sorted(folder.iterdir())]
    assert entries(root) == [folder.name]


def test_open_data_survive_a_replacement(path, root):
    folder = cached(Source(path), root)
    opened, expected = open_prepared(folder), rows_of(folder)
    (folder / "meta.json").unlink()
    cached(Source(path), root)
    np.testing.assert_array_equal(opened.rows(0, 16)[0].toarray(), expected[0])


# --- refused ----------------------------------------------------------------------------------------------------------


def test_nothing_is_kept_of_data_that_cannot_be_used(path, root):
    path.write_text(TEXT + "bad\n")
    with pytest.raises(DataError, match=r"data\.svm:21: field 1 'bad'"):
        cached(Source(path), root)
    assert entries(root) == []


def test_nothing_is_kept_of_an_interrupted_preparation(path, root, monkeypatch):
    def interrupted(source):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache_module, "load", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached(Source(path), root)
    assert entries(root) == []


def test_file_that_changes_while_it_is_read(path, root, monkeypatch):
    def changing(source):
        data = load(source)
        path.write_text(TEXT + TEXT)
        return data

    monkeypatch.setattr(cache_module, "load", changing)
    with pytest.raises(DataError, match=r"data\.svm: must not change while it is read"):
        cached(Source(path), root)
    assert entries(root) == []


def test_missing_file(tmp_path, root):
    with pytest.raises(DataError, match="absent: cannot be read: No such file"):
        cached(Source(tmp_path / "absent"), root)
    assert not root.exists()


def test_cache_that_cannot_be_written(path, tmp_path):
    (tmp_path / "taken").write_text("")
    for directory in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(DataError, match=r"the cache directory .*taken.* cannot be written: .* GRADCODE_CACHE"):
            cached(Source(path), directory)


def test_cache_without_permission(path, root):
    folder = cached(Source(path), root)
    root.chmod(0o500)
    try:
        assert cached(Source(path), root) == folder  # nothing needs to be written
        if os.access(root, os.W_OK):
            pytest.skip("this user may write anywhere")
        with pytest.raises(DataError, match="cannot be written: Permission denied"):
            cached(Source(path, seed=1), root)
    finally:
        root.chmod(0o700)


def test_full_disk(path, root, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match=r"cannot be written: No space left on device"):
        cached(Source(path), root)
    assert entries(root) == []


def test_built_in_data_are_not_cached(root):
    with pytest.raises(ValueError, match="source must name a file to be cached"):
        cached(Source(), root)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"GRADCODE_CACHE": "/a/b", "XDG_CACHE_HOME": "/c", "HOME": "/d"}, "/a/b"),
        ({"GRADCODE_CACHE": "~/b", "HOME": "/d"}, "/d/b"),
        ({"XDG_CACHE_HOME": "/c", "HOME": "/d"}, "/c/gradcode"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/d"}, "/d/.cache/gradcode"),
        ({"GRADCODE_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/d"}, "/d/.cache/gradcode"),
    ],
)
def test_default_directory(monkeypatch, variables, expected):
    for name in ("GRADCODE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_cache() == Path(expected)


def test_no_home_directory(monkeypatch):
    monkeypatch.delenv("GRADCODE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(DataError, match=r"the cache needs a directory: Could not determine home directory.*GRADCODE_"):
        default_cache()


# --- a run's data -----------------------------------------------------------------------------------------------------


def test_prepare_uses_the_cache(path, root, tmp_path):
    said = []
    folder = prepare(Source(path), tmp_path / "own", shares=2, cache=root, say=said.append)
    assert folder.parent == root
    assert prepare(Source(path), tmp_path / "own", shares=2, cache=root, say=said.append) == folder
    assert not (tmp_path / "own").exists()
    assert [line.split()[0] for line in said] == ["preparing", "reading"]


def test_prepare_by_default_uses_the_default_cache(path, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADCODE_CACHE", str(tmp_path / "mine"))
    assert prepare(Source(path), tmp_path / "own", shares=2).parent == tmp_path / "mine"


@pytest.mark.parametrize("source", [Source(target="number"), None])
def test_prepare_without_a_cache(path, root, tmp_path, source):
    said = []
    # Built-in data never go there, others do not where it is not wanted.
    options = {"use_cache": source is not None, "cache": root}
    folder = prepare(source or Source(path), tmp_path / "own", shares=2, say=said.append, **options)
    assert folder == tmp_path / "own"
    assert open_prepared(folder).n_train == (353 if source else 16)
    assert not root.exists()
    assert said == ["preparing diabetes" if source else "preparing data.svm"]


@pytest.mark.parametrize("use_cache", [True, False])
def test_prepare_refuses_too_few_rows(path, root, tmp_path, use_cache):
    options = {"use_cache": use_cache, "cache": root}
    prepare(Source(path), tmp_path / "enough", shares=16, chunks=1, **options)
    with pytest.raises(DataError, match="data must have a training row for each of 17 shares, got 16"):
        prepare(Source(path), tmp_path / "own", shares=17, **options)
    with pytest.raises(ValueError, match="chunks must be at most the 3 rows of a share, got 4"):
        prepare(Source(path), tmp_path / "own", shares=5, chunks=4, **options)
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(("name", "field"), [("path", "data"), ("test", "test")])
def test_prepare_refuses_what_is_no_file(path, root, tmp_path, name, field):
    for wrong, rule in ((tmp_path / "absent", "a file that exists"), (tmp_path, "a file, got a directory")):
        source = Source(**{"path": path, name: wrong})
        with pytest.raises(DataError, match=f"^{field} must be {rule}: "):
            prepare(source, tmp_path / "own", shares=1, cache=root)
    assert not root.exists()

"""Training data: what is read, how it is split, what is refused, and the prepared form on disk."""

import bz2
import dataclasses
import gzip
import json
import lzma
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from gradcode.datasets.dataset import Dataset
from gradcode.datasets.loading import load
from gradcode.datasets.prepared import open_prepared, save
from gradcode.datasets.source import Source
from gradcode.errors import DataError, MissingExtra
from gradcode.linear.spectrum import spectral_norm_squared

pytest.importorskip("sklearn")

GOOD = "# made up\n0 1:0.5 3:2\n\n1 qid:7 2:-1.5 # a comment\n" * 10


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a data file and returns its path."""

    def write(text, name="data.svm"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def random_dataset(dtype="float64", rows=(40, 10), columns=30, seed=0):
    rng = np.random.default_rng(seed)
    parts = []
    for n in rows:
        X = sp.random_array((n, columns), density=0.2, rng=rng, format="csr").astype(dtype)
        parts += [X, rng.choice([-1.0, 1.0], n).astype(dtype)]
    return Dataset("random", *parts, ("no", "yes"))


# --- the source -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (None, "built-in"),
        ("a9a", "libsvm"),
        ("a9a.bz2", "libsvm"),
        ("data.csv.svm", "libsvm"),
        ("dir.csv/data", "libsvm"),
        ("data.csv", "csv"),
        ("DATA.CSV.GZ", "csv"),
        ("data.tsv.zst", "csv"),
        ("data.csv.xz", "csv"),
        ("data.parquet", "parquet"),
        ("data.pq", "parquet"),
    ],
)
def test_source_kind_goes_by_the_name(path, kind):
    assert Source(path, label="y" if kind in ("csv", "parquet") else None).kind == kind


def test_source_format_overrides_the_name():
    assert Source("data.txt", format="csv", label="y", test="other.csv").kind == "csv"
    assert Source("data.csv", format="libsvm", test="data.t").kind == "libsvm"


def test_source_takes_paths_and_lists(tmp_path):
    source = Source(
        tmp_path / "x.csv", label="y", numeric=["a"], interactions=True, exclude_interactions=[["b", "c"]], dtype=float
    )
    assert source.path == str(tmp_path / "x.csv")
    assert (source.numeric, source.exclude_interactions, source.dtype) == (("a",), (("b", "c"),), "float64")
    assert source == dataclasses.replace(source)
    assert hash(source) == hash(dataclasses.replace(source))


@pytest.mark.parametrize(
    ("fields", "error", "rule"),
    [
        ({"path": b"x"}, TypeError, "path must be a str or a path-like"),
        ({"path": ""}, ValueError, "path must be the name of a file"),
        ({"path": "x", "format": "arff"}, ValueError, "format must be one of auto, libsvm, csv, parquet, got 'arff'"),
        ({"path": "x", "target": "ranks"}, ValueError, "target must be one of binary, classes, number, got 'ranks'"),
        ({"format": "csv"}, ValueError, "format must be left out for built-in data, got 'csv'"),
        ({"test": "x"}, ValueError, "test must be left out for built-in data, got 'x'"),
        ({"label": "y"}, ValueError, "label must be left out for built-in data"),
        ({"path": "x", "label": "y"}, ValueError, "label must be left out for libsvm data.*, got 'y'"),
        ({"path": "x", "numeric": ["a"]}, ValueError, "numeric must be left out for libsvm data"),
        ({"path": "x", "interactions": True}, ValueError, "interactions must be left out for libsvm data"),
        ({"path": "x.csv"}, ValueError, "label must name the column of labels of a csv file, got None"),
        ({"path": "x.csv", "label": ""}, TypeError, "label must be the name of a column, got ''"),
        ({"path": "x.csv", "label": "y", "test": "x.pq"}, ValueError, "test must be a file of the format of path, csv"),
        ({"path": "x.csv", "label": "y", "drop": "abc"}, TypeError, "drop must be a sequence of column names"),
        ({"path": "x.csv", "label": "y", "drop": [1]}, TypeError, "drop must be a sequence of column names, got 1"),
        ({"path": "x.csv", "label": "y", "drop": ["a", "a"]}, ValueError, "drop must not name a column twice, got 'a'"),
        (
            {"path": "x.csv", "label": "y", "drop": ["y"]},
            ValueError,
            "label and drop must not name the same column, got 'y'",
        ),
        (
            {"path": "x.csv", "label": "y", "numeric": ["a"], "categorical": ["a"]},
            ValueError,
            "numeric and categorical must not name the same column, got 'a'",
        ),
        (
            {"path": "x.csv", "label": "y", "exclude_interactions": [("a", "b")]},
            ValueError,
            "exclude_interactions needs interactions",
        ),
        (
            {"path": "x.csv", "label": "y", "interactions": True, "exclude_interactions": [("a", "b", "c")]},
            ValueError,
            "sequence of pairs of column names, got .*'c'",
        ),
        (
            {"path": "x.csv", "label": "y", "interactions": True, "exclude_interactions": [("a", "y")]},
            ValueError,
            "exclude_interactions must name categorical columns, got 'y', which label names",
        ),
        ({"path": "x.csv", "label": "y", "interactions": 1}, TypeError, "interactions must be True or False, got 1"),
        ({"test_share": 0}, ValueError, "test_share must be a finite number above 0, got 0.0"),
        ({"test_share": 1.0}, ValueError, "test_share must be below 1, got 1.0"),
        ({"seed": -1}, ValueError, "seed must be an integer in 0"),
        ({"dtype": "int8"}, TypeError, "dtype must be one of float32, float64"),
    ],
)
def test_source_checks_itself(fields, error, rule):
    with pytest.raises(error, match=rule):
        Source(**fields)


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_digits_are_odd_against_even(dtype):
    digits = load(Source(dtype=dtype))
    assert digits.train_X.shape == (1437, 2145)
    assert digits.test_X.shape == (360, 2145)
    assert digits.n_features == 2145
    assert digits.classes == ("even", "odd")
    for X, y in ((digits.train_X, digits.train_y), (digits.test_X, digits.test_y)):
        assert X.dtype == y.dtype == dtype
        assert X.format == "csr"
        np.testing.assert_array_equal(X[:, [0]].toarray(), 1)  # the constant
        assert set(y) == {-1, 1}
    # 906 of the 1,797 digits are odd; both parts have that share.
    assert (digits.train_y == 1).sum() + (digits.test_y == 1).sum() == 906
    assert abs((digits.test_y == 1).mean() - 906 / 1797) < 0.002


def test_ten_digits_are_the_same_rows_with_other_labels():
    from sklearn.datasets import load_digits as sklearn_digits

    data = load(Source(target="classes", dtype="float32"))
    assert (data.name, data.target, data.classes) == ("digits", "classes", tuple("0123456789"))
    assert data.train_X.dtype == data.train_y.dtype == np.float32
    pixels, digit = sklearn_digits(return_X_y=True)
    of = {row.tobytes(): value for row, value in zip((pixels / 16).astype(np.float32), digit, strict=True)}
    for X, y in ((data.train_X, data.train_y), (data.test_X, data.test_y)):
        rows = X[:, 1:65].toarray()
        assert [of[row.tobytes()] for row in rows] == y.tolist()
        assert np.ptp(np.bincount(y.astype(int)) / len(y) - np.bincount(digit) / len(digit)) < 0.006


def test_diabetes_columns_come_as_they_are():
    from sklearn.datasets import load_diabetes as sklearn_diabetes

    data = load(Source(target="number", seed=3))
    assert (data.name, data.target, data.classes) == ("diabetes", "number", ())
    X, y = sklearn_diabetes(return_X_y=True)
    of = {row.tobytes(): value for row, value in zip(X, y, strict=True)}
    rows = np.vstack([data.train_X.toarray(), data.test_X.toarray()])
    np.testing.assert_array_equal(rows[:, 10], 1)
    assert [of[np.ascontiguousarray(row).tobytes()] for row in rows[:, :10]] == [*data.train_y, *data.test_y]
    assert len({row.tobytes() for row in rows}) == 442


@pytest.mark.parametrize(("share", "n_test"), [(0.2, 360), (0.5, 899), (0.01, 18)])
def test_share_of_the_test_rows(share, n_test):
    data = load(Source(test_share=share))
    assert data.test_X.shape[0] == n_test  # rounded up, as scikit-learn does
    assert data.train_X.shape[0] == 1797 - n_test


@pytest.mark.parametrize(
    ("target", "stratify", "stratified"),
    [("binary", True, True), ("binary", False, False), ("classes", True, True), ("number", True, False)],
)
def test_split_is_that_of_scikit_learn(written, target, stratify, stratified):
    from sklearn.model_selection import train_test_split

    y = np.random.default_rng(1).integers(0, 2, 500)
    path = written("".join(f"{label} 1:{row + 1}\n" for row, label in enumerate(y)))
    data = load(Source(path, target=target, test_share=0.3, seed=7, stratify=stratify))
    expected = train_test_split(np.arange(500), test_size=0.3, random_state=7, stratify=y if stratified else None)
    for X, rows in zip((data.train_X, data.test_X), expected, strict=True):
        np.testing.assert_array_equal(X.toarray()[:, 0], rows + 1)


def test_digits_monomials_are_those_of_the_pixels():
    X = load(Source()).test_X.toarray()
    pixels = X[:, 1:65]
    assert pixels.min() == 0
    assert pixels.max() == 1
    i, j = np.triu_indices(64)
    np.testing.assert_allclose(X[:, 65:], pixels[:, i] * pixels[:, j], rtol=1e-15)


def test_seed_decides_the_split():
    first, again, other = load(Source(seed=3)), load(Source(seed=3)), load(Source(seed=4))
    assert (first.train_X != again.train_X).nnz == 0
    np.testing.assert_array_equal(first.train_y, again.train_y)
    assert (first.train_X != other.train_X).nnz > 0


@pytest.mark.parametrize("name", ["data.svm", "data.svm.gz", "data.svm.bz2", "data.svm.xz"])
def test_svmlight_values(written, name):
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}.get(name.rsplit(".", 1)[1], bytes)
    data = load(Source(written(pack(GOOD.encode()), name), format="libsvm"))
    assert data.name == name
    assert data.classes == ("0", "1")
    assert (data.train_X.shape, data.test_X.shape) == ((16, 4), (4, 4))
    rows = {-1: [0.5, 0, 2, 1], 1: [0, -1.5, 0, 1]}  # the constant column comes last
    for X, y in ((data.train_X, data.train_y), (data.test_X, data.test_y)):
        assert (y == 1).sum() == len(y) // 2
        np.testing.assert_array_equal(X.toarray(), [rows[label] for label in y])


def test_svmlight_lower_label_becomes_minus_one(written):
    data = load(Source(written("2.5 1:1\n-7 1:3\n" * 5), dtype="float32"))
    assert data.classes == ("-7", "2.5")
    assert data.train_X.dtype == data.train_y.dtype == np.float32
    np.testing.assert_array_equal(data.train_X.toarray()[:, 0], np.where(data.train_y == 1, 1, 3))


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("yes 1:1", "field 1 'yes' must be a finite number, the label"),
        ("nan 1:1", "field 1 'nan' must be a finite number"),
        ("inf 1:1", "field 1 'inf' must be a finite number"),
        ("1,2 1:1", "field 1 '1,2' must be a finite number"),
        ("1 1:1 abc", "field 3 'abc' must be a finite number in an index:value pair"),
        ("1 1:1 2:abc", "field 3 '2:abc' must be a finite number"),
        ("1 x:1", "field 2 'x:1' must be a finite number"),
        ("1 1.5:1", "field 2 '1.5:1' must be a finite number"),
        ("1 1:", "field 2 '1:' must be a finite number"),
        ("1 1:nan", "field 2 '1:nan' must be a finite number"),
        ("1 1:-inf", "field 2 '1:-inf' must be a finite number"),
        ("1 1:1e999", "field 2 '1:1e999' must be a finite number"),
        ("1 1:1 qid:3", "field 3 'qid:3' must be a finite number"),
        ("1 0:1", "field 2 '0:1' must have an index in 1..2147483647 (indices count from 1)"),
        ("1 -2:1", "field 2 '-2:1' must have an index in 1.."),
        ("1 99999999999999999999:1", "must have an index in 1.."),
        ("1 3:1 2:1", "field 3 '2:1' must have an index above the one before it, 3"),
        ("1 3:1 3:1", "field 3 '3:1' must have an index above the one before it, 3"),
        ("\x00\x01\udcff" + "z" * 99, "must be a finite number, the label"),
    ],
)
def test_svmlight_names_the_first_bad_line(written, line, rule):
    good = GOOD.encode()
    bad = line.encode("utf-8", "surrogateescape") + b"\n"
    path = written(good + bad + good + b"also bad\n")
    with pytest.raises(DataError) as caught:
        load(Source(path))
    text = str(caught.value)
    assert text.startswith(f"{path}:{good.count(b'%c' % 10) + 1}: field ")
    assert rule in text
    assert len(text) < len(str(path)) + 160  # a long field is cut
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_svmlight_value_beyond_float32(written):
    path = written(GOOD + "1 1:1e39\n")
    load(Source(path))
    with pytest.raises(DataError, match=r":41: field 2 '1:1e39' must be a finite number .*float32"):
        load(Source(path, dtype="float32"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "at least one row, got an empty file"),
        ("\n# nothing\n", "at least one row, got an empty file"),
        ("0\n1\n" * 9, "at least one index:value pair, got 18 rows of labels alone"),
        ("1 1:1\n" * 9, "exactly two classes, got 1: 1$"),
        ("0 1:1\n1 1:1\n2 1:1\n" * 9, "exactly two classes, got 3: 0, 1, 2$"),
        ("".join(f"{i} 1:1\n" for i in range(9)), r"got 9: 0, 1, 2, 3, 4, \.\.\.$"),
        (
            "0 1:1\n" * 9 + "1 1:1\n" * 4,
            "at least 5 rows of each class to be split with test_share=0.2, got 4 of class 1",
        ),
    ],
)
def test_svmlight_unusable_as_a_whole(written, text, rule):
    path = written(text)
    with pytest.raises(DataError, match=rule) as caught:
        load(Source(path))
    assert str(caught.value).startswith(f"{path}: ")


def test_svmlight_five_rows_of_a_class_reach_both_parts(written):
    path = written("0 1:1\n" * 995 + "1 1:1\n" * 5)
    for seed in range(10):
        data = load(Source(path, seed=seed))
        assert (data.train_y == 1).sum() == 4
        assert (data.test_y == 1).sum() == 1


def test_svmlight_classes_and_numbers(written):
    path = written("2 1:1\n10 1:2\n-1 1:3\n" * 5)
    data = load(Source(path, target="classes"))
    assert (data.target, data.classes) == ("classes", ("-1", "2", "10"))
    values = {1: 1, 2: 2, 3: 0}
    assert [values[v] for v in data.train_X.toarray()[:, 0]] == data.train_y.tolist()
    data = load(Source(path, target="number"))
    assert (data.target, data.classes) == ("number", ())
    values = {1: 2, 2: 10, 3: -1}
    assert [values[v] for v in data.train_X.toarray()[:, 0]] == data.train_y.tolist()


def test_svmlight_classes_need_two(written):
    path = written("2 1:1\n" * 9)
    with pytest.raises(DataError, match="must hold rows of two classes or more, got 1: 2"):
        load(Source(path, target="classes"))


def test_svmlight_real_label_beyond_float32(written):
    path = written("1.5 1:1\n1e39 1:2\n" * 5)
    load(Source(path, target="classes", dtype="float32"))  # a name like any other
    with pytest.raises(DataError, match=r":2: field 1 '1e39' must be a finite number, the label"):
        load(Source(path, target="number", dtype="float32"))


@pytest.mark.parametrize("wider", ["train", "test"])
def test_svmlight_test_file(written, wider):
    wide, narrow = "0 1:1 5:2\n1 2:3\n", "1 1:4\n0 3:5\n0 1:6\n"
    train, test = (wide, narrow) if wider == "train" else (narrow, wide)
    data = load(Source(written(train, "a"), test=written(test, "a.t")))
    assert data.name == "a"
    rows = {wide: [[1, 0, 0, 0, 2, 1], [0, 3, 0, 0, 0, 1]]}
    rows[narrow] = [[4, 0, 0, 0, 0, 1], [0, 0, 5, 0, 0, 1], [6, 0, 0, 0, 0, 1]]
    labels = {wide: [-1, 1], narrow: [1, -1, -1]}
    np.testing.assert_array_equal(data.train_X.toarray(), rows[train])
    np.testing.assert_array_equal(data.test_X.toarray(), rows[test])
    assert (data.train_y.tolist(), data.test_y.tolist()) == (labels[train], labels[test])


def test_svmlight_test_file_of_one_class(written):
    data = load(Source(written("0 1:1\n1 1:2\n", "a"), test=written("1 1:1\n", "a.t")))
    assert data.test_y.tolist() == [1]


def test_svmlight_test_file_is_named_in_messages(written):
    path = written(GOOD, "a")
    with pytest.raises(DataError, match=r"a\.t: must hold the classes of .*a only, got 2$"):
        load(Source(path, test=written("0 1:1\n1 1:1\n2 1:2\n", "a.t")))
    with pytest.raises(DataError, match=r"a\.t:2: field 2 '1' must be"):
        load(Source(path, test=written("0 1:1\n1 1\n", "a.t")))
    with pytest.raises(DataError, match=r"absent: cannot be read: No such file"):
        load(Source(path, test=path.with_name("absent")))


@pytest.mark.parametrize(
    ("rows", "fields", "rule"),
    [
        (1, {"target": "number"}, "both parts of a split with test_share=0.2, got 1"),
        (9, {"target": "number", "test_share": 0.9}, "both parts of a split with test_share=0.9, got 9"),
        (3, {"test_share": 0.4}, "at least 3 rows of each class to be split with test_share=0.4, got 2 of class 0"),
    ],
)
def test_too_few_rows_for_a_split(written, rows, fields, rule):
    path = written("0 1:1\n" * (rows - 1) + "1 1:1\n")
    with pytest.raises(DataError, match=rule):
        load(Source(path, **fields))


@pytest.mark.parametrize("target", ["binary", "classes"])
def test_plain_split_that_loses_a_class(written, target):
    path = written("0 1:1\n" * 9 + "1 1:1\n")
    fates = set()
    for seed in range(30):
        source = Source(path, target=target, stratify=False, test_share=0.5, seed=seed)
        try:
            data = load(source)
        except DataError as error:
            part = "training" if "in the training part" in str(error) else "test"
            assert f"seed={seed} leaves no row of class 1 in the {part} part" in str(error)
            fates.add(part)
        else:
            assert data.train_y.max() == 1
            fates.add("used")
    # The only row of its class is in one part or the other; several classes do without it in the test.
    assert fates == ({"training", "test"} if target == "binary" else {"training", "used"})


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (GOOD.encode(), "plain.gz"),
        (GOOD.encode(), "plain.bz2"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-12], "cut.gz"),
        (bz2.compress(GOOD.encode())[:-12], "cut.bz2"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-8] + bytes(8), "checksum.gz"),
        (gzip.compress(GOOD.encode(), mtime=0)[:12] + b"\xff" * 40, "deflate.gz"),
        (b"", "empty.bz2"),
        (GOOD.encode(), "plain.xz"),
        (lzma.compress(GOOD.encode())[:-12], "cut.xz"),
    ],
)
def test_svmlight_corrupt_archive(written, content, name):
    path = written(content, name)
    with pytest.raises(DataError) as caught:
        load(Source(path))
    assert str(caught.value).startswith(f"{path}")
    assert caught.value.__suppress_context__


def test_svmlight_missing_file_and_directory(tmp_path):
    with pytest.raises(DataError, match=r"absent: cannot be read: No such file"):
        load(Source(tmp_path / "absent"))
    with pytest.raises(DataError, match="must be a file, got a directory"):
        load(Source(tmp_path))


@pytest.mark.parametrize("path", [None, "absent"])
def test_arguments_are_checked_before_work(path):
    with pytest.raises(ValueError, match=r"seed must be an integer in 0\.\.4294967295, got -1"):
        Source(path, seed=-1)
    with pytest.raises(TypeError, match="dtype must be one of float32, float64, got int64"):
        Source(path, dtype="int64")
    with pytest.raises(TypeError, match="path must be a str"):
        Source(b"bytes")


@pytest.mark.parametrize("source", [Source(), Source(target="number"), Source("absent")], ids=str)
def test_without_scikit_learn(monkeypatch, source):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match=r"reading training data needs scikit-learn.*gradcode\[train\]"):
        load(source)


# --- Dataset ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "rule"),
    [
        ({"train_X": np.eye(3)}, TypeError, "train_X must be a sparse CSR array, got ndarray"),
        ({"test_X": sp.csr_array((2, 3), dtype=np.int64)}, TypeError, "test_X.dtype must be one of"),
        ({"test_y": np.ones(3)}, ValueError, r"test_y must be 2 labels of float64, got shape \(3,\)"),
        ({"train_y": np.ones(2, np.float32)}, ValueError, "got shape .* of float32"),
        ({"train_y": np.array([1.0, 0.0])}, ValueError, "train_y must be -1 or .1, got 0.0"),
        ({"target": "classes", "train_y": np.array([1.0, 2.0])}, ValueError, r"whole number in 0\.\.1, got 2.0"),
        ({"target": "classes", "train_y": np.array([1.0, 0.5])}, ValueError, r"whole number in 0\.\.1, got 0.5"),
        ({"target": "classes", "train_y": np.array([1.0, np.nan])}, ValueError, "got nan"),
        ({"target": "number", "classes": (), "test_y": np.array([1.0, np.inf])}, ValueError, "test_y must be finite"),
        ({"target": "number"}, ValueError, "classes must be empty with target number"),
        ({"target": "classes", "classes": ("a",)}, ValueError, "classes must be two labels or more"),
        ({"target": "ranks"}, ValueError, "target must be one of binary, classes, number"),
        ({"test_X": sp.csr_array((2, 4))}, ValueError, "test_X must have the 3 columns .* got 4"),
        ({"classes": ("a",)}, ValueError, "classes must be two labels"),
    ],
)
def test_dataset_refuses_parts_that_do_not_fit(change, error, rule):
    X, y = sp.csr_array((2, 3)), np.array([-1.0, 1.0])
    parts = {"name": "x", "train_X": X, "train_y": y, "test_X": X, "test_y": y, "classes": ("a", "b")}
    Dataset(**parts)
    with pytest.raises(error, match=rule):
        Dataset(**parts | change)


# --- the prepared form ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_prepared_rows_are_those_saved(tmp_path, dtype):
    data = random_dataset(dtype)
    save(data, tmp_path / "a" / "b")
    prepared = open_prepared(tmp_path / "a" / "b")
    assert (prepared.name, prepared.classes, prepared.dtype) == ("random", ("no", "yes"), np.dtype(dtype))
    assert (prepared.n_train, prepared.n_test, prepared.n_features) == (40, 10, 30)
    for start, stop in ((0, 40), (0, 0), (13, 27), (39, 40), (40, 40)):
        X, y = prepared.rows(start, stop)
        np.testing.assert_array_equal(X.toarray(), data.train_X[start:stop].toarray())
        np.testing.assert_array_equal(y, data.train_y[start:stop])
        assert X.dtype == y.dtype == dtype
    X, y = prepared.test()
    np.testing.assert_array_equal(X.toarray(), data.test_X.toarray())
    np.testing.assert_array_equal(y, data.test_y)


@pytest.mark.parametrize(
    ("target", "classes", "labels", "damaged", "rule"),
    [
        ("classes", ("a", "b", "c"), [0, 2, 1], 3, r"be a whole number in 0\.\.2"),
        ("classes", ("a", "b", "c"), [0, 2, 1], 0.5, r"be a whole number in 0\.\.2"),
        ("number", (), [0.25, -1e30, 7], np.nan, "be finite"),
    ],
)
def test_prepared_labels_are_read_by_target(tmp_path, target, classes, labels, damaged, rule):
    X, y = sp.csr_array(np.eye(3)), np.array(labels, dtype=np.float64)
    save(Dataset("x", X, y, X, y, classes, target), tmp_path)
    prepared = open_prepared(tmp_path)
    assert (prepared.target, prepared.classes) == (target, classes)
    assert prepared.rows(0, 3)[1].tolist() == labels == prepared.test()[1].tolist()
    np.save(tmp_path / "train_labels.npy", np.array([labels[0], damaged, labels[2]], dtype=np.float64))
    with pytest.raises(DataError, match=f"train_labels.npy: its values must {rule}"):
        open_prepared(tmp_path).rows(1, 2)


def test_prepared_rows_are_copies_of_the_share_alone(tmp_path):
    save(random_dataset(), tmp_path)
    prepared = open_prepared(tmp_path)
    X, y = prepared.rows(10, 20)
    for array in (X.data, X.indices, X.indptr, y):
        root = array
        while root.base is not None:
            root = root.base
        assert isinstance(root, np.ndarray)  # a mapped file is at the root of a view of it
        assert root.nbytes == array.nbytes
    X.data[:] = 7
    assert not (prepared.rows(10, 20)[0].data == 7).any()


def test_prepared_rows_read_nothing_outside_the_share(tmp_path):
    data = random_dataset()
    save(data, tmp_path)
    path = tmp_path / "train_data.npy"
    values = np.load(path)
    values[data.train_X.indptr[20] :] = np.nan
    np.save(path, values)
    prepared = open_prepared(tmp_path)
    prepared.rows(0, 20)  # the damage lies in other workers' rows
    with pytest.raises(DataError, match=r"train_data.npy: its values must be finite"):
        prepared.rows(19, 21)


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 2), (0, 41)])
def test_prepared_rows_out_of_range(tmp_path, start, stop):
    save(random_dataset(), tmp_path)
    with pytest.raises(ValueError, match=r"must be an integer in 0\.\."):
        open_prepared(tmp_path).rows(start, stop)


def test_prepared_without_a_single_element(tmp_path):
    X, y = sp.csr_array((2, 3)), np.array([-1.0, 1.0])
    save(Dataset("empty", X, y, X, y, ("a", "b")), tmp_path)
    assert open_prepared(tmp_path).rows(0, 2)[0].nnz == 0


def test_save_again_leaves_open_data_as_they_were(tmp_path):
    first, second = random_dataset(seed=1), random_dataset(seed=2, rows=(20, 5))
    save(first, tmp_path)
    opened = open_prepared(tmp_path)
    save(second, tmp_path)
    np.testing.assert_array_equal(opened.rows(0, 40)[0].toarray(), first.train_X.toarray())
    assert open_prepared(tmp_path).n_train == 20
    assert len(list(tmp_path.iterdir())) == 9  # no passing files left


def test_interrupted_save_does_not_open(tmp_path, monkeypatch):
    save(random_dataset(seed=1), tmp_path)
    real, calls = np.save, []

    def full_disk(file, arr):
        calls.append(file.name)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        real(file, arr)

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(DataError, match=r"train_indptr.npy: cannot be written: No space left"):
        save(random_dataset(seed=2), tmp_path)
    with pytest.raises(DataError, match=r"meta.json: not found; the directory is not a prepared data set"):
        open_prepared(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_save_where_a_file_is(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match="taken: cannot be written"):
        save(random_dataset(), tmp_path / "taken")


@pytest.mark.parametrize("name", [f"{part}_{what}" for part in ("train", "test") for what in ("data", "indptr")])
@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (lambda content: content[:-1], "must be a complete .npy file"),
        (lambda content: content[:20], "must be a complete .npy file"),
        (lambda content: b"", "must be a complete .npy file"),
        (lambda content: content + b"x", "must have .* bytes, got"),
        (lambda content: None, "not found, though meta.json lists it"),
    ],
)
def test_damaged_file_is_named(tmp_path, name, damage, rule):
    save(random_dataset(), tmp_path)
    path = tmp_path / f"{name}.npy"
    content = damage(path.read_bytes())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"{name}.npy: {rule}"):
        open_prepared(tmp_path)


@pytest.mark.parametrize(
    "array", [np.zeros(3), np.zeros((40, 1)), np.zeros(40, np.float32), np.zeros(40, ">f8"), np.array([{}] * 40)]
)
def test_array_that_is_not_as_announced(tmp_path, array):
    save(random_dataset(), tmp_path)
    np.save(tmp_path / "train_labels.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=r"train_labels\.npy: must be"):
        open_prepared(tmp_path)


@pytest.mark.parametrize(
    ("name", "position", "value", "rule"),
    [
        ("indices", 5, 30, r"must be in 0\.\.29"),
        ("indices", 5, -1, r"must be in 0\.\.29"),
        ("indptr", 40, 10**6, "must increase within"),
        ("indptr", 0, -5, "must increase within"),
        ("indptr", 3, 200, "must increase within"),
        ("labels", 7, 0, "must be -1 or"),
    ],
)
def test_damaged_values_do_not_reach_the_product(tmp_path, name, position, value, rule):
    save(random_dataset(), tmp_path)
    path = tmp_path / f"train_{name}.npy"
    values = np.load(path)
    values[position] = value
    np.save(path, values)
    with pytest.raises(DataError, match=f"train_{name}.npy: its values {rule}"):
        open_prepared(tmp_path).rows(0, 40)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"version": 1}, "must describe a data set of format gradcode-dataset 2"),
        ({"n_features": 0}, "n_features of at least 1"),
        ({"n_features": True}, "n_features of at least 1"),
        ({"classes": ["a"]}, "its classes"),
        ({"target": "number"}, "its classes"),
        ({"target": None}, "must hold name, target"),
        ({"target": []}, "must hold name, target"),
        ({"spectral_norm_squared": -1.0}, "spectral_norm_squared"),
        ({"name": None}, "must hold name"),
        ({"arrays": {}}, "the arrays"),
    ],
)
def test_damaged_meta(tmp_path, change, rule):
    save(random_dataset(), tmp_path)
    path = tmp_path / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=f"meta.json: .*{rule}"):
        open_prepared(tmp_path)
    path.write_text("{")
    with pytest.raises(DataError, match=r"meta\.json: must be JSON"):
        open_prepared(tmp_path)
    path.write_text("[]")
    with pytest.raises(DataError, match=r"meta\.json: must describe"):
        open_prepared(tmp_path)


def test_meta_and_arrays_that_agree_but_do_not_fit(tmp_path):
    save(random_dataset(), tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text())
    meta["arrays"]["test_labels"]["shape"] = [9]
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    np.save(tmp_path / "test_labels.npy", np.ones(9))
    with pytest.raises(DataError, match="sizes and types of the test arrays do not fit"):
        open_prepared(tmp_path)


# --- the spectral norm ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 80), (80, 300), (10, 20), (1, 20_000), (20_000, 1), (2, 20_000), (1, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_spectral_norm_squared_is_never_too_small(shape, dtype):
    X = sp.random_array(shape, density=0.3, rng=np.random.default_rng(5), format="lil").astype(dtype)
    X[0, 0] = 1
    X = X.tocsr()
    expected = np.linalg.norm(X.toarray().astype(np.float64), 2) ** 2
    found = spectral_norm_squared(X)
    assert expected * (1 - 1e-12) <= found <= expected * (1 + 1e-3) * (1 + 1e-12)
    assert spectral_norm_squared(X) == found


def test_spectral_norm_squared_where_the_largest_values_crowd():
    X = sp.diags_array(np.linspace(1, 2, 3000)).tocsr()  # squares 0.07 % apart at the top
    assert 4 <= spectral_norm_squared(X) <= 4 * (1 + 1e-3)


@pytest.mark.parametrize("shape", [(0, 5), (500, 500)])
def test_spectral_norm_squared_of_nothing(shape):
    assert spectral_norm_squared(sp.csr_array(shape)) == 0


def test_spectral_norm_squared_of_values_that_overflow():
    with pytest.raises(DataError, match=r"values must be at most 1e\+100 in size to be trained on, got 1e\+101"):
        spectral_norm_squared(sp.csr_array([[1.0, -1e101]]))

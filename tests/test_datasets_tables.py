"""CSV and Parquet files: which columns are made of them, and what is refused."""

import bz2
import csv
import gzip
import itertools
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest

from gradcode.datasets.loading import load
from gradcode.datasets.source import Source
from gradcode.errors import DataError, MissingExtra
from gradcode.train.presets import PRESETS

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

AMAZON = Path(__file__).parents[2] / "shared" / "data" / "amazon_employee_access" / "train.csv"
SHOP = "colour,size,sold\nred,1,yes\nblue,3,no\n,1,yes\ngreen,3,no\n"


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a data file and returns its path."""

    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def random_rows(n_rows=200, seed=0):
    """Return column names and rows of text: three categories, a number, and a label that is the row's own number."""
    rng = np.random.default_rng(seed)
    names = ["row", "a", "x", "b", "c"]
    rows = [
        [str(row), f"a{rng.integers(5)}", repr(float(rng.normal(3, 2))), f"b{rng.integers(3)}", f"{rng.integers(4)}"]
        for row in range(n_rows)
    ]
    return names, rows


def as_csv(names, rows):
    return "\n".join(",".join(row) for row in [names, *rows]) + "\n"


def oracle(names, rows, train, label, numeric=(), pairs=(), known=None):
    """Dense rows, made one element at a time."""
    known = rows if known is None else known
    blocks = []
    for j, name in enumerate(names):
        if name == label:
            continue
        column = [row[j] for row in rows]
        if name in numeric:
            values = np.array(column, float)
            blocks.append(((values - values[train].mean()) / values[train].std())[:, None])
        else:
            blocks.append([[float(v == u) for u in sorted({row[j] for row in known})] for v in column])
    for first, second in pairs:
        i, j = names.index(first), names.index(second)
        there = sorted({(row[i], row[j]) for row in known})
        blocks.append([[float((row[i], row[j]) == u) for u in there] for row in rows])
    return np.hstack([*blocks, np.ones((len(rows), 1))])


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_columns_are_those_of_the_oracle(written, dtype):
    names, rows = random_rows()
    source = Source(
        written(as_csv(names, rows)),
        label="row",
        target="number",
        numeric=["x"],
        interactions=True,
        exclude_interactions=[("c", "a")],
        dtype=dtype,
    )
    data = load(source)
    train, test = data.train_y.astype(int), data.test_y.astype(int)  # the label is the row's number
    assert sorted([*train, *test]) == list(range(200))
    expected = oracle(names, rows, train, "row", ["x"], [("a", "b"), ("b", "c")])
    # Every category of the whole file has a column, also where only test rows have it.
    assert data.train_X.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    np.testing.assert_allclose(data.train_X.toarray(), expected[train], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(data.test_X.toarray(), expected[test], rtol=tolerance, atol=tolerance)


def test_columns_with_a_test_file(written):
    names, rows = random_rows()
    _, more = random_rows(80, seed=1)
    for row in more[::7]:
        row[1] = "a unknown"  # neither it nor any pair with it has a column
    train, test = [row for row in rows if (row[1], row[3]) != ("a0", "b0")], more
    source = Source(
        written(as_csv(names, train)),
        test=written(as_csv(names, test), "test.csv"),
        label="row",
        target="number",
        numeric=["x"],
        interactions=True,
    )
    data = load(source)
    expected = oracle(
        names, train + test, range(len(train)), "row", ["x"], itertools.combinations("abc", 2), known=train
    )
    np.testing.assert_allclose(data.train_X.toarray(), expected[: len(train)], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(data.test_X.toarray(), expected[len(train) :], rtol=1e-12, atol=1e-12)
    assert data.train_y.tolist() == [float(row[0]) for row in train]
    assert data.test_y.tolist() == [float(row[0]) for row in test]
    assert data.name == "data.csv"


def test_test_file_may_have_its_columns_in_another_order(written):
    test = written("sold,size,colour\nno,1,red\n", "test.csv")
    data = load(Source(written(SHOP), test=test, label="sold", drop=["size"]))
    np.testing.assert_array_equal(data.test_X.toarray(), [[0, 0, 0, 1, 1]])
    assert data.test_y.tolist() == [-1]


def test_dropped_columns_need_not_be_in_the_test_file(written):
    test = written("sold,colour\nno,red\n", "test.csv")
    data = load(Source(written(SHOP), test=test, label="sold", drop=["size"]))
    assert data.test_X.shape == (1, 5)


def test_pairs_are_of_values_and_not_of_their_texts_joined(written):
    text = "a,b,y\nx,yz,0\nxy,z,1\n"
    data = load(Source(written(text), test=written(text, "test.csv"), label="y", interactions=True))
    assert data.n_features == 2 + 2 + 2 + 1


def test_empty_cell_is_a_category(written):
    data = load(Source(written(SHOP), test=written(SHOP, "test.csv"), label="sold", drop=["size"]))
    np.testing.assert_array_equal(  # "", blue, green, red, constant
        data.train_X.toarray(), [[0, 0, 0, 1, 1], [0, 1, 0, 0, 1], [1, 0, 0, 0, 1], [0, 0, 1, 0, 1]]
    )


def test_constant_number_becomes_zero(written):
    text = "x,z,y\n" + "".join(f"0.1,{i},{i % 2}\n" for i in range(20))
    data = load(Source(written(text), label="y", numeric=["x", "z"]))
    np.testing.assert_array_equal(data.train_X.toarray()[:, 0], 0)
    assert data.train_X.toarray()[:, 1].std() == pytest.approx(1, rel=1e-12)


def test_values_are_taken_to_the_letter(written):
    text = 'c,y\n1,0\n1.0,1\n" 1",0\n01,1\nNA,0\nnan,1\n"a,b",0\n"say ""no""",1\n"two\nlines",0\né,1\n'
    data = load(Source(written(text), test=written(text, "test.csv"), label="y", categorical=["c"]))
    assert data.n_features == 10 + 1
    assert data.train_X.toarray()[:, :-1].sum(axis=0).tolist() == [1] * 10


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("data.csv.gz", gzip.compress),
        ("data.csv.bz2", bz2.compress),
        ("data.csv.xz", lzma.compress),
        ("data.tsv", lambda content: content.replace(b",", b"\t")),
        ("data.tsv.gz", lambda content: gzip.compress(content.replace(b",", b"\t"))),
        ("DATA.CSV", lambda content: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")),
        ("blank.csv", lambda content: b"\n\n" + content.replace(b"\n", b"\n\n")),
        ("old.csv", lambda content: content.replace(b"\n", b"\r")),
    ],
)
def test_compressions_and_line_ends(written, name, pack):
    names, rows = random_rows(50)
    content = as_csv(names, rows)
    expected = load(Source(written(content), label="row", target="number", numeric=["x"]))
    data = load(Source(written(pack(content.encode()), name), label="row", target="number", numeric=["x"]))
    np.testing.assert_array_equal(data.train_X.toarray(), expected.train_X.toarray())
    np.testing.assert_array_equal(data.train_y, expected.train_y)


def test_zstandard(written):
    pyarrow = pytest.importorskip("pyarrow")
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(SHOP.encode())
    content = sink.getvalue().to_pybytes()
    test = written(SHOP, "test.csv")
    data = load(Source(written(content, "data.csv.zst"), test=test, label="sold", numeric=["size"]))
    assert data.train_y.tolist() == [1, -1, 1, -1]
    with pytest.raises(DataError, match=r"cut\.csv\.zst: cannot be read"):
        load(Source(written(content[:-4], "cut.csv.zst"), test=test, label="sold"))


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "target", "classes"),
    [
        (["yes", "no"], "binary", ("no", "yes")),
        (["10", "9"], "binary", ("9", "10")),
        (["-1", "1"], "binary", ("-1", "1")),
        (["10", "9", "x"], "classes", ("10", "9", "x")),
        (["2", "10", "2.0"], "classes", ("2", "2.0", "10")),
    ],
)
def test_classes_are_in_the_order_of_numbers_or_else_of_text(written, texts, target, classes):
    text = "c,y\n" + "".join(f"{label},{label}\n" for label in texts * 5)
    data = load(Source(written(text), label="y", target=target))
    assert (data.classes, data.target) == (classes, target)
    # The category says which label a row had; its columns are in the order of text.
    of_column = np.array([classes.index(value) for value in sorted(classes)])
    codes = of_column[data.train_X.toarray()[:, :-1].argmax(axis=1)]
    np.testing.assert_array_equal(data.train_y, codes * 2 - 1 if target == "binary" else codes)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"label": "price"}, "label must name columns of the file, got 'price'; they are colour, size, sold$"),
        ({"numeric": ["weight"]}, "numeric must name columns of the file, got 'weight'"),
        ({"categorical": ["weight"]}, "categorical must name columns of the file, got 'weight'"),
        ({"drop": ["weight"]}, "drop must name columns of the file, got 'weight'"),
        (
            {"interactions": True, "exclude_interactions": [("size", "weight")]},
            "exclude_interactions must name columns of the file, got 'weight'",
        ),
        ({"drop": ["colour", "size"]}, "must have a column beside the label 'sold'"),
        ({"interactions": True, "numeric": ["size"]}, "interactions needs at least two categorical columns, got 1"),
        ({"numeric": ["colour"]}, r"data\.csv:2: numeric column 'colour' must hold numbers .* got 'red'"),
        ({"label": "colour", "numeric": ["sold"]}, r"data\.csv:4: label column 'colour' must hold a label, got an emp"),
        ({"target": "number"}, r"data\.csv:2: label column 'sold' must hold numbers .* got 'yes'"),
        ({"label": "size", "target": "classes"}, "at least 5 rows of each class .* got 2 of class 1"),
    ],
)
def test_columns_that_cannot_be_used(written, fields, rule):
    path = written(SHOP)
    with pytest.raises(DataError, match=rule) as caught:
        load(Source(path, **{"label": "sold"} | fields))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("cell", ["", "x", "nan", "inf", "1e101", "1_000"])
@pytest.mark.parametrize("role", ["numeric", "label"])
def test_not_a_number_is_named_with_its_line(written, cell, role):
    text = f'a,x,y\n"one\ntwo",1,1\n\nb,{cell},2\n'  # a cell of two lines and an empty line before it
    fields = {"label": "y", "numeric": ["x"]} if role == "numeric" else {"label": "x", "categorical": ["y"]}
    with pytest.raises(DataError) as caught:
        load(Source(written(text), target="number", **fields))
    got = repr(cell) if cell else "an empty cell"
    assert f"data.csv:5: {role} column 'x' must hold numbers of at most 1e+100 in size, got {got}" in str(caught.value)


def test_not_a_number_in_the_test_file(written):
    path, test = written(SHOP), written("colour,size,sold\nred,1,yes\nred,?,no\n", "test.csv")
    with pytest.raises(DataError, match=r"test\.csv:3: numeric column 'size' must hold numbers .* got '\?'"):
        load(Source(path, test=test, label="sold", numeric=["size"]))


@pytest.mark.parametrize("cells", [["0.5", "1"], ["1e-3", ""], ["2.5", "NA"], ["-0.25", "NaN"]])
def test_measurements_are_not_silently_made_categories(written, cells):
    text = "x,y\n" + "".join(f"{cell},{i % 2}\n" for i, cell in enumerate(cells * 5))
    path = written(text)
    with pytest.raises(DataError) as caught:
        load(Source(path, label="y", stratify=False))
    assert f"{path}: column 'x' holds numbers with a fraction, got {cells[0]!r}" in str(caught.value)
    for way_out in ("numeric", "categorical", "drop"):
        assert way_out in str(caught.value)
    assert load(Source(path, label="y", categorical=["x"])).n_features == 3


@pytest.mark.parametrize("cells", [["1", "2"], ["1.0", "2.0"], ["0.5", "half"], ["1.5.2", "1.2"], ["NA", "nan"]])
def test_whole_numbers_and_text_are_categories(written, cells):
    text = "x,y\n" + "".join(f"{cell},{i % 2}\n" for i, cell in enumerate(cells * 5))
    assert load(Source(written(text), label="y")).n_features == 3


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", ": must hold a line of column names, got an empty file"),
        (b"\n \n", ": must hold a line of column names, got an empty file"),
        (b"a,y\n", ": must hold at least one row, got column names alone"),
        (b"a,b,a,y\n1,2,3,4\n", ": must have column names that are all different, got 'a' twice"),
        (b"a,,y\n1,2,3\n", ": must have a name for every column, got none for column 2 of 3"),
        (b"a,b,y\n1,2,3\n\n1,2\n", ":4: must have 3 fields, as the first line has, got 2"),
        (b"a,b,y\n1,2,3\n1,2,3,4\n", ":3: must have 3 fields, as the first line has, got 4"),
        (b"a,y\n1,2,3\n1,2,3\n", ":2: must have 2 fields, as the first line has, got 3"),
        (b"a,b,y\n1\n", ":2: must have 3 fields, as the first line has, got 1"),
        (b"a,y\n1,0\ncaf\xe9,1\n", ":3: must be UTF-8 text, got the byte 0xe9"),
        (b"caf\xe9,y\n1,0\n", ":1: must be UTF-8 text, got the byte 0xe9"),
        (b'a,y\n1,"0\n2,1\n', ":"),
    ],
)
def test_malformed_csv(written, content, rule):
    path = written(content)
    with pytest.raises(DataError) as caught:
        load(Source(path, label="y"))
    assert str(caught.value).startswith(f"{path}{rule}")


def test_rows_that_really_end_in_an_empty_cell(written):
    data = load(Source(written("y,a\n" + "0,\n1,x\n" * 5), label="y"))
    assert data.n_features == 3


@pytest.mark.parametrize("field_count", [1, 2, 4, 5])
@pytest.mark.parametrize("line", [2, 3, 150, 300])
def test_every_ragged_row_is_found(written, field_count, line):
    lines = [f"a{i % 3},b{i % 5},{i % 2}" for i in range(300)]
    lines[line - 2] = ",".join("1" * field_count)
    path = written("a,b,y\n" + "\n".join(lines))
    with pytest.raises(DataError, match=rf"data\.csv:{line}: must have 3 fields, .*, got {field_count}$"):
        load(Source(path, label="y"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("colour,sold\nred,yes\n", "must have the columns of .*data.csv, but lacks size"),
        ("colour,size,sold,note\nred,1,yes,x\n", "must have the columns of .*data.csv, but also has note"),
        ("colour,size,sold\nred,1,maybe\n", "must hold the classes of .*data.csv only, got maybe"),
        ("colour,size,sold\n", "must hold at least one row"),
    ],
)
def test_test_file_that_does_not_fit(written, text, rule):
    path, test = written(SHOP), written(text, "test.csv")
    with pytest.raises(DataError, match=rule) as caught:
        load(Source(path, test=test, label="sold"))
    assert str(caught.value).startswith(str(test))


@pytest.mark.parametrize("name", ["absent.csv", "absent.parquet"])
def test_missing_file_and_directory(tmp_path, name):
    with pytest.raises(DataError, match=f"{name}: cannot be read: No such file"):
        load(Source(tmp_path / name, label="y"))
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=f"{name}: must be a file, got a directory"):
        load(Source(tmp_path / name, label="y"))


@pytest.mark.parametrize("name", ["data.csv.gz", "data.csv.bz2", "data.csv.xz"])
def test_archive_that_is_none(written, name):
    with pytest.raises(DataError, match=f"{name}: cannot be read"):
        load(Source(written(SHOP, name), label="sold"))


def test_more_than_the_machine_can_hold_is_refused(written, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 64)  # 4 KB of memory
    text = "a,b,y\n" + "".join(f"{i % 3},{i % 5},{i % 2}\n" for i in range(100))
    # a, b, the pair and the constant: 400 elements of 28 bytes.
    with pytest.raises(
        DataError, match=r"100 rows of 4 elements need at least 1.12e-05 GB to prepare, .* has 4.1e-06 GB"
    ):
        load(Source(written(text), label="y", interactions=True))


def test_without_pandas(monkeypatch, written):
    path = written(SHOP)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"needs pandas and scikit-learn.*gradcode\[train\]"):
        load(Source(path, label="sold"))


@pytest.mark.parametrize(("name", "what"), [("data.parquet", "Parquet"), ("data.csv.zst", r"\.zst")])
def test_without_pyarrow(monkeypatch, written, name, what):
    path = written(SHOP, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=rf"reading {what} files needs pyarrow.*gradcode\[parquet\]"):
        load(Source(path, label="sold"))


# --- Parquet ----------------------------------------------------------------------------------------------------------


def test_parquet_equals_csv(tmp_path, written):
    pytest.importorskip("pyarrow")
    names, rows = random_rows()
    frame = pd.DataFrame(rows, columns=names).astype({"row": "int64", "x": "float64", "a": "category", "c": "int8"})
    frame.to_parquet(tmp_path / "data.parquet")
    fields = {"label": "row", "target": "number", "numeric": ["x"], "interactions": True}
    expected = load(Source(written(as_csv(names, rows)), **fields))
    data = load(Source(tmp_path / "data.parquet", **fields))
    np.testing.assert_array_equal(data.train_X.toarray(), expected.train_X.toarray())
    np.testing.assert_array_equal(data.test_X.toarray(), expected.test_X.toarray())
    np.testing.assert_array_equal(data.train_y, expected.train_y)


def test_parquet_types(tmp_path):
    pytest.importorskip("pyarrow")
    n = 10
    frame = pd.DataFrame(
        {
            "big": pd.array([2**60, 2**60 + 1, None, 2**60, 2**60] * 2, dtype="Int64"),  # one value in float64
            "flag": [True, False] * 5,
            "day": pd.date_range("2020-01-01", periods=n),
            "text": ["a", None, "", "b", "a"] * 2,
        },
        index=range(5, 5 + n),
    )
    frame.to_parquet(tmp_path / "data.parquet")
    data = load(Source(tmp_path / "data.parquet", label="flag"))
    assert data.classes == ("false", "true")
    assert data.n_features == 3 + 10 + 3 + 1  # a null and an empty text are one category


def test_parquet_faults(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "data.parquet"

    def refused(rule, columns, **fields):
        pq.write_table(pyarrow.table(list(columns.values()), names=[name.rstrip("'") for name in columns]), path)
        with pytest.raises(DataError, match=rule) as caught:
            load(Source(path, **{"label": "y"} | fields))
        assert str(caught.value).startswith(str(path))

    y = [0, 1, 0, 1]  # too few to be split: every other fault is found before
    refused("row 3: numeric column 'x' .* got an empty cell", {"x": [1.0, 2.0, None, 4.0], "y": y}, numeric=["x"])
    refused("row 3: numeric column 'x' .* got ", {"x": [1.0, 2.0, float("nan"), 4.0], "y": y}, numeric=["x"])
    refused("column 'x' holds numbers with a fraction", {"x": [1.5, None, 2.0, 3.0], "y": y})
    refused("column 'x' holds numbers with a fraction", {"x": [1.5, float("nan"), 2.0, 3.0], "y": y})
    refused("column 'x' must hold values that can be written as text, got list", {"x": [[1]] * 4, "y": y})
    refused("column 'x' must hold values that can be written as text, got binary", {"x": [b"\xff"] * 4, "y": y})
    refused("row 2: label column 'y' must hold a label", {"x": y, "y": [0, None, 1, 1]})
    refused("label must name columns of the file, got 'y'; they are x", {"x": y})
    refused("cannot be read as Parquet", {"y": y, "y'": y})
    refused("at least one row", {"x": pyarrow.array([], "int64"), "y": pyarrow.array([], "int64")})
    for content in (b"", b"PAR1", b"no table at all" * 9, path.read_bytes()[:-9]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"data\.parquet: cannot be read as Parquet"):
            load(Source(path, label="y"))


# --- the Amazon data --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not AMAZON.is_file(), reason=f"{AMAZON} is not there; the data are not ours to redistribute")
def test_amazon_is_as_published():
    from sklearn.model_selection import train_test_split

    data = load(Source(AMAZON, **PRESETS["amazon"].source))
    assert data.train_X.shape == (26215, 241915)
    assert data.test_X.shape == (6554, 241915)
    assert data.train_X.dtype == np.float64
    assert data.classes == ("0", "1")

    with AMAZON.open(newline="") as file:
        names, *rows = csv.reader(file)
    pairs = [
        (i, j)
        for i, j in itertools.combinations(range(1, 10), 2)
        if {names[i], names[j]} not in ({"ROLE_TITLE", "ROLE_FAMILY"}, {"ROLE_ROLLUP_1", "ROLE_ROLLUP_2"})
    ]
    features = [(i, i) for i in range(1, 10)] + pairs
    categories = [sorted({(row[i], row[j]) for row in rows}) for i, j in features]
    ends = np.cumsum([0, *map(len, categories)])
    assert ends[-1] + 1 == 241915
    position = [
        {value: start + k for k, value in enumerate(values)} for values, start in zip(categories, ends, strict=False)
    ]
    train, test = train_test_split(np.arange(len(rows)), test_size=0.2, random_state=0)
    for X, y, part in ((data.train_X, data.train_y, train), (data.test_X, data.test_y, test)):
        assert (X.data == 1).all()
        np.testing.assert_array_equal(np.diff(X.indptr), 44)  # 43 categories and the constant
        assert [1.0 if rows[r][0] == "1" else -1.0 for r in part] == y.tolist()
        X.sort_indices()
        for k, r in list(enumerate(part))[::97]:
            expected = [position[f][rows[r][i], rows[r][j]] for f, (i, j) in enumerate(features)]
            assert X.indices[X.indptr[k] : X.indptr[k + 1]].tolist() == [*expected, 241914]

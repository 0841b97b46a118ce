"""Data frames and columnar files: the same rows and schema as from a CSV file of the same table."""

from __future__ import annotations

import datetime
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.cli import main
from clearprop.data import load_data
from clearprop.data.formats import parquet
from clearprop.data.formats.csv_table import read_csv
from clearprop.data.formats.frames import frame_source
from clearprop.data.formats.parquet import parquet_source
from clearprop.data.formats.read_path import read_path
from clearprop.data.options import ReadOptions
from clearprop.data.tables.reading import read_table
from clearprop.utils.errors import DataError, InvalidArgument, MissingExtra

quiet = pytest.mark.filterwarnings("ignore::clearprop.utils.errors.ClearpropWarning")
OPTIONS = ReadOptions(label="kind", missing="mean")


@pytest.fixture
def columns() -> dict[str, list[object]]:
    n = 40
    return {
        "id": list(range(n)),
        "size": [None if i == 3 else i / 4 for i in range(n)],
        "count": [None if i == 5 else i % 7 for i in range(n)],
        "colour": [("red", "blue", None)[i % 3] for i in range(n)],
        "ok": [i % 4 == 0 for i in range(n)],
        "day": [datetime.date(2024, 1, 1 + i % 28) for i in range(n)],
        "kind": [("cat", "dog")[i % 2] for i in range(n)],
    }


@pytest.fixture
def expected(columns, tmp_path):
    lines = [",".join(columns)]
    lines += [
        ",".join("" if cell is None else str(cell) for cell in row)
        for row in zip(*columns.values(), strict=True)
    ]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return read_csv(tmp_path / "table.csv", OPTIONS)


def same(rows, expected) -> None:
    np.testing.assert_array_equal(rows.x, expected.x)
    np.testing.assert_array_equal(rows.y, expected.y)
    assert rows.schema.columns == expected.schema.columns


def pandas_frame(columns):
    return pytest.importorskip("pandas", reason="pandas is not installed").DataFrame(columns)


def nullable_frame(columns):
    return pandas_frame(columns).convert_dtypes()


def categorical_frame(columns):
    return pandas_frame(columns).astype({"colour": "category", "kind": "category"})


def polars_frame(columns):
    return pytest.importorskip("polars", reason="polars is not installed").DataFrame(columns)


def arrow_table(columns):
    return pytest.importorskip("pyarrow", reason="the extra parquet is not installed").table(columns)


@pytest.mark.parametrize("make", [pandas_frame, nullable_frame, categorical_frame, polars_frame, arrow_table])
def test_data_frame_is_read_as_a_csv_file_of_it(columns, expected, make) -> None:
    same(read_table(frame_source(make(columns)), OPTIONS), expected)


@quiet
def test_load_data_takes_a_data_frame(columns) -> None:
    dataset = load_data(pandas_frame(columns), label="kind", missing="mean")
    assert dataset.name == "data frame"
    assert (len(dataset), len(dataset.test)) == (32, 8)
    assert dataset.class_names == ("cat", "dog")


@quiet
def test_model_of_a_data_frame_predicts_a_csv_file(columns, expected, tmp_path, capsys) -> None:
    train = load_data(pandas_frame(columns), label="kind", missing="mean").split(validation=0).train
    model = cp.train(cp.Network((train.n_features, 2)), cp.Recipe(epochs=1), train, progress=False).model
    model.save(tmp_path / "m.safetensors")
    assert main(["predict", str(tmp_path / "m.safetensors"), str(tmp_path / "table.csv")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 41
    assert main(["evaluate", str(tmp_path / "m.safetensors"), "--data", str(tmp_path / "table.csv")]) == 0
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("label", [0, -3, "2", 2])
def test_columns_of_numbers_are_named_by_numbers(label) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(np.arange(60.0).reshape(20, 3) % 2)
    dataset = load_data(frame, label=label)
    assert dataset.n_features == 2


@quiet
def test_columns_of_the_same_name_and_of_odd_types_are_read() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(
        {
            "a": [1.5, 2.5] * 5,
            "price": [Decimal("1.25"), None] * 5,
            "lists": [[1], [2]] * 5,
            "raw": [b"x", b"y"] * 5,
            "target": [True, False] * 5,
        }
    )
    frame.columns = ["a", "a", "lists", "raw", "target"]
    dataset = load_data(frame, missing="mean")
    assert dataset.n_features == 2
    assert dataset.class_names == ("False", "True")
    assert sorted(dataset.x[:, 1].tolist()) == [1.25] * 8


@pytest.mark.parametrize("value", [np.ones((3, 2)), {"a": [1]}, 3, None])
def test_value_that_is_no_data_frame_is_refused(value) -> None:
    with pytest.raises(
        DataError, match=r"must be a name, a path, or a data frame of pandas, polars or Arrow"
    ):
        load_data(value)


def test_option_of_image_folders_is_refused_for_a_data_frame(columns) -> None:
    with pytest.raises(InvalidArgument, match=r"skip_damaged is for a folder of images"):
        load_data(pandas_frame(columns), skip_damaged=True)


def test_wrong_cell_of_a_data_frame_is_named_by_its_row() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": [1.0, np.inf, 2.0], "label": [0, 1, 0]})
    with pytest.raises(DataError, match=r'cell of column "a" in row 2 of the pandas DataFrame .* is inf'):
        load_data(frame)


# ---- Columnar files ----------------------------------------------------------------------------------


def write_parquet(table, path: Path) -> None:
    pytest.importorskip("pyarrow.parquet", reason="the extra parquet is not installed").write_table(
        table, path
    )


def write_arrow(table, path: Path) -> None:
    ipc = pytest.importorskip("pyarrow.ipc", reason="the extra parquet is not installed")
    with ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)


def write_stream(table, path: Path) -> None:
    ipc = pytest.importorskip("pyarrow.ipc", reason="the extra parquet is not installed")
    with ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize(
    ("name", "write"), [("a.parquet", write_parquet), ("a.feather", write_arrow), ("a.arrow", write_stream)]
)
def test_columnar_file_is_read_as_a_csv_file_of_it(columns, expected, tmp_path, name, write) -> None:
    write(arrow_table(columns), tmp_path / name)
    same(read_path(tmp_path / name, OPTIONS), expected)


@quiet
def test_columnar_file_is_trained_on_measured_and_predicted(columns, tmp_path, capsys) -> None:
    path = str(tmp_path / "a.parquet")
    write_parquet(arrow_table(columns), Path(path))
    out = str(tmp_path / "run")
    arguments = ["--label", "kind", "--missing", "mean", "--hidden", "", "--epochs", "1", "--quiet"]
    assert main(["train", "--data", path, "--out", out, *arguments]) == 0
    assert main(["evaluate", out]) == 0
    capsys.readouterr()
    assert main(["predict", out, path]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 41


@pytest.mark.parametrize(
    "content", [b"PAR1", b"PAR1" * 20, b"ARROW1\0\0", b"\xff\xff\xff\xff\0\0\0\0", b"text"]
)
def test_damaged_columnar_file_gives_one_sentence(tmp_path, content) -> None:
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"a.parquet is no Parquet or Arrow file, or a damaged one"):
        parquet_source(tmp_path / "a.parquet")


def test_parquet_file_that_claims_more_cells_than_it_can_hold_is_refused(tmp_path, monkeypatch) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    monkeypatch.setattr(parquet, "MIN_CELLS_ALLOWED", 1000)
    # a run of one value takes a few bytes
    zeros = pyarrow.array(np.zeros(2_000_000, np.int8))
    write_parquet(pyarrow.table({"label": zeros, "a": zeros}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 50_000
    monkeypatch.setattr(parquet, "MAX_CELLS_PER_BYTE", 10)
    with pytest.raises(DataError, match=r"claims 2,000,000 rows of 2 columns, more than a file of its size"):
        parquet_source(tmp_path / "a.parquet")


def test_without_pyarrow_a_columnar_file_names_the_extra(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match=r'pip install "clearprop\[parquet\]", or save the table as .csv'):
        load_data(tmp_path / "a.parquet")


def test_reading_tables_imports_neither_pandas_nor_pyarrow(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("a,label\n1,x\n2,y\n3,x\n4,y\n")
    code = (
        "import sys\nfrom pathlib import Path\nfrom clearprop.data.formats.read_path import read_path\n"
        f"read_path(Path({str(tmp_path / 'a.csv')!r}))\n"
        "print(*{'pandas', 'polars', 'pyarrow', 'torch'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

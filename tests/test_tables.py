"""Tables: label column, index columns, categories, missing cells and forms of numbers, decided once."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import clearprop as cp
from clearprop.data import load_data
from clearprop.data.formats.csv_table import CsvSource, read_csv
from clearprop.data.formats.read_path import read_table_for_model
from clearprop.data.options import ReadOptions
from clearprop.data.tables.schema import TableSchema
from clearprop.utils.errors import ClearpropWarning, DataError, InvalidArgument

quiet = pytest.mark.filterwarnings("ignore::clearprop.utils.errors.ClearpropWarning")


@pytest.fixture
def table(tmp_path: Path):
    def write(text: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def lines(header: str, row, n: int = 40, separator: str = "\n") -> str:
    return separator.join([header, *(row(i) for i in range(n))]) + separator


# ---- The label column --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Outcome", "species", "Survived", "diagnosis", "Exited", "Class Label"])
def test_first_column_is_refused_where_another_is_named_like_a_label(table, name) -> None:
    path = table(lines(f"Pregnancies,Glucose,{name}", lambda i: f"{i % 5},{i},{i % 2}"))
    with pytest.raises(DataError, match=rf'"{name}" may be it, but the first is column "Pregnancies"'):
        load_data(path)


@pytest.mark.parametrize("label", ["Outcome", "outcome", 2, -1, "3", "-1"])
def test_label_column_is_named_or_numbered_and_said(table, label) -> None:
    path = table(lines("Pregnancies,Glucose,Outcome", lambda i: f"{i % 5},{i},{i % 2}"))
    dataset = load_data(path, label=label)
    assert dataset.class_names == ("0", "1")
    assert dataset.n_features == 2
    assert dataset.notes == (f'The labels of {path} are taken from column "Outcome".',)
    assert "2 classes in column 'Outcome'" in repr(dataset)


def test_label_column_that_is_not_there_suggests_the_nearest(table) -> None:
    path = table("a,outcome\n1,0\n2,1\n")
    with pytest.raises(
        DataError, match=r'has no column "Outcomes" for the labels; it has "a", "outcome". Did you'
    ):
        load_data(path, label="Outcomes")


def test_first_column_is_refused_where_the_last_alone_holds_names(table) -> None:
    # iris.data of the UCI repository
    path = table("5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n7.0,3.2,Iris-virginica\n", "iris.data")
    with pytest.raises(
        DataError, match=r"the last, column 3, holds names, but the first, column 1, holds numbers.*--label 3"
    ):
        read_csv(path)
    assert read_csv(path, ReadOptions(label="3")).y.tolist() == ["Iris-setosa"] * 2 + ["Iris-virginica"]


def test_values_to_predict_are_no_classes(table) -> None:
    path = table(lines("a,price", lambda i: f"{i % 5},{100 + i}.5"))
    with pytest.raises(DataError, match=r'in column "price", hold 100.5, .*clearprop.MLPRegressor'):
        load_data(path, label="price")
    path = table(lines("a,price", lambda i: f"{i % 5},{1000 + i}"))
    with pytest.raises(DataError, match=r"are 40 different ones in 40 rows, which are no classes"):
        load_data(path, label="price")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (("1.0", "2.0"), ("1", "2")),
        (("true", "false"), ("false", "true")),
        (("yes", "no"), ("no", "yes")),
        (("a b", "c  d"), ("a b", "c  d")),
        (('"a, b"', '"c\nd"'), ("a, b", "c\nd")),
        (("NA", "EU"), ("EU", "NA")),
    ],
)
def test_labels_are_classes_as_they_are_written(table, labels, names) -> None:
    path = table(lines("x,label", lambda i: f"{i}.5,{labels[i % 2]}"))
    assert load_data(path).class_names == names


# ---- Columns that are left out -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", "Unnamed: 0", "id", "Id", "customerID", "PassengerId", "row_id", "index", "#"]
)
def test_column_that_counts_the_rows_is_left_out_with_a_sentence(table, name) -> None:
    path = table(lines(f"{name},a,label", lambda i: f"{i},{i % 7}.5,{int(i >= 20)}"))
    with pytest.warns(
        ClearpropWarning, match=r"is left out, since it counts or names the rows; --keep-index"
    ):
        dataset = load_data(path)
    assert dataset.n_features == 1
    assert load_data(path, keep_index=True).n_features == 2


def test_shuffled_index_and_row_names_are_left_out_too(table) -> None:
    # of train_test_split(frame).to_csv(), and of R's write.csv
    for text in (
        lines(",a,label", lambda i: f"{i * 17 % 41},{i % 7}.5,{i % 2}"),
        lines('"","a","label"', lambda i: f'"car {i}",{i % 7}.5,{i % 2}'),
        lines('"a" "label"', lambda i: f'"{i + 1}" {i % 7}.5 {i % 2}'),
    ):
        with pytest.warns(ClearpropWarning, match=r"Column 1, which has no name"):
            assert load_data(table(text)).n_features == 1


@pytest.mark.parametrize("name", ["grid", "paid", "valid", "humidity", "time", "id"])
def test_column_that_measures_something_is_kept(table, name) -> None:
    # a name that only ends in the letters of an id, or an id that comes again
    path = table(lines(f"{name},label", lambda i: f"{i // 2 if name == 'id' else i},{i % 2}"))
    assert load_data(path).n_features == 1


def test_first_column_of_row_numbers_is_no_label(table) -> None:
    path = table(lines("id,a,b", lambda i: f"{i},{i % 3},{i % 2}"))
    with pytest.raises(DataError, match=r'its first, column "id", seems to count or name the rows'):
        load_data(path)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (lambda i: f"2024-01-{i % 28 + 1:02}", "holds dates"),
        (lambda i: f"{i % 28 + 1}.{i % 12 + 1}.2024 10:30", "holds dates"),
        (lambda i: f"{i % 12 + 1}/{i % 28 + 1}/24", "holds dates"),
        (lambda i: f"Smith, Mr. {i}", "holds too many different texts"),
        (lambda i: "", "is empty"),
        (lambda i: "unknown", "holds one text only"),
    ],
)
def test_column_that_is_no_feature_is_left_out_with_the_reason(table, cell, reason) -> None:
    path = table(lines("a,b,label", lambda i: f'{i % 7}.5,"{cell(i)}",{i % 2}'))
    with pytest.warns(ClearpropWarning, match=rf'Column "b" of .* is left out, since it {reason}'):
        assert load_data(path).n_features == 1


@quiet
def test_table_without_any_feature_is_refused(table) -> None:
    with pytest.raises(DataError, match=r"No column of .* is left as a feature beside the label"):
        load_data(table(lines("name,label", lambda i: f"Mr. {i},{i % 2}")))


# ---- Categories --------------------------------------------------------------------------------------


def test_texts_of_few_values_are_one_hot_encoded(table) -> None:
    path = table(lines("colour,a,label", lambda i: f"{('red', 'green', 'blue')[i % 3]},{i % 7}.5,{i % 2}"))
    rows = read_csv(path)
    assert rows.x[:3].tolist() == [[0, 0, 1, 0.5], [0, 1, 0, 1.5], [1, 0, 0, 2.5]]
    assert any('"colour" of' in note.text and "one-hot encoded" in note.text for note in rows.notes)


def test_values_that_come_again_among_numbers_are_categories(table) -> None:
    # car.data: 2, 3, 4, 5more
    path = table(lines("doors,label", lambda i: f"{('2', '3', '4', '5more')[i % 4]},{i % 2}"))
    assert read_csv(path).schema.columns[0].categories == ("2", "3", "4", "5more")


@pytest.mark.parametrize("pair", [("true", "false"), ("True", "False"), ("yes", "no"), ("TRUE", "FALSE")])
def test_booleans_are_one_feature(table, pair) -> None:
    path = table(lines("b,label", lambda i: f"{pair[i % 3 > 0]},{i % 2}"))
    assert read_csv(path).x[:3].ravel().tolist() == [1, 0, 0]


# ---- Missing cells -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["", "NA", "N/A", "nan", "NaN", "null", "None", "?", "-", "#N/A", "<NA>"])
def test_missing_cell_is_refused_filled_or_dropped_by_choice(table, cell) -> None:
    path = table(lines("a,label", lambda i: f"{cell if i == 5 else i},{i % 2}"))
    with pytest.raises(DataError, match=r'column "a" in line 7 of .*; fill it in, or choose --missing mean'):
        load_data(path)
    with pytest.warns(ClearpropWarning, match=r'1 in column "a".* filled with the mean of the training rows'):
        dataset = load_data(path, missing="mean")
    assert len(dataset) + len(dataset.test) == 40
    with pytest.warns(ClearpropWarning, match=r"1 of the 40 rows of .* are left out"):
        dataset = load_data(path, missing="drop")
    assert len(dataset) + len(dataset.test) == 39


@quiet
def test_missing_cells_are_filled_with_the_mean_of_the_training_part(table, rng) -> None:
    values = rng.normal(5, 3, 60)
    gaps = rng.random(60) < 0.3
    path = table(lines("a,label", lambda i: f"{'' if gaps[i] else values[i]:},{i % 2}", 60))
    parts = load_data(path, missing="mean").split(validation=12, seed=1)
    train = parts.train
    mean = train.x[~train.missing].mean(dtype=np.float64)
    for part in parts:
        assert part.missing.any()
        assert part.x[part.missing] == pytest.approx(mean, rel=1e-6)
        assert part.table.fill == pytest.approx([mean])
        assert part.scaling.shift == pytest.approx([mean], rel=1e-5)


@quiet
def test_row_without_a_label_is_never_given_one(table) -> None:
    path = table(lines("a,label", lambda i: f"{i},{'' if i == 3 else i % 2}"))
    with pytest.raises(
        DataError, match=r'cell of column "label" in line 5 of .* is empty, so the row has no label'
    ):
        load_data(path, missing="mean")
    assert len(load_data(path, missing="drop")) == 31


def test_unknown_policy_suggests_the_nearest(table) -> None:
    with pytest.raises(InvalidArgument, match=r"missing is 'means'.*Did you mean \"mean\""):
        load_data(table("a,label\n1,0\n"), missing="means")


def test_options_of_tables_are_refused_for_other_data(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((4, 2)), y=[0, 1, 0, 1])
    with pytest.raises(InvalidArgument, match=r"label is for tables such as .csv files, but .*a.npz is none"):
        load_data(tmp_path / "a.npz", label="y")
    with pytest.raises(InvalidArgument, match=r"digits is read as it is; leave missing out"):
        load_data("digits", missing="mean")


# ---- How files are written ---------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_separator_and_encoding_are_recognized(table, separator, encoding) -> None:
    text = lines("größe,b,label", lambda i: f"{i}.5,{i},{'äß'[i % 2]}", separator="\r\n")
    rows = read_csv(table(text.replace(",", separator).encode(encoding)))
    assert rows.x[1].tolist() == [1.5, 1]
    assert rows.y[:2].tolist() == ["ä", "ß"]
    assert rows.schema.columns[0].name == "größe"


def test_text_in_windows_1252_is_read_with_a_warning(table) -> None:
    path = table(lines("größe,label", lambda i: f"{i}.5,{'äß'[i % 2]}").encode("cp1252"))
    with pytest.warns(ClearpropWarning, match=r"is not UTF-8, so it was read as Windows-1252"):
        assert load_data(path).class_names == ("ß", "ä")


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (("1,5", "-0,25"), (1.5, -0.25)),
        (("1.234,5", "12"), (1234.5, 12)),
        (("1.234,50", "1.234.567,00"), (1234.5, 1234567)),
        (("1.5", "2"), (1.5, 2)),
    ],
)
def test_decimal_commas_are_read_between_semicolons(table, cells, numbers) -> None:
    rows = read_csv(table(lines("a;label", lambda i: f"{cells[i % 2]};{i % 2}")))
    assert rows.x[:2].ravel().tolist() == pytest.approx(numbers)


def test_point_of_a_file_with_decimal_commas_parts_thousands(table) -> None:
    rows = read_csv(table(lines("a;b;label", lambda i: f"{i},5;1.{i:03};{i % 2}")))
    assert rows.x[:2].tolist() == [[0.5, 1000], [1.5, 1001]]


@pytest.mark.parametrize(
    ("cell", "number"), [('"1,234"', 1234), ('"1,234,567.5"', 1234567.5), ('"0,5"', 0.5)]
)
def test_quoted_commas_of_numbers_are_read(table, cell, number) -> None:
    first = '"1,000"' if number > 1 else "1"
    rows = read_csv(table(lines("a,label", lambda i: f"{cell if i else first},{i % 2}")))
    assert rows.x[1, 0] == number


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\na;label\n1;x\n2;y\n",
        "a,label,\n1,x,\n2,y,\n",
        "a,label\n1,x\n,\n2,y\n,\n",
        " a , label \n 1 , x \n 2 , y \n",
    ],
)
@quiet
def test_habits_of_spreadsheets_are_read(table, text) -> None:
    rows = read_csv(table(text))
    assert rows.x.ravel().tolist() == [1, 2]
    assert rows.y.tolist() == ["x", "y"]


def test_columns_of_the_same_name_are_told_apart(table) -> None:
    rows = read_csv(table("a,a,label\n1,2,0\n3,4,1\n"))
    assert [column.name for column in rows.schema.columns] == ["a", "a.1", "label"]


def test_header_of_numbers_by_pandas_is_a_header(table) -> None:
    rows = read_csv(table(lines("0,1,2,3,4", lambda i: f"{i % 2},{i},1,2,3.5")))
    assert len(rows.x) == 40


def test_table_of_texts_without_a_header_keeps_its_first_row(table) -> None:
    rows = read_csv(table(lines("x,o,win", lambda i: ("x,o,win", "o,x,loss")[i % 2])), ReadOptions(label=-1))
    assert len(rows.y) == 41


def test_thousands_of_columns_are_read_and_kept_with_the_model(table, tmp_path) -> None:
    n = 8000
    header = ",".join(f"gene {i}" for i in range(n))
    text = lines(f"{header},label", lambda i: ",".join([f"{i % 3}.5"] * n + [str(i % 2)]), 12)
    data = load_data(table(text)).split(validation=0).train
    model = cp.train(cp.Network((n, 2)), cp.Recipe(epochs=1), data, progress=False).model
    model.save(tmp_path / "m.safetensors")
    loaded = cp.load(tmp_path / "m.safetensors")
    assert TableSchema.from_dict(loaded.table, n).columns[n - 1].name == f"gene {n - 1}"


# ---- The schema on another file ----------------------------------------------------------------------


@pytest.fixture
def schema(table) -> TableSchema:
    path = table(
        lines(
            "id,colour,size,ok,label",
            lambda i: f"{i},{('red', 'blue')[i % 2]},{i},{('yes', 'no')[i % 3 > 0]},{i % 2}",
        )
    )
    found = read_csv(path).schema
    return TableSchema.from_dict(replace(found, fill=np.arange(4.0)).to_dict(), 4)


@quiet
@pytest.mark.parametrize(
    "text",
    [
        "size,label,ok,colour\n7,1,yes,blue\n",
        "extra,size,colour,ok\nx,7,blue,yes\n",
        "Size;Colour;OK\n7,0;blue;Yes\n",
        "3,blue,7,yes,1\n",
        "3,blue,7,yes\n",
        "blue,7,yes\n",
    ],
)
def test_columns_are_found_by_name_and_else_by_their_order(table, schema, text) -> None:
    rows = read_table_for_model(table(text, "other.csv"), schema, labels=False)
    assert rows.x.tolist() == [[1, 0, 7, 1]]


def test_missing_columns_are_named(table, schema) -> None:
    with pytest.raises(
        DataError, match=r'other.csv has no column "colour" and no column "ok", which the model was'
    ):
        read_table_for_model(table("size,label\n7,1\n", "other.csv"), schema, labels=False)
    with pytest.raises(DataError, match=r'has no column "label"'):
        read_table_for_model(table("size,colour,ok\n7,red,yes\n", "other.csv"), schema, labels=True)
    with pytest.raises(DataError, match=r"has 2 columns without names, but the model was trained with 5"):
        read_table_for_model(table("7,1\n8,2\n", "other.csv"), schema, labels=False)


def test_values_that_the_training_data_has_not_are_told(table, schema) -> None:
    path = table("size,colour,ok\n7,green,yes\n8,red,perhaps\n", "other.csv")
    rows = read_table_for_model(path, schema, labels=False)
    assert rows.x.tolist() == [[0, 0, 7, 1], [0, 1, 8, 0]]
    assert '"green" in column "colour" (1 rows)' in rows.notes[0].text


def test_wrong_cell_of_another_file_is_named(table, schema) -> None:
    path = table("size,colour,ok\n7,red,yes\nbig,red,no\n", "other.csv")
    with pytest.raises(
        DataError, match=r'cell of column "size" in line 3 of .*other.csv is "big", but must be a number'
    ):
        read_table_for_model(path, schema, labels=False)


@pytest.mark.parametrize(
    "change",
    [
        {"kinds": "nnnn"},
        {"kinds": "l" * 5},
        {"kinds": 3},
        {"names": "a,b"},
        {"names": '"'},
        {"categories": []},
        {"categories": [[1, 2]]},
        {"categories": "ab"},
        {"missing": "guess"},
        {"feature_means": [1.0]},
        {"feature_means": [float("nan")] * 4},
        {"feature_means": "abcd"},
    ],
)
def test_damaged_schema_of_a_model_file_gives_one_sentence(schema, change) -> None:
    with pytest.raises(DataError, match=r"The model file describes"):
        TableSchema.from_dict({**schema.to_dict(), **change}, 4)


def test_schema_survives_names_with_commas_quotes_and_line_breaks(table) -> None:
    path = table('"a, b","c ""d""","e\nf",label\n1,2,3,0\n4,5,6,1\n')
    written = replace(read_csv(path).schema, fill=np.zeros(3)).to_dict()
    names = [column.name for column in TableSchema.from_dict(written, 3).columns]
    assert names == ["a, b", 'c "d"', "e\nf", "label"]


def test_source_reads_a_long_table_in_chunks(table) -> None:
    source = CsvSource(table(lines("a,label", lambda i: f"x{i % 3},{i % 2}", 10_000)))
    assert [len(chunk.lines) for chunk in source.chunks()] == [4096, 4096, 1808]
    assert len(read_csv(source.path).x) == 10_000


@pytest.mark.parametrize(
    "text",
    [
        "# made by hand\n# in 1998\na,b,label\n1,2,0\n3,4,1\n",
        "# a,b,label\n1,2,0\n3,4,1\n",
        "#a,b,label\n1,2,0\n3,4,1\n",
    ],
)
def test_comments_before_the_table_are_no_rows(table, text) -> None:
    rows = read_csv(table(text))
    assert [column.name for column in rows.schema.columns] == ["a", "b", "label"]
    assert rows.x.tolist() == [[1, 2], [3, 4]]


def test_binary_file_is_no_table(table) -> None:
    with pytest.raises(DataError, match=r"is no text in UTF-8 or Windows-1252"):
        read_csv(table(bytes(range(1, 256)) * 20))


@pytest.mark.parametrize("content", ["," * 3_000_000, "a" * 40_000_000, "a,label\n1," + "2," * 3_000_000])
def test_endless_line_costs_little_memory(table, content) -> None:
    path = table(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"cells, which no table has|is no CSV|zero rows|cells in line"):
            read_csv(path)
        assert tracemalloc.get_traced_memory()[1] < 350_000_000
    finally:
        tracemalloc.stop()


# ---- For a trained model, in Python ------------------------------------------------------------------


@quiet
def test_rows_for_a_model_are_read_as_its_training_table(table) -> None:
    path = table(
        lines("colour,size,label", lambda i: f"{('red', 'blue')[i % 2]},{i},{('x', 'y')[i % 3 > 0]}")
    )
    train = load_data(path).split(validation=0).train
    model = cp.train(cp.Network((3, 2)), cp.Recipe(epochs=1), train, progress=False).model
    other = table(lines("label,size,colour", lambda i: f"y,{'' if i == 2 else i},red"), "other.csv")
    rows = cp.data.load_rows(other, model, missing="mean")
    assert rows.class_names == ("x", "y")
    assert rows.x[:3].tolist() == [[0, 1, 0], [0, 1, 1], [0, 1, np.float32(train.table.fill[2])]]
    assert rows.y.tolist() == [1] * 40
    assert cp.evaluate(model, rows).confusion.sum(axis=1).tolist() == [0, 40]


def test_table_with_columns_of_its_own_is_not_measured_silently(table) -> None:
    train = load_data(table(lines("a,b,label", lambda i: f"{i},{i % 7},{i % 2}"))).split(validation=0).train
    model = cp.train(cp.Network((2, 2)), cp.Recipe(epochs=1), train, progress=False).model
    other = load_data(table(lines("b,a,label", lambda i: f"{i % 7},{i},{i % 2}"), "other.csv"))
    with pytest.raises(InvalidArgument, match=r"load it with clearprop.data.load_rows\(path, model\)"):
        cp.evaluate(model, other)

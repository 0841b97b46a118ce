"""CSV reader: label column, header, and the cell named in an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clearprop.data.formats.csv_table import read_csv
from clearprop.utils.errors import DataError


@pytest.fixture
def table(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture(scope="session")
def fuzz_file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "table.csv"


@pytest.mark.parametrize(
    ("text", "x", "y"),
    [
        ("3,1.5,2\n4,0,-1\n", [[1.5, 2], [0, -1]], [3, 4]),
        ("a,b,label\n1.5,2,3\n0,-1,4\n", [[1.5, 2], [0, -1]], [3, 4]),
        ("a, Class ,b\n1.5,x,2\n0,y,-1\n", [[1.5, 2], [0, -1]], ["x", "y"]),
        ("x,y,target\n1,2,0\n3,4,1\n", [[1, 2], [3, 4]], [0, 1]),
        ("digit,0,1\n7,5,6\n8,9,9\n", [[5, 6], [9, 9]], [7, 8]),
        ("species,length,width\ncat,1,2\ndog,3,4\n", [[1, 2], [3, 4]], ["cat", "dog"]),
        ("cat,1,2\ndog,3,4\n", [[1, 2], [3, 4]], ["cat", "dog"]),
        ("\n3,1,2\n\n4,0,1\n\n", [[1, 2], [0, 1]], [3, 4]),
        ("\ufeff3,1,2\r\n4,0,1\r\n", [[1, 2], [0, 1]], [3, 4]),
        ('"a, b",1,"2"\n"c",0,1', [[1, 2], [0, 1]], ["a, b", "c"]),
        ("3.0,1e3,2\n4.0,0,1\n", [[1000, 2], [0, 1]], [3, 4]),
    ],
)
def test_labels_and_features_are_found(table, text, x, y):
    arrays = read_csv(table(text))
    np.testing.assert_array_equal(arrays.x, x)
    np.testing.assert_array_equal(arrays.y, y)


@pytest.mark.parametrize(("cell", "dtype"), [("255", np.uint8), ("256", np.float32), ("0.5", np.float32)])
def test_whole_numbers_up_to_255_take_one_byte(table, cell, dtype):
    assert read_csv(table(f"0,0,1\n1,2,{cell}\n")).x.dtype == dtype


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0,1,2\n1,3,x\n", r'cell of column 3 in line 2 of .*table.csv is "x", but must be a number'),
        ("label,a,b\n0,1,2\n\n1,oops,2\n", r'cell of column "a" in line 4 of .* is "oops"'),
        ("label,a,b\n0,1,2\n1,,2\n", r'cell of column "a" in line 3 of .* is empty'),
        ("a,label\n1,0\n2,\n", r'cell of column "label" in line 3 of .* is empty'),
        ("0,1,2\n1,nan,2\n", r"cell of column 2 in line 2 of .* is nan, but features must be finite"),
        ("0,1,2\n1,-inf,2\n", r"cell of column 2 in line 2 of .* is -inf"),
        ("0,1,2\n1,1e39,2\n", r"cell of column 2 in line 2 of .* is 1e39"),
        ("0,1,2\n1,1_0,2\n", r'column 2 in line 2 of .* is "1_0"'),
        ("0,1,2\n1,2\n", "There are 2 cells in line 2 of .*, but 3 in its first line"),
        ("0,1,2\n1,2,3,4\n", "There are 4 cells in line 2 of .*, but 3 in its first line"),
        ("label,a\n0,1,2\n1,2,3\n", "There are 3 cells in line 2 of .*, but 2 in its first line"),
        ("cat,1,x\ndog,2,3\n", 'column 3 in line 1 of .* is "x"'),
        ("5,,3\n6,1,2\n", "column 2 in line 1 of .* is empty"),
        ("0:1:2\n1:2:3\n", "one column only"),
        ("label\n0\n1\n", "one column only"),
        ("\n\n", "zero rows"),
        ("label,a,b\n", "zero rows below its header"),
        (b"label,a\n0,1\n1,\xff\n", 'cell of column "a" in line 3 of .* is "\xff"'),
        (b"\xff\xfel\0a\0,\0b", "not UTF-16 text"),
        (b"", "is empty"),
    ],
)
def test_error_names_the_bad_cell(table, text, sentence):
    with pytest.raises(DataError, match=sentence):
        read_csv(table(text))


def test_error_quotes_only_the_start_of_a_long_cell(table):
    with pytest.raises(DataError) as caught:
        read_csv(table("0,1\n1," + "9" * 1000 + "x\n"))
    assert len(str(caught.value)) < 300


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 9),
            st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
        ),
        min_size=1,
        max_size=8,
    ),
    header=st.booleans(),
)
def test_csv_round_trip(fuzz_file, rows, header):
    lines = [",".join(map(repr, [label, *features])) for label, features in rows]
    fuzz_file.write_text("\n".join(["label,a,b,c"] * header + lines))
    arrays = read_csv(fuzz_file)
    np.testing.assert_array_equal(arrays.x, np.array([features for _, features in rows], np.float32))
    np.testing.assert_array_equal(arrays.y, [label for label, _ in rows])


@given(
    content=st.binary(max_size=200)
    | st.text("0123456789.,-+einfa\"' \n\r\t;#\0", max_size=80).map(str.encode)
)
@example(b'0,"1\n2,3')
@example(b"0,1\n0,\0")
@example(b"label,label\n1,2")
@example("٣,٤\n٥,٦\n".encode())
def test_any_bytes_give_arrays_or_a_data_error(fuzz_file, content):
    fuzz_file.write_bytes(content)
    try:
        arrays = read_csv(fuzz_file)
    except DataError:
        return
    assert arrays.x.ndim == 2
    assert len(arrays.x) == len(arrays.y) > 0
    assert np.isfinite(arrays.x).all()

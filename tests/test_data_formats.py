"""IDX and NPZ readers: arrays of valid files, and errors for damaged or hostile ones."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearprop.data.formats.idx import find_idx_files, read_idx, read_idx_files
from clearprop.data.formats.npz import read_npz
from clearprop.utils.errors import DataError

CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx_bytes(array: np.ndarray, code: str = "u1") -> bytes:
    header = bytes([0, 0, CODES[code], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(code).tobytes()


def peak_memory(function, *arguments) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (5, 4, 3)).astype(np.uint8)


@pytest.fixture(scope="session")
def fuzz_file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file"


# ---- IDX ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_idx_keeps_shape_and_numbers_of_every_type(tmp_path, rng, code):
    array = rng.integers(0, 100, (3, 2, 4)).astype(code)
    (tmp_path / "a").write_bytes(idx_bytes(array, code))
    read = read_idx(tmp_path / "a")
    np.testing.assert_array_equal(read, array)
    assert read.dtype.isnative


def test_gzipped_idx_is_recognized_by_content_not_name(tmp_path, images):
    (tmp_path / "a").write_bytes(gzip.compress(idx_bytes(images)))
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), images)


def test_idx_arrays_can_be_written_to_as_pytorch_wants_it(tmp_path, images):
    (tmp_path / "a").write_bytes(idx_bytes(images))
    assert read_idx(tmp_path / "a").flags.writeable


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\0\0", "begins with the bytes 00 00,"),
        (b"PK\3\4 and more", "is not an IDX file: it begins with the bytes 50 4b 03 04"),
        (b"\0\0\x07\1\0\0\0\1a", "is not an IDX file"),
        (b"\0\0\x08\0", "has 0 dimensions"),
        (b"\0\0\x08\xff" + bytes(1100), "has 255 dimensions"),
        (b"\0\0\x08\3\0\0\0\1", "ends within its header"),
        (b"\0\0\x08\1\0\0\0\5abc", "is truncated: its header promises 5 bytes"),
        (b"\0\0\x08\1\0\0\0\2abc", "goes on after the 2 bytes"),
        (b"\0\0\x08\2\0\0\0\0\xff\xff\xff\xff", "zero items"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_invalid_idx_file_gives_an_error_that_names_it(tmp_path, content, sentence, pack):
    path = tmp_path / "train-images"
    path.write_bytes(pack(content) if content else b"")
    with pytest.raises(DataError, match=sentence) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_idx_with_a_cut_gzip_stream_is_truncated(tmp_path, rng):
    path = tmp_path / "a.gz"
    packed = gzip.compress(idx_bytes(rng.integers(0, 256, (100, 8, 8)).astype(np.uint8)))
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="truncated: its compressed data ends too early"):
        read_idx(path)


def test_idx_with_a_wrong_gzip_checksum_is_damaged(tmp_path, images):
    packed = bytearray(gzip.compress(idx_bytes(images)))
    packed[-8] ^= 1
    (tmp_path / "a.gz").write_bytes(packed)
    with pytest.raises(DataError, match="is damaged: CRC"):
        read_idx(tmp_path / "a.gz")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_that_promises_terabytes_costs_no_memory(tmp_path, pack):
    (tmp_path / "a").write_bytes(pack(b"\0\0\x08\2" + b"\xff" * 8 + b"little"))
    assert peak_memory(read_idx, tmp_path / "a") < 4_000_000


def test_idx_is_not_unpacked_beyond_what_its_header_promises(tmp_path):
    bomb = gzip.compress(idx_bytes(np.zeros(10, np.uint8)) + bytes(100_000_000), compresslevel=9)
    (tmp_path / "a").write_bytes(bomb)
    assert peak_memory(read_idx, tmp_path / "a") < 8_000_000


@given(content=st.binary(max_size=200))
def test_any_bytes_as_idx_give_an_array_or_a_data_error(fuzz_file, content):
    fuzz_file.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read_idx(fuzz_file).size


@given(
    position=st.integers(0, 75),
    value=st.integers(0, 255),
    length=st.integers(1, 76),
    packed=st.booleans(),
)
def test_damaged_idx_file_gives_an_array_or_a_data_error(fuzz_file, position, value, length, packed):
    content = idx_bytes(np.arange(60, dtype=np.uint8).reshape(5, 4, 3))
    content = bytearray(gzip.compress(content) if packed else content)
    content[position % len(content)] = value
    fuzz_file.write_bytes(content[:length])
    with contextlib.suppress(DataError):
        assert read_idx(fuzz_file).size


def write_idx_folder(folder: Path, images: int = 6, labels: int = 6, ending: str = "") -> None:
    for part, (n_images, n_labels) in {"train": (images, labels), "t10k": (3, 3)}.items():
        for name, array in (
            (f"{part}-images-idx3-ubyte", np.full((n_images, 4, 4), 7, np.uint8)),
            (f"{part}-labels-idx1-ubyte", np.arange(n_labels, dtype=np.uint8) % 3),
        ):
            content = idx_bytes(array)
            (folder / (name + ending)).write_bytes(gzip.compress(content) if ending == ".gz" else content)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_folder_gives_both_parts(tmp_path, ending):
    write_idx_folder(tmp_path, ending=ending)
    arrays = read_idx_files(find_idx_files(tmp_path))
    assert [array.shape for array in arrays] == [(6, 4, 4), (6,), (3, 4, 4), (3,)]


def test_idx_files_may_have_a_dot_before_idx(tmp_path):
    write_idx_folder(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert len(find_idx_files(tmp_path)) == 4


def test_idx_counts_that_differ_are_named_with_both_files(tmp_path):
    write_idx_folder(tmp_path, images=6, labels=5)
    with pytest.raises(
        DataError, match="train-images-idx3-ubyte has 6 images, but train-labels-idx1-ubyte has 5 labels"
    ):
        read_idx_files(find_idx_files(tmp_path))


def test_idx_images_in_place_of_labels_are_refused_by_shape(tmp_path):
    write_idx_folder(tmp_path)
    images = tmp_path / "train-images-idx3-ubyte"
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(images.read_bytes())
    with pytest.raises(DataError, match=r"has the shape \(6, 4, 4\) and .*labels.* \(6, 4, 4\)"):
        read_idx_files(find_idx_files(tmp_path))


@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
def test_idx_folder_without_one_of_the_files_says_which(tmp_path, name):
    write_idx_folder(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=f"has no {name}"):
        read_idx_files(find_idx_files(tmp_path))


def test_idx_folder_may_have_training_files_only(tmp_path):
    write_idx_folder(tmp_path)
    for path in tmp_path.glob("t10k*"):
        path.unlink()
    assert read_idx_files(find_idx_files(tmp_path)).x_test is None


# ---- NPZ ---------------------------------------------------------------------------------------------


def npz_bytes(member: bytes, name: str = "x.npy", compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, member)
        archive.writestr("y.npy", member)
    return buffer.getvalue()


def npy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f8", "<i8", "<U3"])
def test_npz_gives_back_what_numpy_saved(tmp_path, rng, save, order, dtype):
    x = rng.integers(0, 100, (5, 4, 3)).astype(dtype, order=order)
    save(tmp_path / "a.npz", x=x, y=np.arange(5))
    arrays = read_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(arrays.x, x)
    np.testing.assert_array_equal(arrays.y, np.arange(5))
    assert arrays.x.flags.writeable
    assert arrays.x_test is None


def test_npz_may_have_a_test_set(tmp_path, images):
    np.savez(tmp_path / "a.npz", x_train=images, y_train=[1] * 5, x_test=images[:2], y_test=[0, 1])
    arrays = read_npz(tmp_path / "a.npz")
    assert [len(array) for array in arrays] == [5, 5, 2, 2]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("features", "y"), "has no array named x, .* it has features, y"),
        (("a", "b"), "no array named x and none named y"),
        (("x_train", "y_train", "x_test"), "no array named y_test"),
    ],
)
def test_npz_with_other_names_says_which_it_has(tmp_path, names, sentence):
    np.savez(tmp_path / "a.npz", **{name: np.ones((2, 2)) for name in names})
    with pytest.raises(DataError, match=sentence):
        read_npz(tmp_path / "a.npz")


def test_npz_of_python_objects_is_refused_and_not_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}, []], dtype=object), y=[0, 1])
    with pytest.raises(DataError, match=r"x in .*a.npz holds Python objects"):
        read_npz(tmp_path / "a.npz")


def test_empty_npz_file_is_reported(tmp_path):
    (tmp_path / "a.npz").touch()
    with pytest.raises(DataError, match="is empty"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 7}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9999999999)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<U999999999', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
        "__import__('os').system('true')",
        "(" * 5000,
        "",
    ],
)
def test_npz_with_a_hostile_header_costs_no_memory(tmp_path, header):
    member = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + bytes(24)
    (tmp_path / "a.npz").write_bytes(npz_bytes(member))
    # the parser of Python needs some room for five thousand brackets
    assert peak_memory(read_npz, tmp_path / "a.npz") < 4_000_000


def test_npz_that_unpacks_to_more_than_its_header_says_is_refused_without_unpacking_it(tmp_path):
    member = npy_bytes(np.zeros((2, 3), np.float32)) + bytes(100_000_000)
    (tmp_path / "a.npz").write_bytes(npz_bytes(member, compression=zipfile.ZIP_DEFLATED))
    assert peak_memory(read_npz, tmp_path / "a.npz") < 8_000_000


def test_npz_compressed_by_other_methods_is_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(npz_bytes(npy_bytes(np.ones((2, 2))), compression=zipfile.ZIP_BZIP2))
    with pytest.raises(DataError, match="compressed by a method that NumPy does not write"):
        read_npz(tmp_path / "a.npz")


@given(content=st.binary(max_size=200))
def test_any_bytes_as_npz_give_a_data_error(fuzz_file, content):
    fuzz_file.write_bytes(content)
    with pytest.raises(DataError):
        read_npz(fuzz_file)


@given(
    position=st.integers(0, 10_000),
    value=st.integers(0, 255),
    deflated=st.booleans(),
    cut=st.integers(0, 600) | st.none(),
)
def test_damaged_npz_file_gives_arrays_or_a_data_error(fuzz_file, position, value, deflated, cut):
    member = npy_bytes(np.arange(6, dtype=np.float32).reshape(3, 2))
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    content = bytearray(npz_bytes(member, compression=method))
    content[position % len(content)] = value
    fuzz_file.write_bytes(content[:cut])
    with contextlib.suppress(DataError):
        assert read_npz(fuzz_file).x.size

"""load_data: every built-in name, every kind of path, and errors for unknown ones."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from clearprop.data import load_data
from clearprop.data.catalog import CATALOG
from clearprop.utils.errors import DataError


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("CLEARPROP_DATA", raising=False)


def write_idx(folder: Path, part: str, images: np.ndarray, labels: list[int]) -> None:
    folder.mkdir(exist_ok=True)
    shape = struct.pack(">3I", *images.shape)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(b"\0\0\x08\3" + shape + images.tobytes())
    content = b"\0\0\x08\1" + struct.pack(">I", len(labels)) + bytes(labels)
    (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(content))


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (10, 5, 4)).astype(np.uint8)


# ---- Names -------------------------------------------------------------------------------------------


def test_digits_are_1437_and_360_images_of_28_by_28():
    digits = load_data("digits")
    assert (len(digits), len(digits.test)) == (1437, 360)
    assert digits.image_shape == (28, 28)
    assert digits.x.dtype == np.uint8
    assert (digits.x.min(), digits.x.max()) == (0, 255)
    assert digits.scaling.factor == 1 / 255
    assert digits.class_names == tuple("0123456789")
    assert set(np.bincount(digits.test.y)) <= {35, 36, 37}


def test_digits_are_all_the_images_of_scikit_learn_from_black_0_to_white_255():
    from sklearn.datasets import load_digits

    from clearprop.scratch import resize_and_flatten

    small = np.rint(load_digits().images / 16 * 255).astype(np.uint8)
    digits = load_data("digits")
    rows = np.vstack([digits.x, digits.test.x])
    assert sorted(row.tobytes() for row in rows) == sorted(row.tobytes() for row in resize_and_flatten(small))


def test_digits_are_the_same_every_time():
    assert load_data("digits").digest() == load_data("digits").digest()


def test_mnist_is_read_from_its_genuine_files(mnist_folder):
    mnist = load_data("mnist", data_dir=mnist_folder)
    assert mnist.x.shape == (60_000, 784)
    assert mnist.test.x.shape == (10_000, 784)
    assert mnist.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test.y[:3].tolist() == [7, 2, 1]
    assert round(mnist.x.mean() / 255, 4) == 0.1307
    assert mnist.x.flags.writeable
    assert [len(part) for part in mnist.split()] == [50_000, 10_000, 10_000]


def test_mnist_is_read_with_one_copy_of_its_rows(mnist_folder):
    tracemalloc.start()
    try:
        load_data("mnist", data_dir=mnist_folder)
        assert tracemalloc.get_traced_memory()[1] < 80_000_000
    finally:
        tracemalloc.stop()


def test_the_catalog_has_the_digests_of_the_genuine_files(mnist_folder):
    from clearprop.data.fetching import look_up

    entry = CATALOG["mnist"]
    for file in entry.files.values():
        local = look_up(entry, file, mnist_folder, mnist_folder)
        assert (local.state, local.path.stat().st_size) == ("genuine", file.size)


def test_the_variable_names_the_folder_with_the_files(mnist_folder, monkeypatch):
    monkeypatch.setenv("CLEARPROP_DATA", str(mnist_folder.parent))
    assert len(load_data("mnist")) == 60_000


def test_mnist_is_not_taken_for_fashion_mnist(mnist_folder):
    with pytest.raises(DataError, match=r"is not the genuine file of fashion-mnist.*folder of its own name"):
        load_data("fashion-mnist", data_dir=mnist_folder)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("fashion_mnist", 'Did you mean "fashion-mnist"'),
        ("MNIST", 'Did you mean "mnist"'),
        ("digit", 'Did you mean "digits"'),
        ("my/data.csv", "or a path.$"),
        ("~nobody-of-this-name/data.csv", "or a path.$"),
        ("x" * 5000, "or a path.$"),
        ("nul\0byte", "or a path.$"),
        ("", "or a path.$"),
    ],
)
def test_error_for_an_unknown_name_suggests_near_names_and_paths(name, suggestion):
    with pytest.raises(DataError, match=suggestion) as caught:
        load_data(name)
    assert 'give "digits", "mnist", "fashion-mnist" or "kmnist", or a path.' in str(caught.value)


def test_a_path_is_a_path_even_if_it_has_the_name_of_a_data_set(tmp_path, monkeypatch, images):
    monkeypatch.chdir(tmp_path)
    write_idx(Path("digits"), "train", images, [0, 1] * 5)
    assert len(load_data(Path("digits"))) == 8


# ---- Paths -------------------------------------------------------------------------------------------


def test_a_folder_of_idx_files_has_its_own_test_set(tmp_path, images):
    write_idx(tmp_path / "mine", "train", images, [3, 7] * 5)
    write_idx(tmp_path / "mine", "t10k", images[:2], [7, 3])
    dataset = load_data(str(tmp_path / "mine"))
    assert dataset.name == "mine"
    assert dataset.class_names == ("3", "7")
    assert dataset.image_shape == (5, 4)
    np.testing.assert_array_equal(dataset.x, images.reshape(10, 20))
    assert dataset.test.y.tolist() == [1, 0]


def test_a_test_label_outside_the_classes_of_an_idx_folder_is_named(tmp_path, images):
    write_idx(tmp_path, "train", images, [3, 7] * 5)
    write_idx(tmp_path, "t10k", images[:2], [7, 4])
    with pytest.raises(DataError, match="Label 4 at row 1 of the test set"):
        load_data(tmp_path)


def test_a_label_outside_the_classes_of_the_catalog_is_named(tmp_path, images):
    from dataclasses import replace

    from clearprop.data.catalog import DataFile
    from clearprop.data.download import digest_of
    from clearprop.data.formats.idx import find_idx_files
    from clearprop.data.loading import load_entry

    write_idx(tmp_path, "train", images, [0, 1] * 4 + [0, 12])
    write_idx(tmp_path, "t10k", images[:2], [0, 1])
    files = {}
    for part, path in find_idx_files(tmp_path).items():
        digest = digest_of(path, "sha256:")
        files[part] = DataFile(f"{path.name.removesuffix('.gz')}.gz", 1, digest, digest)
    entry = replace(CATALOG["mnist"], files=files)
    with pytest.raises(DataError, match=r"Label 12 at row 9 of mnist .* outside the classes, 0 to 9"):
        load_entry(entry, tmp_path)


def test_an_npz_file_is_a_data_set(tmp_path, images):
    np.savez(tmp_path / "mine.npz", x_train=images, y_train=["b", "a"] * 5, x_test=images[:1], y_test=["b"])
    dataset = load_data(tmp_path / "mine.npz")
    assert (dataset.name, dataset.class_names, dataset.image_shape) == ("mine", ("a", "b"), (5, 4))
    assert dataset.test.y.tolist() == [1]


def test_a_csv_file_is_a_data_set(tmp_path):
    path = tmp_path / "flowers.CSV"
    path.write_text("petal,sepal,class\n" + "".join(f"{i},{i * 7},{'ab'[i % 2]}\n" for i in range(10)))
    dataset = load_data(path)
    assert (dataset.name, dataset.class_names, dataset.image_shape) == ("flowers", ("a", "b"), None)
    assert (len(dataset), len(dataset.test)) == (8, 2)
    assert np.ndim(dataset.scaling.shift) == 1
    assert dataset.source == str(path)


@pytest.mark.parametrize("text", ["0,1\n0,2\n", "label,a\n5,1\n5,2\n"])
def test_a_file_of_one_class_is_refused(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match="a has 1 class only; a classifier needs at least two"):
        load_data(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["data.txt", "data", "data.npz.bak"])
def test_unknown_kind_of_file_is_refused_with_the_known_kinds(tmp_path, name):
    (tmp_path / name).write_text("1,2\n")
    with pytest.raises(DataError, match=r"is of no kind that can be read; give a .npz or .csv file"):
        load_data(tmp_path / name)


def test_empty_folder_is_refused_with_the_possible_contents(tmp_path):
    with pytest.raises(DataError, match="neither the IDX files of MNIST, nor one subfolder of images"):
        load_data(tmp_path)


def test_missing_path_is_reported(tmp_path):
    with pytest.raises(DataError, match="no file or folder of that name"):
        load_data(tmp_path / "missing.csv")


def test_importing_clearprop_data_imports_nothing_heavy():
    code = (
        "import sys, clearprop.data\n"
        "heavy = {'sklearn', 'pooch', 'PIL', 'typer', 'rich', 'scipy', 'torch', 'requests', 'matplotlib'}\n"
        "print(*heavy & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

"""Layouts of data that other libraries and archives make: found, or refused with the path to name."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.data import load_data
from clearprop.utils.errors import ClearpropWarning, DataError


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (10, 5, 5)).astype(np.uint8)


def write_idx(
    folder: Path, images: np.ndarray, prefix: str = "", test: str = "t10k", ending: str = ""
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if ending == ".gz" else bytes
    for part, n in (("train", len(images)), (test, 2)):
        shape = struct.pack(">3I", n, *images.shape[1:])
        content = b"\0\0\x08\3" + shape + images[:n].tobytes()
        (folder / f"{prefix}{part}-images-idx3-ubyte{ending}").write_bytes(pack(content))
        content = b"\0\0\x08\1" + struct.pack(">I", n) + bytes([1, 2] * (n // 2))
        (folder / f"{prefix}{part}-labels-idx1-ubyte{ending}").write_bytes(pack(content))


@pytest.mark.parametrize("named", ["", "MNIST", "MNIST/raw"])
def test_torchvision_folder_is_found_from_its_root(tmp_path, images, named) -> None:
    write_idx(tmp_path / "MNIST" / "raw", images)
    dataset = load_data(tmp_path / named)
    np.testing.assert_array_equal(dataset.x, images.reshape(10, 25))
    assert dataset.class_names == ("1", "2")
    assert len(dataset.test) == 2


def test_torchvision_root_of_several_data_sets_says_which_to_name(tmp_path, images) -> None:
    for name in ("MNIST", "FashionMNIST"):
        write_idx(tmp_path / name / "raw", images)
    with pytest.raises(DataError, match=r"several data sets .* name .*FashionMNIST or .*MNIST"):
        load_data(tmp_path)


@pytest.mark.parametrize("named", ["", "MNIST", "MNIST/raw"])
def test_named_data_set_is_found_in_the_layout_of_torchvision(tmp_path, mnist_folder, named) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in mnist_folder.glob("*ubyte.gz"):
        (raw / path.name).symlink_to(path)
    assert len(load_data("mnist", data_dir=tmp_path / named)) == 60_000


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_of_emnist_are_found_by_their_names(tmp_path, images, ending) -> None:
    write_idx(tmp_path, images, "emnist-letters-", "test", ending)
    dataset = load_data(tmp_path)
    assert (len(dataset), len(dataset.test)) == (10, 2)


def test_one_of_several_data_sets_in_a_folder_is_named_by_its_file(tmp_path, images) -> None:
    write_idx(tmp_path, images, "emnist-letters-", "test", ".gz")
    write_idx(tmp_path, images[:4], "emnist-digits-", "test", ".gz")
    with pytest.raises(DataError, match=r"several data sets; name a file of one of them, .*emnist-digits-"):
        load_data(tmp_path)
    assert len(load_data(tmp_path / "emnist-digits-train-images-idx3-ubyte.gz")) == 4


def test_idx_files_in_folders_of_their_names_are_found(tmp_path, images) -> None:
    write_idx(tmp_path / "flat", images)
    for path in (tmp_path / "flat").iterdir():
        (tmp_path / "deep" / path.name).mkdir(parents=True)
        path.rename(tmp_path / "deep" / path.name / path.name)
    assert len(load_data(tmp_path / "deep")) == 10


@pytest.mark.parametrize(
    "names",
    [
        ("x", "y"),
        ("X", "Y"),
        ("X", "y"),
        ("data", "target"),
        ("images", "labels"),
        ("x_train", "y_train"),
        ("X_train", "Y_train"),
        ("train_images", "train_labels"),
        ("train_x", "train_y"),
        ("arr_0", "arr_1"),
    ],
)
def test_arrays_of_an_npz_file_are_found_by_their_usual_names(tmp_path, images, names) -> None:
    np.savez(tmp_path / "a.npz", **{names[0]: images, names[1]: np.arange(10) % 2})
    dataset = load_data(tmp_path / "a.npz")
    assert len(dataset) + len(dataset.test) == 10


def test_medmnist_file_has_its_validation_rows_among_the_others_and_its_test_set(tmp_path, images) -> None:
    parts = {"train": images, "val": images[:4], "test": images[:6]}
    arrays = {f"{part}_images": x for part, x in parts.items()}
    arrays |= {f"{part}_labels": (np.arange(len(x)) % 2)[:, None] for part, x in parts.items()}
    np.savez(tmp_path / "pneumonia.npz", **arrays)
    dataset = load_data(tmp_path / "pneumonia.npz")
    np.testing.assert_array_equal(dataset.x, np.concatenate([images, images[:4]]).reshape(14, 25))
    assert len(dataset.test) == 6


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_one_hot_labels_are_classes(tmp_path, images, dtype) -> None:
    labels = np.arange(10) % 3
    np.savez(
        tmp_path / "a.npz",
        x_train=images,
        y_train=np.eye(3, dtype=dtype)[labels],
        x_test=images,
        y_test=labels,
    )
    dataset = load_data(tmp_path / "a.npz")
    assert dataset.y.tolist() == labels.tolist() == dataset.test.y.tolist()


def test_labels_of_two_columns_that_are_not_one_hot_are_refused(tmp_path, images) -> None:
    np.savez(tmp_path / "a.npz", x=images, y=np.ones((10, 2)))
    with pytest.raises(DataError, match="each row needs exactly one label"):
        load_data(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("X", "y"), "X.npy"),
        (("X", "y"), "y.npy"),
        (("x_train", "y_train"), ""),
        (("train_images", "train_labels"), "train_images.npy"),
        (("iris_X", "iris_y"), "iris_X.npy"),
        (("features", "labels"), "labels.npy"),
    ],
)
def test_pair_of_npy_files_is_a_data_set(tmp_path, images, names, named) -> None:
    np.save(tmp_path / names[0], images)
    np.save(tmp_path / names[1], np.arange(10) % 2)
    dataset = load_data(tmp_path / named)
    assert len(dataset) + len(dataset.test) == 10
    assert dataset.image_shape == (5, 5)


def test_npy_files_may_have_a_test_set(tmp_path, images) -> None:
    for part, n in (("train", 10), ("test", 3)):
        np.save(tmp_path / f"x_{part}", images[:n])
        np.save(tmp_path / f"y_{part}", np.arange(n) % 2)
    assert len(load_data(tmp_path / "x_train.npy").test) == 3


def test_npy_file_without_a_partner_is_refused_with_the_names_that_are_there(tmp_path, images) -> None:
    np.save(tmp_path / "images_of_cats", images)
    with pytest.raises(DataError, match=r"has no partner: .* such as x.npy and y.npy.* has images_of_cats"):
        load_data(tmp_path / "images_of_cats.npy")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array at all", b"\x93NUMPY\1\0\xff\xff{}"])
def test_damaged_npy_file_is_refused(tmp_path, images, content) -> None:
    np.save(tmp_path / "y.npy", np.arange(10))
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"x.npy is"):
        load_data(tmp_path / "x.npy")


# ---- Folders of images -------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("L", (8, 8), number * 40).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def test_one_damaged_image_refuses_a_folder_unless_it_is_to_be_skipped(pictures) -> None:
    (pictures / "cat" / "3.png").write_bytes(b"no image")
    (pictures / "dog" / "0.png").write_bytes((pictures / "dog" / "1.png").read_bytes()[:40])
    with pytest.raises(
        DataError, match=r"3.png is damaged.* --skip-damaged \(skip_damaged=True\) leaves such"
    ):
        load_data(pictures)
    with pytest.warns(ClearpropWarning, match=r"2 images of .* are left out: cat.3.png, dog.0.png"):
        dataset = load_data(pictures, skip_damaged=True)
    assert len(dataset) + len(dataset.test) == 8


def test_class_of_damaged_images_only_is_refused(pictures) -> None:
    for path in (pictures / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"Every image of .*cat is damaged"):
        load_data(pictures, skip_damaged=True)


def test_run_on_a_folder_with_damaged_images_is_evaluated_again(pictures, capsys) -> None:
    (pictures / "cat" / "3.png").write_bytes(b"no image")
    out = str(pictures.parent / "run")
    arguments = ["--data", str(pictures), "--skip-damaged", "--hidden", "", "--epochs", "1", "--quiet"]
    assert main(["train", *arguments, "--out", out]) == 0
    assert "1 image of" in capsys.readouterr().err
    assert main(["evaluate", out]) == 0
    assert "pictures: accuracy" in capsys.readouterr().out


def test_folder_with_train_and_test_folders_has_its_own_test_set(pictures) -> None:
    root = pictures.parent / "root"
    (root / "train").parent.mkdir()
    pictures.rename(root / "train")
    for name, part in (("cat", "test"), ("dog", "test"), ("dog", "val")):
        (root / part / name).mkdir(parents=True)
        (root / part / name / "a.png").write_bytes((root / "train" / "cat" / "1.png").read_bytes())
    dataset = load_data(root)
    assert dataset.class_names == ("cat", "dog")
    assert (len(dataset), len(dataset.test)) == (11, 2)


def test_classes_named_train_and_test_are_classes(pictures) -> None:
    (pictures / "cat").rename(pictures / "train")
    (pictures / "dog").rename(pictures / "test")
    assert load_data(pictures).class_names == ("test", "train")

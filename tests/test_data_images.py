"""Image folder reader: classes by subfolder, and errors for bad files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from clearprop.data.formats.image_folder import read_image, read_image_folder
from clearprop.data.loading import load_data
from clearprop.utils.errors import DataError


@pytest.fixture
def folder(tmp_path, rng):
    """Five images for each of three classes, of different sizes and kinds."""
    for name in ("10", "9", "2"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(5):
            pixels = rng.integers(0, 256, (20 + i, 30)).astype(np.uint8)
            Image.fromarray(pixels).save(
                tmp_path / "pictures" / name / f"{i}.{'png' if i % 2 else 'JPG'}", "png"
            )
    return tmp_path / "pictures"


def test_images_become_28_by_28_grey_in_the_order_of_their_names(folder):
    arrays = read_image_folder(folder)
    assert arrays.x.shape == (15, 28, 28)
    assert arrays.x.dtype == np.uint8
    assert arrays.y.tolist() == ["10"] * 5 + ["2"] * 5 + ["9"] * 5


def test_folder_names_that_are_numbers_are_classes_in_the_order_of_numbers(folder):
    dataset = load_data(folder)
    assert dataset.class_names == ("2", "9", "10")
    assert dataset.image_shape == (28, 28)
    assert dataset.name == "pictures"
    np.testing.assert_array_equal(np.bincount(dataset.test.y), [1, 1, 1])


def test_an_image_of_the_right_size_keeps_its_pixels(tmp_path, rng):
    pixels = rng.integers(0, 256, (28, 28)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), pixels)


def test_colours_become_grey(tmp_path):
    Image.new("RGB", (28, 28), (255, 0, 0)).save(tmp_path / "a.png")
    assert np.unique(read_image(tmp_path / "a.png")) == [76]


def test_transparent_pixels_become_white(tmp_path):
    Image.new("RGBA", (28, 28), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert np.unique(read_image(tmp_path / "a.png")) == [255]


def test_hidden_files_and_other_kinds_of_files_are_skipped(folder):
    (folder / "2" / ".DS_Store").write_bytes(b"x")
    (folder / "2" / "notes.txt").write_text("x")
    (folder / "2" / "._0.png").write_bytes(b"x")
    (folder / ".thumbnails").mkdir()
    assert len(read_image_folder(folder).x) == 15


def test_a_class_without_images_is_named(folder):
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no images"):
        read_image_folder(folder)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n"])
def test_error_names_a_file_that_is_not_an_image(folder, content):
    (folder / "2" / "bad.png").write_bytes(content)
    with pytest.raises(DataError, match=r"2/bad.png is damaged, or no image"):
        read_image_folder(folder)


def test_a_truncated_image_is_named(folder):
    path = folder / "2" / "1.png"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"2/1.png is damaged"):
        read_image_folder(folder)


def test_an_animated_image_is_named(folder):
    frames = [Image.new("L", (9, 9), colour) for colour in (0, 99, 255)]
    frames[0].save(folder / "2" / "moving.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"2/moving.gif holds 3 pictures, but must hold one"):
        read_image_folder(folder)


@pytest.mark.parametrize("side", [8000, 15000])
def test_a_decompression_bomb_is_named_before_it_is_unpacked(folder, side):
    header = f"P5 {side} {side} 255\n".encode()
    (folder / "2" / "bomb.pgm").write_bytes(header + bytes(10))
    with pytest.raises(DataError, match=r"2/bomb.pgm (has 8,000 by 8,000|claims to have too many) pixels"):
        read_image_folder(folder)


def test_an_image_of_16_bits_is_refused_and_not_clipped_to_white(folder):
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(folder / "2" / "deep.png")
    with pytest.raises(DataError, match=r"2/deep.png has more than 8 bits a pixel"):
        read_image_folder(folder)

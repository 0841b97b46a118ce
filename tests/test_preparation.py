"""Image preparation: each step from a picture to a row, and properties that hold for any picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw

import clearprop as cp
from clearprop.data import Dataset
from clearprop.data.formats.image_folder import read_image
from clearprop.data.images.ink import crop, find_ink, otsu_threshold, paper_levels, shrink
from clearprop.data.images.mnist_preparation import centre, even_strokes, fit, prepare_image
from clearprop.utils.errors import ClearpropError, DataError, InvalidArgument


def drawn(width: int = 12, ink: int = 0, paper: int = 255, size: tuple[int, int] = (200, 200)) -> Image.Image:
    """Draw a seven."""
    page = Image.new("L", size, paper)
    ImageDraw.Draw(page).line([(60, 50), (140, 50), (90, 160)], fill=ink, width=width, joint="curve")
    return page


def as_image(row: np.ndarray) -> np.ndarray:
    return row.reshape(28, 28)


def mass(image: np.ndarray) -> tuple[float, float]:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return float((y * image).sum() / image.sum()), float((x * image).sum() / image.sum())


def test_the_digit_is_light_on_black_in_a_box_of_20_with_its_mass_in_the_middle() -> None:
    image = as_image(prepare_image(drawn()))
    assert image.dtype == np.uint8
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    assert rows[-1] - rows[0] + 1 == 20
    # 80 wide and 110 high, and the width of the pen: the aspect is kept
    assert columns[-1] - columns[0] + 1 == 15
    assert np.abs(np.subtract(mass(image), 14)).max() <= 0.5
    assert image.max() == 255
    assert np.median(image) == 0


def test_a_path_an_array_and_a_picture_of_pillow_give_the_same(tmp_path: Path) -> None:
    drawn().save(tmp_path / "seven.png")
    expected = prepare_image(drawn())
    for same in (tmp_path / "seven.png", str(tmp_path / "seven.png"), np.asarray(drawn())):
        np.testing.assert_array_equal(prepare_image(same), expected)
    colours = np.stack([np.asarray(drawn())] * 3, axis=2)
    np.testing.assert_array_equal(prepare_image(colours), expected)
    np.testing.assert_array_equal(prepare_image(np.asarray(drawn()) / 255), expected)
    np.testing.assert_array_equal(prepare_image(np.asarray(drawn()) > 127), expected)


def test_dark_on_light_and_light_on_dark_are_the_same() -> None:
    np.testing.assert_array_equal(prepare_image(drawn()), prepare_image(drawn(ink=255, paper=0)))


def test_where_the_digit_is_on_the_paper_does_not_matter() -> None:
    page = Image.new("L", (390, 300), 255)
    page.paste(drawn(), (170, 20))
    np.testing.assert_array_equal(prepare_image(page), prepare_image(drawn()))


@pytest.mark.parametrize("contrast", [40, 120, 255])
def test_contrast_does_not_matter(contrast: int) -> None:
    difference = prepare_image(drawn(ink=255 - contrast)).astype(int) - prepare_image(drawn())
    assert np.abs(difference).max() <= 10


@pytest.mark.parametrize(("height", "width"), [(28, 28), (16, 16), (56, 42)])
def test_the_box_is_20_of_28_parts_of_any_frame(height: int, width: int) -> None:
    image = prepare_image(drawn(), (height, width)).reshape(height, width)
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    assert rows[-1] - rows[0] + 1 == round(height * 20 / 28)
    assert columns[-1] - columns[0] + 1 <= round(width * 20 / 28)


def test_fill_makes_the_digit_as_large_as_the_frame() -> None:
    image = as_image(prepare_image(drawn(), preparation="fill"))
    assert image.any(axis=1).all()
    assert not image.any(axis=0).all()


def test_stretch_reads_an_image_as_a_folder_of_images_is_read(tmp_path: Path) -> None:
    image = drawn().convert("RGBA")
    image.putpixel((3, 3), (9, 9, 9, 0))
    image.save(tmp_path / "a.png")
    row = prepare_image(tmp_path / "a.png", preparation="stretch")
    np.testing.assert_array_equal(as_image(row), read_image(tmp_path / "a.png"))


def test_the_embedded_digits_are_known_when_they_fill_the_frame(digits: Dataset) -> None:
    test = digits.test
    assert test is not None
    train, _, _ = digits.split(validation=0)
    recipe = cp.Recipe(learning_rate=0.1, epochs=20)
    model = cp.train(cp.Network((784, 64, 10)), recipe, train, progress=False).model
    pages = [np.pad(as_image(row), 9) for row in test.x]
    known = {
        name: (model.predict(np.array([prepare_image(page, preparation=name) for page in pages])) == test.y)
        for name in ("mnist", "fill")
    }
    # 0.96 as they are
    assert known["fill"].mean() > 0.9
    assert known["mnist"].mean() < 0.5


def test_a_large_picture_is_averaged_down() -> None:
    grey = np.zeros((1000, 700), np.uint8)
    grey[:, ::2] = 200
    small = shrink(grey)
    assert small.shape == (334, 234)
    assert set(np.unique(small[:, :-1])) <= {66, 67, 133}


def test_uneven_light_counts_as_paper_and_ink_at_the_margin_does_not() -> None:
    y, x = np.mgrid[-1:1:200j, -1:1:150j]
    light = (150 + 40 * x - 30 * y + 12 * x * y - 20 * x**2).astype(np.float32)
    grey = light.copy()
    grey[:, 60:75] = 20
    assert np.abs(paper_levels(grey) - light).max() < 0.5


def test_ink_is_found_with_its_faint_edge_and_without_dust() -> None:
    grey = np.full((100, 100), 220, np.float32)
    grey[30:70, 48:52] = 20
    grey[30:70, 47] = 190
    grey[10:12, 90:92] = 20
    ink = find_ink(grey)
    assert (ink[30:70, 48:52] == 1).all()
    assert 0.1 < ink[50, 47] < 0.2
    assert not ink[:25].any()
    assert ink.max() == 1


def test_parts_that_are_not_connected_are_kept() -> None:
    grey = np.zeros((100, 100), np.float32)
    grey[30:70, 30:34] = 255
    grey[30:34, 45:60] = 255
    assert np.count_nonzero(find_ink(grey)) == 40 * 4 + 4 * 15


def test_otsu_separates_two_clusters() -> None:
    values = np.r_[np.linspace(10, 20, 50), np.linspace(90, 99, 20)].astype(np.float32)
    assert 20 <= otsu_threshold(values) <= 90
    assert otsu_threshold(np.full(5, 3, np.float32)) < 3


@given(arrays(np.float32, st.integers(2, 60), elements=st.integers(0, 255).map(float)))
def test_otsu_is_as_good_as_the_best_threshold_tried(values: np.ndarray) -> None:
    def between(threshold: float) -> float:
        low, high = values[values <= threshold], values[values > threshold]
        return low.size * high.size * (low.mean() - high.mean()) ** 2 if low.size and high.size else 0.0

    best = max(between(threshold) for threshold in np.unique(values))
    assert between(otsu_threshold(values)) >= 0.98 * best


def test_crop_leaves_no_empty_margin() -> None:
    ink = np.zeros((9, 9), np.float32)
    ink[2:5, 3] = 0.5
    assert crop(ink).shape == (3, 1)


@pytest.mark.parametrize("pen", [3, 12, 40])
def test_strokes_become_as_wide_as_those_of_mnist(pen: int) -> None:
    ink = crop((np.asarray(drawn(pen)) < 128).astype(np.float32))
    evened = even_strokes(ink, (20, 20))
    # four times the mean distance to the outline
    from scipy.ndimage import distance_transform_edt

    inside = distance_transform_edt(np.pad(evened > 0.5, 1))
    width = (4 * inside[inside > 0].mean() - 1) * 20 / max(evened.shape)
    assert 1.7 < width < 4.5


def test_strokes_of_an_image_of_mnist_s_size_stay_as_they_are() -> None:
    digit = np.ones((20, 3), np.float32)
    assert even_strokes(digit, (20, 20)) is digit


def test_fit_keeps_the_aspect_and_makes_thin_strokes_white() -> None:
    digit = np.zeros((100, 50), np.float32)
    digit[:, 24] = 1
    small = fit(digit, (20, 20))
    assert small.shape == (20, 10)
    assert small.max() == 1
    assert fit(np.ones((3, 90), np.float32), (20, 20)).shape == (1, 20)


def test_centre_moves_by_whole_pixels_and_never_out_of_the_frame() -> None:
    digit = np.full((20, 20), 0.01, np.float32)
    digit[:, 0] = 1
    frame = centre(digit, (28, 28))
    assert (frame[4:24, 8] == 255).all()
    assert frame.astype(bool).sum() == 400


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((300, 300), np.uint8),
        np.full((1, 1), 255, np.uint8),
        np.full((50, 60, 3), 7, np.uint8),
        Image.new("RGBA", (40, 40), (0, 0, 0, 0)),
    ],
)
def test_blank_picture_is_refused(image: object) -> None:
    with pytest.raises(DataError, match="The image shows nothing: no ink on it differs from the paper"):
        prepare_image(image)


@pytest.mark.parametrize("seed", range(10))
def test_noise_without_a_digit_is_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    with pytest.raises(DataError, match="shows nothing"):
        prepare_image(np.clip(rng.normal(128, 25, (300, 300)), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("shape", [(1, 10_000), (10_000, 1), (10, 201)])
def test_picture_too_narrow_for_a_digit_is_refused(shape: tuple[int, int]) -> None:
    pixels = np.zeros(shape, np.uint8)
    pixels[: shape[0] // 2] = 255
    with pytest.raises(DataError, match=r"pixels wide and .* which is too narrow for a digit; crop it"):
        prepare_image(pixels)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(784), r"an array of shape \(784,\) and type float64"),
        (np.zeros((5, 5, 2)), r"shape \(5, 5, 2\)"),
        (np.zeros((0, 5)), r"shape \(0, 5\)"),
        (np.array([["a"]]), "type <U1"),
        (np.zeros((5, 5), complex), "type complex128"),
        (object(), r"shape \(\) and type object"),
    ],
)
def test_an_array_that_is_no_image_is_refused(image: object, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        prepare_image(image)


def test_a_wrong_preparation_or_shape_is_refused() -> None:
    with pytest.raises(InvalidArgument, match='Did you mean "mnist"'):
        prepare_image(drawn(), preparation="mnits")
    with pytest.raises(InvalidArgument, match="image_shape is 0"):
        prepare_image(drawn(), (0, 28))


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(["mnist", "fill", "stretch"]),
)
def test_any_picture_gives_a_row_or_an_error_of_clearprop(
    pixels: np.ndarray, image_shape: tuple[int, int], preparation: str
) -> None:
    try:
        row = prepare_image(pixels, image_shape, preparation=preparation)
    except ClearpropError:
        return
    assert row.shape == (image_shape[0] * image_shape[1],)
    assert row.dtype == np.uint8

"""Dataset: validation, splits and scaling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearprop.data import Dataset, from_arrays, one_hot
from clearprop.data.dataset import choose_scaling
from clearprop.nn.scaling import PIXELS, Scaling
from clearprop.utils.errors import DataError, InvalidArgument


def make_dataset(n: int = 60, **changes) -> Dataset:
    """Make rows that hold their own number, so that a test can see which rows it got."""
    fields = {
        "name": "numbers",
        "x": np.arange(n, dtype=np.float32)[:, np.newaxis] / 1000,
        "y": np.arange(n) % 3,
        "class_names": ("a", "b", "c"),
        "image_shape": None,
        "scaling": Scaling(),
    }
    return Dataset(**{**fields, **changes})


def rows_of(dataset: Dataset) -> list[int]:
    return np.rint(dataset.x[:, 0] * 1000).astype(int).tolist()


# ---- Dataset ---------------------------------------------------------------------------------------


def test_repr_shows_size_type_and_classes():
    dataset = make_dataset(1200, test=make_dataset(30))
    assert repr(dataset) == ("Dataset(numbers: 1,200 rows of 1 features (float32), 3 classes, test 30 rows)")
    images = make_dataset(2, x=np.zeros((2, 6), np.uint8), image_shape=(2, 3))
    assert repr(images) == "Dataset(numbers: 2 rows of 6 features (uint8, images 2x3), 3 classes)"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"x": np.zeros((60, 1))}, "rows of numbers are float64"),
        ({"x": np.zeros(60, np.uint8)}, r"shape \(60,\), but must be"),
        ({"x": np.zeros((60, 4), np.uint8)[:, ::2]}, "in C order"),
        ({"y": np.zeros(59, np.int64)}, r"labels of numbers are int64 of shape \(59,\)"),
        ({"y": np.zeros(60, np.uint8)}, "labels of numbers are uint8"),
        ({"class_names": ("a",)}, "has 1 class only"),
        ({"class_names": ("a", "b")}, r"Label 2 at row 2 of numbers .* outside the classes, 0 to 1"),
        ({"y": np.full(60, -1)}, r"Label -1 at row 0"),
        ({"image_shape": (2, 2)}, "images of numbers are 2 by 2, but its rows have 1 features"),
        ({"test": make_dataset(class_names=("x", "y", "z"))}, "test set of numbers"),
        ({"test": make_dataset(test=make_dataset())}, "has a test set itself"),
    ],
)
def test_inconsistent_fields_are_refused(changes, sentence):
    with pytest.raises(DataError, match=sentence):
        make_dataset(**changes)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_error_names_row_and_column_of_a_non_finite_number(bad):
    x = np.zeros((5000, 3), np.float32)
    x[4500, 2] = bad
    with pytest.raises(DataError, match=rf"Row 4500, column 2 of numbers .* is {bad}"):
        make_dataset(x=x, y=np.zeros(5000, np.int64))


def test_one_hot_has_one_column_a_class():
    columns = one_hot(np.array([2, 0]), 3, np.float64)
    np.testing.assert_array_equal(columns, [[0, 0, 1], [1, 0, 0]])
    assert columns.dtype == np.float64


def test_subset_takes_rows_by_number_by_mask_and_by_slice():
    dataset = make_dataset(6, test=make_dataset(3))
    assert rows_of(dataset.subset(np.array([4, 1]))) == [4, 1]
    assert rows_of(dataset.subset(np.arange(6) > 3)) == [4, 5]
    assert rows_of(dataset.subset(slice(0, 6, 2))) == [0, 2, 4]
    assert dataset.subset(slice(0, 2)).test is dataset.test


def test_digest_depends_on_the_data_and_on_nothing_else():
    dataset = make_dataset()
    x = dataset.x.copy()
    x[7, 0] = 0.5
    y = dataset.y.copy()
    y[:2] = y[1::-1]
    different = [
        replace(dataset, x=x),
        replace(dataset, y=y),
        replace(dataset, class_names=("a", "b", "d")),
        replace(dataset, scaling=Scaling(0.0, 2.0)),
        replace(dataset, scaling=Scaling(np.zeros(1), np.ones(1))),
        dataset.subset(slice(0, 59)),
    ]
    assert len({dataset.digest(), *(other.digest() for other in different)}) == 7
    assert (
        replace(dataset, name="another", source="elsewhere", test=make_dataset()).digest() == dataset.digest()
    )


# ---- Splits ------------------------------------------------------------------------------------------


def test_validation_is_one_sixth_by_default():
    train, validation, test = make_dataset(60, test=make_dataset(9)).split()
    assert (len(train), len(validation), len(test)) == (50, 10, 9)
    assert train.test is None


@given(n=st.integers(10, 80), seed=st.integers(0, 2**40), data=st.data())
def test_parts_have_the_sizes_asked_for_and_share_no_row(n, seed, data):
    n_validation = data.draw(st.integers(0, n - 5))
    n_train = data.draw(st.none() | st.integers(5, n - n_validation))
    train, validation, _ = make_dataset(n).split(n_train, n_validation, seed=seed)
    rows = rows_of(train) + (rows_of(validation) if validation else [])
    assert len(train) == (n - n_validation if n_train is None else n_train)
    assert len(rows) - len(train) == n_validation
    assert len(set(rows)) == len(rows)


def test_the_same_seed_draws_the_same_rows_and_another_seed_others():
    dataset = make_dataset()
    assert rows_of(dataset.split(seed=3).train) == rows_of(dataset.split(seed=3).train)
    assert rows_of(dataset.split(seed=3).train) != rows_of(dataset.split(seed=4).train)


def test_the_rows_of_a_seed_never_change_between_versions():
    assert rows_of(make_dataset(12).split(seed=0).validation) == [6, 8]


def test_validation_rows_do_not_depend_on_how_many_rows_are_trained_on():
    dataset = make_dataset()
    assert rows_of(dataset.split(validation=9).validation) == rows_of(dataset.split(20, 9).validation)


def test_shares_are_rounded_to_rows():
    train, validation, _ = make_dataset(60).split(train=0.5, validation=0.11)
    assert (len(train), len(validation)) == (30, 7)


@pytest.mark.parametrize("nothing", [0, 0.0])
def test_empty_validation_part_is_none(nothing):
    train, validation, test = make_dataset().split(validation=nothing)
    assert (len(train), validation, test) == (60, None, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"train": 55, "validation": 10}, "ask for 55 and 10 rows, but numbers has 60"),
        ({"validation": 61}, "No row|ask for"),
        ({"validation": 60}, "No row of numbers is left to train on"),
        ({"train": 0}, "No row of numbers is left to train on"),
        ({"validation": 0.001}, "validation is 0.001, which of 60 rows is not one"),
        ({"validation": 1.0}, r"validation is 1.0, but must be a number of rows"),
        ({"validation": 10_000.0}, "validation is 10000.0"),
        ({"validation": -1}, "validation is -1"),
        ({"validation": True}, "validation is True"),
        ({"train": "half"}, "train is 'half'"),
        ({"train": float("nan")}, "train is nan"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_impossible_split_is_refused(arguments, sentence):
    with pytest.raises(InvalidArgument, match=sentence):
        make_dataset().split(**arguments)


def test_a_training_part_of_one_class_is_refused():
    dataset = make_dataset(y=np.r_[np.zeros(59, np.int64), 1])
    with pytest.raises(DataError, match=r'All 3 training rows of numbers are of one class \("a"\)'):
        dataset.split(train=3)


def test_images_stay_uint8_in_every_part(rng):
    x = rng.integers(0, 256, (60, 4)).astype(np.uint8)
    splits = make_dataset(x=x, scaling=PIXELS, test=make_dataset(x=x, scaling=PIXELS)).split()
    assert all(part.x.dtype == np.uint8 and part.scaling is PIXELS for part in splits)


# ---- Scaling -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "dtype", "factor"),
    [
        ([0, 255], np.uint8, 1 / 255),
        ([0, 2], np.uint8, 1 / 255),
        ([0, 1], np.uint8, 1),
        ([-1, 1], np.float32, 1),
    ],
)
def test_pixels_are_divided_by_255_and_values_in_range_stay(values, dtype, factor):
    scaling = choose_scaling(np.array([values], dtype))
    assert (scaling.shift, scaling.factor) == (0, factor)


def test_other_floats_are_standardised_and_constant_ones_only_shifted(rng):
    x = (rng.normal(size=(9000, 4)) * [1, 1000, 0, 0] + [0, 5, 7, 1e-3]).astype(np.float32)
    x[0, 3] += 1e-42
    scaled = choose_scaling(x).apply(x, np.float64)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(scaled.std(axis=0), [1, 1, 0, 0], atol=1e-9)


def test_all_parts_are_scaled_by_statistics_of_the_training_part(rng):
    x = (rng.normal(size=(100, 3)) * 50).astype(np.float32)
    pool = from_arrays("measured", x, np.arange(100) % 2)
    splits = pool.split(seed=1)
    np.testing.assert_allclose(splits.train.scaling.shift, splits.train.x.mean(axis=0, dtype=float))
    np.testing.assert_allclose(1 / splits.train.scaling.factor, splits.train.x.astype(float).std(axis=0))
    assert splits.validation.scaling is splits.train.scaling
    assert splits.test.scaling is splits.train.scaling
    assert not np.array_equal(pool.scaling.shift, splits.train.scaling.shift)


# ---- From arrays -------------------------------------------------------------------------------------


def test_labels_of_any_kind_become_sorted_classes():
    x = np.zeros((4, 2))
    for y, names, codes in (
        ([10, 2, 2, -3], ("-3", "2", "10"), [2, 1, 1, 0]),
        ([10.0, 2.0, 2.0, 0.0], ("0", "2", "10"), [2, 1, 1, 0]),
        (["10", "2", "2", "09"], ("2", "09", "10"), [2, 0, 0, 1]),
        (["dog", "cat", "cat", "Ant"], ("Ant", "cat", "dog"), [2, 1, 1, 0]),
        ([b"dog", b"cat", b"cat", b"cat"], ("cat", "dog"), [1, 0, 0, 0]),
        ([True, False, False, False], ("0", "1"), [1, 0, 0, 0]),
        ([[10], [2], [2], [2]], ("2", "10"), [1, 0, 0, 0]),
        (np.array([2**64 - 1, 2, 2, 2], np.uint64), ("2", str(2**64 - 1)), [1, 0, 0, 0]),
    ):
        dataset = from_arrays("labels", x, np.array(y), x, np.array(y))
        assert dataset.class_names == names
        assert dataset.y.tolist() == dataset.test.y.tolist() == codes
        assert dataset.name == dataset.test.name == "labels"


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (np.zeros((3, 2)), [0, 1], r"There are 3 rows in bad, but labels of the shape \(2,\)"),
        (np.zeros((3, 2)), [[0, 1]] * 3, "each row needs exactly one label"),
        (np.zeros((0, 2)), [], "zero rows"),
        (np.zeros((2, 0)), [0, 1], "zero features"),
        (np.zeros(3), [0, 1, 2], r"features of bad have the shape \(3,\)"),
        (np.zeros((2, 4, 4, 3)), [0, 1], "for grey images"),
        (np.array([["a"], ["b"]]), [0, 1], "features of bad are of type <U1"),
        (np.zeros((2, 2), complex), [0, 1], "features of bad are of type complex128"),
        (np.zeros((2, 2)), [0, 0], "has 1 class only"),
        (np.zeros((1, 2)), [0], "has 1 class only"),
        (np.zeros((3, 2)), [0, 0.5, 1], "Label 0.5 at row 1 of bad .* is not a whole number"),
        (np.zeros((3, 2)), [0, 1, np.nan], "Label nan at row 2"),
        (np.zeros((2, 2)), [1j, 0], "labels of bad are of type complex128"),
        (np.zeros((2, 2)), np.array([b"\xff", b"a"]), "not UTF-8"),
        (np.zeros((2, 2)), np.array(["\ud800", "a"]), "not valid text"),
        (np.zeros((2, 2)), np.full(8, 255, np.uint8).view("<U1"), "not valid text"),
        (np.array([[0, 1], [2, np.nan]]), [0, 1], "Row 1, column 1 of bad .* is nan"),
        (np.array([[0, 1], [1e300, 0]]), [0, 1], "Row 1, column 0 of bad .* is inf"),
    ],
)
def test_invalid_arrays_are_refused(x, y, sentence):
    with pytest.raises(DataError, match=sentence):
        from_arrays("bad", x, np.asarray(y))


@pytest.mark.parametrize(
    ("y_test", "sentence"),
    [
        (
            [0, 7],
            "Label 7 at row 1 of the test set of bad .* outside the classes of the training rows, 0 to 1",
        ),
        (["0", "1"], "labels of the test set of bad are <U1"),
    ],
)
def test_a_test_label_outside_the_classes_is_named(y_test, sentence):
    x = np.zeros((2, 2))
    with pytest.raises(DataError, match=sentence):
        from_arrays("bad", x, np.array([0, 1]), x, np.array(y_test))


def test_a_test_feature_that_is_not_finite_is_named_as_one_of_the_test_set():
    with pytest.raises(DataError, match="Row 1, column 0 of the test set of bad"):
        from_arrays("bad", np.zeros((2, 1)), np.arange(2), np.array([[0], [np.nan]]), np.arange(2))


def test_test_rows_of_another_width_are_refused():
    with pytest.raises(DataError, match=r"training row of bad has the shape \(2,\), but a test row \(3,\)"):
        from_arrays("bad", np.zeros((2, 2)), np.arange(2), np.zeros((2, 3)), np.arange(2))


@pytest.mark.parametrize(
    ("x", "dtype", "image_shape"),
    [
        (np.full((9, 8, 10), 200, np.uint8), np.uint8, (8, 10)),
        (np.full((9, 8, 10, 1), 200.0), np.uint8, (8, 10)),
        (np.full((9, 2, 3), 1, np.uint8), np.uint8, (2, 3)),
        (np.full((9, 8, 8), 0.5), np.float32, (8, 8)),
        (np.full((9, 8, 8), 256), np.float32, (8, 8)),
        (np.full((9, 64), 2), np.uint8, (8, 8)),
        (np.full((9, 64), 2.0), np.uint8, (8, 8)),
        (np.full((9, 64), 1), np.float32, None),
        (np.full((9, 64), -1), np.float32, None),
        (np.full((9, 64), 2.5), np.float32, None),
        (np.full((9, 65), 200, np.uint8), np.float32, None),
        (np.full((9, 49), 200, np.uint8), np.float32, None),
    ],
)
def test_image_like_arrays_are_kept_as_images(x, dtype, image_shape):
    dataset = from_arrays("pictures", x, np.arange(9) % 2)
    assert dataset.x.dtype == dataset.test.x.dtype == dtype
    assert dataset.image_shape == dataset.test.image_shape == image_shape


def test_training_and_test_rows_are_of_one_type():
    pixels, others = np.full((4, 64), 9.0), np.full((4, 64), 0.5)
    dataset = from_arrays("mixed", pixels, np.arange(4) % 2, others, np.arange(4) % 2)
    assert dataset.x.dtype == dataset.test.x.dtype == np.float32


def test_held_out_rows_are_a_stratified_fifth_and_always_the_same(rng):
    x = rng.normal(size=(100, 3))
    y = np.repeat([0, 1], [80, 20])
    dataset = from_arrays("rows", x, y)
    assert np.bincount(dataset.y).tolist() == [64, 16]
    assert np.bincount(dataset.test.y).tolist() == [16, 4]
    np.testing.assert_array_equal(dataset.test.x, from_arrays("rows", x, y).test.x)


@pytest.mark.parametrize("y", [[0, 1], [0] * 9 + [1], [0, 0, 1, 1, 2, 2]])
def test_few_rows_are_held_out_at_random(y):
    dataset = from_arrays("few", np.zeros((len(y), 2)), np.array(y))
    assert len(dataset.test) == -(-len(y) // 5)
    assert len(dataset) + len(dataset.test) == len(y)

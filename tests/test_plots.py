"""Figures: they show the measured values, and look the same in every environment."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from report_fixtures import DIGITS, confusion, history

from clearprop.display import plots
from clearprop.display.plots import images as image_plots
from clearprop.display.plots.style import INK, MUTED, PAPER, SERIES, shortened
from clearprop.scratch import average_every
from clearprop.training.history import History


def some_history(n_epochs: int = 4, *, validation: bool = True) -> History:
    accuracies = np.linspace(0.2, 0.9, n_epochs).tolist() if validation else None
    return History(**history(n_epochs, accuracies=accuracies))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


@given(st.integers(1, 100_000))
def test_readable_group_leaves_enough_points_and_never_exceeds_the_published_200(n_iterations: int) -> None:
    group = plots.readable_group(n_iterations)
    assert 1 <= group <= 200
    assert group == 1 or n_iterations // group >= 25


def test_readable_group_is_200_for_the_published_number_of_iterations() -> None:
    assert plots.readable_group(15 * 782) == 200


def test_batch_losses_are_drawn_as_average_every_gives_them() -> None:
    losses = np.random.default_rng(0).random(1_050).tolist()
    (axes,) = plots.plot_batch_losses(losses, 200).axes
    x, y = axes.lines[0].get_data()
    assert y.tolist() == average_every(losses, 200)
    assert x.tolist() == [200, 400, 600, 800, 1000, 1050]
    assert axes.get_title(loc="left") == "Training loss, mean of 200 iterations"


def test_history_shows_both_losses_and_the_validation_accuracy() -> None:
    run = some_history()
    losses, accuracy = plots.plot_history(run).axes
    assert [line.get_ydata().tolist() for line in losses.lines] == [
        run.column("train_loss"),
        run.column("validation_loss"),
    ]
    assert accuracy.lines[0].get_ydata().tolist() == run.column("validation_accuracy")


def test_history_without_validation_is_one_panel_with_one_line() -> None:
    (axes,) = plots.plot_history(some_history(validation=False)).axes
    assert len(axes.lines) == 1


def test_a_single_epoch_is_drawn_as_a_point_that_can_be_seen() -> None:
    losses, _ = plots.plot_history(some_history(1)).axes
    assert losses.lines[0].get_marker() != ""


def test_diverging_loss_has_a_logarithmic_axis() -> None:
    (axes,) = plots.plot_batch_losses([2.3, 40.0, 1e30], 1).axes
    assert axes.get_yscale() == "log"


def test_a_single_epoch_has_a_whole_number_below_it() -> None:
    figure = plots.plot_history(some_history(1))
    figure.settle()
    ticks = figure.axes[-1].get_xticks()
    assert [tick for tick in ticks if 0.5 <= tick <= 1.5] == [1]


def test_large_losses_close_together_keep_a_scale_with_numbers() -> None:
    (axes,) = plots.plot_batch_losses([900.0, 905.0], 1).axes
    assert axes.get_yscale() == "linear"


def test_losses_of_zero_can_be_drawn() -> None:
    assert plots.plot_batch_losses([0.0, 0.0], 1).png(20)


def test_loss_curves_name_every_training_even_with_odd_names() -> None:
    names = ["plain", "_underscored", "$x^$", "tab\there"]
    figure = plots.plot_loss_curves({name: [some_history()] for name in names})
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["plain", "_underscored", "$x^$", "tab\N{REPLACEMENT CHARACTER}here"]
    assert figure.png(30)


def test_loss_curves_show_the_mean_over_seeds_within_a_band() -> None:
    low, high = (History(**history(3, end=end)) for end in (0.2, 0.6))
    (axes,) = plots.plot_loss_curves({"two seeds": [low, high]}).axes
    assert axes.lines[0].get_ydata()[-1] == pytest.approx(0.4)
    ends = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (ends.min(), ends.max()) == pytest.approx((0.2, 2.3))


def test_confusion_writes_every_count_that_is_not_zero() -> None:
    matrix = np.array(confusion(0.9))
    (axes,) = plots.plot_confusion(matrix, DIGITS).axes
    written = sorted(int(text.get_text()) for text in axes.texts)
    assert written == sorted(matrix[matrix > 0].tolist())


def test_confusion_shades_right_and_wrong_cells_differently_by_their_share() -> None:
    (axes,) = plots.plot_confusion([[3, 1], [0, 4]], "ab").axes
    colors = axes.collections[0].get_facecolor()
    assert [tuple(color[:3]) for color in colors[:2]] == [to_rgb(SERIES[0]), to_rgb(SERIES[1])]
    assert colors[:, 3] == pytest.approx([0.85 * 0.75, 0.5, 0.0, 0.85])


def test_confusion_of_many_classes_has_no_numbers_too_small_to_read() -> None:
    (axes,) = plots.plot_confusion(np.ones((50, 50), int), [f"class {i}" for i in range(50)]).axes
    assert not axes.texts


def test_the_true_class_runs_downwards_whether_numbered_or_not() -> None:
    for n_classes in (3, 40):
        (axes,) = plots.plot_confusion(np.eye(n_classes, dtype=int), ["x"] * n_classes).axes
        assert axes.get_ylim() == (n_classes - 0.5, -0.5)


def test_mistakes_show_each_image_with_truth_prediction_and_probability() -> None:
    pixels = [np.eye(5), np.ones((5, 5))]
    captions = [("7", "2", 0.9999), ("T-shirt/top", "a very long class name", 1.0)]
    (axes,) = plots.plot_mistakes(pixels, captions).axes
    assert len(axes.images) == 2
    # a probability below one is never rounded up to certainty
    assert [text.get_text() for text in axes.texts] == [
        "7 → 2\n99.9 %",
        "T-shirt/top\n→ a very long c…\n100 %",
    ]


def test_figure_without_mistakes_says_so() -> None:
    assert texts(plots.plot_mistakes([], [])) == ["No mistakes."]


def test_strokes_on_black_are_drawn_as_ink_and_pictures_as_they_are() -> None:
    strokes, picture = np.zeros((4, 4), np.uint8), np.full((4, 4), 90, np.uint8)
    strokes[1] = 255
    for image, colors in ((strokes, "gray_r"), (picture, "gray")):
        (axes,) = plots.plot_mistakes([image], [("a", "b", 0.5)]).axes
        assert axes.images[0].get_cmap().name == colors


def test_samples_are_one_row_a_class_even_if_classes_have_fewer() -> None:
    tile = np.ones((3, 2))
    (axes,) = plots.plot_samples([[tile, tile], [tile]], ["one", "two"]).axes
    assert axes.images[0].get_array().shape == (3 + 1 + 3, 2 + 1 + 2)
    assert [text.get_text() for text in axes.texts] == ["one", "two"]


def test_samples_of_very_many_classes_stay_a_picture_that_can_be_made() -> None:
    (axes,) = plots.plot_samples([[np.ones((2, 2))]] * 2_000, ["x"] * 2_000).axes
    assert len(axes.texts) == image_plots.MOST_LINES


def test_first_layer_shows_the_units_with_the_largest_weights() -> None:
    weight = np.ones((4, 3)) * [1.0, 3.0, 2.0]
    assert image_plots.strongest_units(weight, 2).tolist() == [1, 2]


def test_first_layer_colours_tell_sign_and_size() -> None:
    weight = np.array([[2.0], [-1.0], [0.0], [0.0]])
    (image,) = image_plots.weight_images(weight, (2, 2), np.array([0]))
    assert image[..., 3].tolist() == [[255, 128], [0, 0]]
    assert (image[0, 0, :3] / 255).tolist() == pytest.approx(to_rgb(SERIES[0]), abs=0.003)
    assert (image[0, 1, :3] / 255).tolist() == pytest.approx(to_rgb(SERIES[1]), abs=0.003)


def test_a_unit_without_weights_is_drawn_empty() -> None:
    assert not image_plots.weight_images(np.zeros((4, 1)), (2, 2), np.array([0]))[..., 3].any()


@given(st.integers(1, 9), st.integers(1, 4))
def test_mosaic_keeps_every_pixel_in_its_place(n_tiles: int, columns: int) -> None:
    tiles = np.arange(1, n_tiles * 6 + 1).reshape(n_tiles, 2, 3, 1)
    sheet = image_plots.mosaic(tiles, columns)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        assert (sheet[3 * row : 3 * row + 2, 4 * column : 4 * column + 3] == tile).all()
    assert np.count_nonzero(sheet) == tiles.size


def test_class_counts_are_shares_that_add_up_to_a_hundred_percent() -> None:
    (axes,) = plots.plot_class_counts({"train": [10, 30], "test": [5, 5]}, ["a", "b"]).axes
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [[25, 75], [50, 50]]


def test_accuracies_have_a_dot_a_seed_and_a_ring_where_published() -> None:
    figure = plots.plot_accuracies({"a": [0.5, 0.7], "b": [0.9]}, {"a": (0.4, 0.8)}, {"b": 0.88})
    (axes,) = figure.axes
    dots = [points.get_offsets()[:, 0].tolist() for points in axes.collections]
    assert dots == [[0.5, 0.7], [0.9], [0.88]]
    assert {"0.6000", "0.9000"} <= set(texts(figure))


def test_a_figure_gives_the_same_bytes_every_time() -> None:
    assert plots.plot_history(some_history()).png(40) == plots.plot_history(some_history()).png(40)


def test_figures_neither_follow_nor_change_the_settings_of_the_user() -> None:
    plain = plots.plot_confusion(confusion(0.9), DIGITS).png(40)
    with matplotlib.rc_context({"axes.facecolor": "black", "text.color": "red", "font.size": 30}):
        before = dict(matplotlib.rcParams)
        assert plots.plot_confusion(confusion(0.9), DIGITS).png(40) == plain
        assert dict(matplotlib.rcParams) == before


def test_names_the_font_cannot_draw_are_no_error() -> None:
    assert plots.plot_confusion([[1, 0], [0, 1]], ["\u3042", "\x00"]).png(30)


@pytest.mark.parametrize("inline_backend", [False, True])
def test_a_notebook_shows_a_figure_exactly_once(inline_backend: bool) -> None:
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    formatter = formatters.DisplayFormatter()
    if inline_backend:
        # the printer that the inline backend registers
        formatter.formatters["image/png"].for_type(Figure, lambda figure: b"registered")
    shown, _ = formatter.format(plots.plot_history(some_history()))
    assert sorted(shown) == ["image/png", "text/plain"]
    assert (shown["image/png"] == b"registered") is inline_backend


def test_drawing_never_imports_pyplot() -> None:
    code = (
        "import sys; from clearprop import plots; plots.plot_confusion([[1, 0], [0, 1]], 'ab').png();"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_long_names_are_cut_and_short_ones_left() -> None:
    assert shortened("Ankle boot") == "Ankle boot"
    assert shortened("x" * 20, 5) == "xxxx…"


def luminance(color: str) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(color)
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_and_lines_contrast_with_the_background() -> None:
    assert min(contrast(color, PAPER) for color in (INK, MUTED)) >= 4.5
    assert min(contrast(color, PAPER) for color in SERIES) >= 3

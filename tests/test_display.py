"""HTML for notebooks: self-contained, and with the objects' own numbers."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from clearprop.data.dataset import Dataset
from clearprop.display.html import SPARK_BOX, spark_points
from clearprop.model.evaluation import Evaluation, evaluate
from clearprop.model.model import Model
from clearprop.nn.network import Network
from clearprop.nn.recipe import Recipe
from clearprop.nn.scaling import Scaling
from clearprop.training.progress import progress_html
from clearprop.training.trainer import Run, train

NETWORK = Network((4, 3, 2), activation="tanh")


class Shown(HTMLParser):
    """HTML taken apart: its tags, its words and the cells of its table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        # self-contained: nothing to load, nothing to run
        assert not {"script", "link", "img", "style"} & set(self.tags)
        assert "http" not in text

    def handle_starttag(self, tag, attributes) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data) -> None:
        if data.strip():
            self.words.append(data.strip())
            if self.tags[-1] in ("th", "td"):
                self.rows[-1].append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.words)


def dataset(name: str = "flowers", classes: tuple[str, str] = ("rose", "lily")) -> Dataset:
    rng = np.random.default_rng(3)
    y = np.arange(40) % 2
    x = (rng.standard_normal((40, 4)) + 3 * y[:, np.newaxis]).astype(np.float32)
    return Dataset(name, x, y.astype(np.int64), classes, None, Scaling())


def trained(epochs: int = 3, validation: bool = True) -> Run:
    recipe = Recipe(learning_rate=0.1, epochs=epochs, batch_size=8, seed=4)
    return train(NETWORK, recipe, dataset(), dataset() if validation else None, progress=False)


def constant_evaluation(**named) -> Evaluation:
    """Evaluate a model that takes everything for the first class."""
    parameters = [
        (np.zeros((4, 3), np.float32), np.zeros(3, np.float32)),
        (np.zeros((3, 2), np.float32), np.array([1, 0], np.float32)),
    ]
    return evaluate(Model(NETWORK, parameters), dataset(**named))


def test_a_network_is_a_table_of_its_layers() -> None:
    shown = Shown(Network((784, 500, 10), ("relu",), dropout=0.5)._repr_html_())
    assert shown.rows == [
        ["Layer", "Inputs", "Units", "Activation", "Parameters"],
        ["hidden 1", "784", "500", "relu", "392,500"],
        ["output", "500", "10", "softmax", "5,010"],
    ]
    assert "784–500–10" in shown.text
    assert "397,510 parameters" in shown.text
    assert "dropout 0.5" in shown.text
    assert "0.2 of the inputs" in Shown(Network((9, 2), input_dropout=0.2)._repr_html_()).text


def test_a_network_without_hidden_layers_has_its_output_alone() -> None:
    assert [row[0] for row in Shown(Network((4, 2))._repr_html_()).rows] == ["Layer", "output"]


def test_a_run_shows_its_last_epoch_and_its_losses_as_lines() -> None:
    run = trained()
    last = run.history.epochs[-1]
    shown = Shown(run._repr_html_())
    assert shown.rows[:4] == [
        ["Epochs", "3 of 3"],
        ["Train loss", f"{last['train_loss']:.4f}"],
        ["Validation loss", f"{last['validation_loss']:.4f}"],
        ["Validation accuracy", f"{last['validation_accuracy']:.4f}"],
    ]
    assert shown.tags.count("polyline") == 2
    assert "sgd, learning rate 0.1, batches of 8, seed 4" in shown.text


def test_run_without_validation_shows_no_validation() -> None:
    shown = Shown(trained(1, validation=False)._repr_html_())
    assert "alidation" not in shown.text
    assert shown.tags.count("polyline") == 1


def test_an_evaluation_shows_accuracy_and_a_row_a_class() -> None:
    evaluation = evaluate(trained(30).model, dataset())
    shown = Shown(evaluation._repr_html_())
    assert f"{evaluation.accuracy:.4f}" in shown.words
    assert [row[0] for row in shown.rows] == ["Class", "rose", "lily", "macro avg", "weighted avg"]
    rose = evaluation.report["rose"]
    assert shown.rows[1][1:] == [f"{rose[name]:.2f}" for name in ("precision", "recall", "f1")] + ["20"]
    assert "collapsed" not in shown.text


def test_collapse_is_reported() -> None:
    assert "Every row is predicted as rose : the network has collapsed to one class." in (
        Shown(constant_evaluation()._repr_html_()).text
    )


def test_hostile_class_names_are_escaped() -> None:
    hostile = "<script>alert(1)</script>"
    shown = Shown(constant_evaluation(name=hostile, classes=(hostile, "other"))._repr_html_())
    assert shown.text.count(hostile) == 3
    assert hostile in Shown(progress_html(hostile, 0.5, {hostile: hostile})).text


def test_progress_shows_the_share_and_the_facts() -> None:
    html = progress_html("numpy-relu", 0.425, {"epoch": "3/15", "loss": "0.4211"})
    assert 'aria-valuenow="42"' in html
    assert "width: 42.5%" in html
    assert Shown(html).words == ["numpy-relu", "epoch", "3/15", "loss", "0.4211"]


@pytest.mark.parametrize(("share", "width"), [(-0.1, "0.0%"), (1.2, "100.0%")])
def test_progress_stays_inside_its_bar(share: float, width: str) -> None:
    assert f"width: {width}" in progress_html("", share, {})


@pytest.mark.parametrize("values", [[2.0], [0.0, 0.0], [3.0, 1.0, 2.0]])
def test_a_sparkline_spans_its_box_and_never_leaves_it(values: list[float]) -> None:
    pairs = [tuple(map(float, pair.split(","))) for pair in spark_points(values).split()]
    assert (pairs[0][0], pairs[-1][0]) == (0, SPARK_BOX[0])
    assert all(0 <= y <= SPARK_BOX[1] for _, y in pairs)

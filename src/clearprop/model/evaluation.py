"""Predictions of a data set measured: accuracy, loss, figures of each class, calibration, mistakes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearprop.data.classes import matched
from clearprop.data.dataset import Dataset
from clearprop.display.text import printable
from clearprop.model.calibration import (
    CalibrationBin,
    calibration_bins,
    calibration_text,
    expected_calibration_error,
)
from clearprop.model.class_figures import confusion_counts, report_figures
from clearprop.model.evaluation_text import confusion_text, report_text
from clearprop.model.model import Model
from clearprop.utils.errors import InvalidArgument

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False)
class Mistake:
    """One row that was taken for another class.

    Attributes
    ----------
    row : int
        Its number in the data set.
    label, prediction : int
        The true class and the predicted one.
    confidence : float
        The probability given to the predicted class.
    pixels : ndarray (features,)
        The row as it is stored.
    """

    row: int
    label: int
    prediction: int
    confidence: float
    pixels: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How well a model does on a data set; ``str()`` is the printed report.

    Attributes
    ----------
    dataset_name : str
    class_names : tuple of str
    image_shape : tuple of int or None
    accuracy : float
        The share of rows predicted right.
    loss : float
        Mean cross-entropy.
    report : dict
        For each class, and for ``"macro avg"`` and ``"weighted avg"``: precision, recall, f1 and support.
    confusion : ndarray (n_classes, n_classes) of int64
        Rows are true classes, columns predictions.
    mistakes : list of Mistake
        All of them, the most confident first.
    calibration : tuple of CalibrationBin
        How often predictions of each confidence are right.
    """

    dataset_name: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None
    accuracy: float
    loss: float
    report: dict[str, dict[str, float]]
    confusion: NDArray[np.int64]
    mistakes: list[Mistake]
    calibration: tuple[CalibrationBin, ...]

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance of accuracy and confidence, in 15 bins (Guo et al. 2017)."""
        return expected_calibration_error(self.calibration)

    @property
    def predicted_classes(self) -> int:
        """How many different classes the model predicts; one is a collapse."""
        return int(np.count_nonzero(self.confusion.sum(axis=0)))

    @property
    def only_prediction(self) -> str | None:
        """The name of the class every row is predicted as, or None where there are several."""
        if self.predicted_classes != 1:
            return None
        return self.class_names[int(self.confusion.sum(axis=0).argmax())]

    def plot_confusion(self) -> Figure:
        """Draw the confusion matrix."""
        from clearprop.display.plots import plot_confusion

        return plot_confusion(self.confusion, self.class_names)

    def plot_mistakes(self, count: int = 12) -> Figure:
        """Draw the most confident mistakes as images.

        Raises
        ------
        InvalidArgument
            If the rows are not images.
        """
        from clearprop.display.plots import plot_mistakes

        if self.image_shape is None:
            raise InvalidArgument(f"The rows of {self.dataset_name} are not images, so none can be drawn.")
        return plot_mistakes(
            [mistake.pixels.reshape(self.image_shape) for mistake in self.mistakes[:count]],
            [
                (self.class_names[mistake.label], self.class_names[mistake.prediction], mistake.confidence)
                for mistake in self.mistakes[:count]
            ],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values, the mistakes' pixels left out."""
        return {
            "dataset": self.dataset_name,
            "accuracy": self.accuracy,
            "loss": self.loss,
            "report": self.report,
            "confusion": self.confusion.tolist(),
            "expected_calibration_error": self.expected_calibration_error,
            "calibration": [asdict(each) for each in self.calibration],
            "mistakes": [
                {
                    "row": mistake.row,
                    "label": self.class_names[mistake.label],
                    "prediction": self.class_names[mistake.prediction],
                    "confidence": mistake.confidence,
                }
                for mistake in self.mistakes
            ],
        }

    def report_text(self, width: int | None = None) -> str:
        """Return accuracy and the figures of each class as text, as ``str()`` does.

        Parameters
        ----------
        width : int or None
            Columns there are; None is no limit.
        """
        return report_text(
            self.dataset_name,
            self.accuracy,
            int(self.confusion.sum()),
            self.report,
            self.only_prediction,
            width,
        )

    def confusion_text(self, width: int = 80) -> str:
        """Return the confusion matrix as text.

        Parameters
        ----------
        width : int, default 80
            Columns there are. A wider matrix becomes a list: one line for each true class, with the classes
            predicted for its rows.
        """
        return confusion_text(self.confusion, self.class_names, width)

    def calibration_text(self, width: int | None = None) -> str:
        """Return the calibration as a table: how often predictions of each confidence are right.

        Parameters
        ----------
        width : int or None
            Columns there are; None is no limit.
        """
        return calibration_text(self.calibration, width)

    def __str__(self) -> str:
        return self.report_text()

    def __repr__(self) -> str:
        return (
            f"Evaluation({printable(self.dataset_name)}: accuracy {self.accuracy:.4f}, "
            f"{len(self.mistakes):,} mistakes in {int(self.confusion.sum()):,} rows)"
        )

    def _repr_html_(self) -> str:
        from clearprop.display.html import card

        return card("evaluation", evaluation=self, only=self.only_prediction)


def evaluate(model: Model, dataset: Dataset) -> Evaluation:
    """Measure a model on a data set.

    Parameters
    ----------
    model : Model
    dataset : Dataset
        Of the features the model was trained on. Classes are matched by name: rows of a class that the
        model does not know count as mistakes, with a warning.

    Returns
    -------
    Evaluation

    Raises
    ------
    InvalidArgument
        If no class is the model's, there are no rows, or the model's numbers overflow.
    DataError
        If the features differ in number.
    """
    if not isinstance(dataset, Dataset):
        raise InvalidArgument(
            f"dataset is {dataset!r}, but must be a Dataset; a split without a part, such as "
            "validation=0, has None in its place."
        )
    if model.network.output != "softmax":
        raise InvalidArgument(
            f'The model has output="{model.network.output}", but a Dataset holds classes, which only a '
            "softmax output tells apart; measure its predictions yourself."
        )
    _check_columns(model, dataset)
    known = model.network.layer_sizes[-1]
    dataset = matched(dataset, model.class_names or tuple(map(str, range(known))))
    n_classes = dataset.n_classes
    if len(dataset) == 0:
        raise InvalidArgument(f"{dataset.name} has no rows to evaluate.")
    probabilities = model.predict_proba(dataset.x)
    if not np.isfinite(probabilities).all():
        raise InvalidArgument(
            f"The model's numbers overflow on {dataset.name}, so there is nothing to measure; train it "
            "again, with a smaller learning rate."
        )
    predictions = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(dataset)), predictions]
    of_truth = np.zeros(len(dataset))
    told = np.flatnonzero(dataset.y < known)
    of_truth[told] = probabilities[told, dataset.y[told]]
    wrong = np.flatnonzero(predictions != dataset.y)
    # a stable sort, so that equal confidences come in the order of the rows
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    confusion = confusion_counts(dataset.y, predictions, n_classes)
    return Evaluation(
        dataset_name=dataset.name,
        class_names=dataset.class_names,
        image_shape=dataset.image_shape,
        accuracy=float(np.mean(predictions == dataset.y)),
        # a probability rounded to zero must not make the mean infinite
        loss=float(-np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean()),
        report=report_figures(confusion, dataset.class_names),
        confusion=confusion,
        mistakes=[
            Mistake(
                int(row), int(dataset.y[row]), int(predictions[row]), float(confidence[row]), dataset.x[row]
            )
            for row in wrong
        ],
        calibration=calibration_bins(confidence, predictions == dataset.y),
    )


def _check_columns(model: Model, dataset: Dataset) -> None:
    """Raise InvalidArgument if the rows of a table are made of other columns than the model's."""
    here, there = dataset.table_record(), model.table
    if here and there and any(here.get(name) != there.get(name) for name in ("names", "kinds", "categories")):
        raise InvalidArgument(
            f"{dataset.name} was read as a table of its own, whose columns are not those of the model; load "
            "it with clearprop.data.load_rows(path, model)."
        )

"""Run: the model, history and settings of one finished training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearprop.model.model import Model
from clearprop.nn.network import Network
from clearprop.nn.recipe import Recipe
from clearprop.training.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The result of one training.

    Attributes
    ----------
    network : Network
    recipe : Recipe
    history : History
    model : Model
    engine, device, dtype : str
        The engine, its device and the floating-point type of the arithmetic.
    n_rows : int
        Training rows.
    seconds : float
        Wall-clock time of the whole training, validation included.
    """

    network: Network
    recipe: Recipe
    history: History
    model: Model
    engine: str
    device: str
    dtype: str
    n_rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows trained on a second, validation left out."""
        seconds: float = sum(self.history.column("seconds"))
        return self.n_rows * len(self.history.epochs) / seconds

    def plot(self) -> Figure:
        """Draw the losses, and the validation accuracy if there is one, over the epochs."""
        from clearprop.display.plots import plot_history

        return plot_history(self.history)

    def __repr__(self) -> str:
        last = self.history.epochs[-1]
        accuracy = last["validation_accuracy"]
        validation = "" if accuracy is None else f", validation accuracy {accuracy:.4f}"
        return (
            f"Run({len(self.history.epochs)} epochs on {self.engine}, "
            f"train loss {last['train_loss']:.4f}{validation}, {self.seconds:.1f} s)"
        )

    def _repr_html_(self) -> str:
        from clearprop.display.html import SPARK_BOX, card, spark_points

        curves = {
            name: spark_points(self.history.column(column))
            for name, column in (("train", "train_loss"), ("validation", "validation_loss"))
            if self.history.epochs[0][column] is not None
        }
        return card("run", run=self, last=self.history.epochs[-1], curves=curves, box=SPARK_BOX)

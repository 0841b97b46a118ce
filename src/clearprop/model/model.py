"""Model: a trained network and the scaling, class names and image shape that its predictions need."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.prediction import OUTPUT_FUNCTIONS, logits
from clearprop.model.files.model_contents import ModelContents
from clearprop.model.files.model_file import read_model_file, write_model_file
from clearprop.model.precision import close_rows, refine
from clearprop.utils.errors import DataError, InvalidArgument


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Model(ModelContents):
    """A trained network.

    Parameters
    ----------
    network : Network
    parameters : Parameters
        One ``(weight (fan_in, fan_out), bias (fan_out,))`` a layer.
    scaling : Scaling
        How stored rows become the network's input.
    class_names : tuple of str
        The name of each class, in the order of the outputs (both classes for a single sigmoid output), or
        of each output for a network that predicts values. Empty if they have no names.
    image_shape : tuple of int or None
        (height, width) where a row is an image.
    metrics, training : dict
        Measurements at the end of the training, and the settings of the training, as plain JSON values.
    table : dict
        How the columns of a table become features, as ``TableSchema.to_dict`` writes it; empty for
        other data.
    """

    def logits(self, x: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return the last layer's pre-activations: the outputs before the softmax, sigmoid or exponential.

        Parameters
        ----------
        x : ndarray (n, features) of uint8 or float
            Rows as the Dataset holds them; scaling is applied here.

        Returns
        -------
        ndarray (n, n_outputs)

        Raises
        ------
        DataError
            If the rows do not have the features the network was trained on.
        """
        return self._logits(self._checked(x))

    def predict_proba(self, x: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return the probability of each output, ``(n, n_outputs)``, for rows ``(n, features)``.

        With a softmax they are those of the classes and sum to one; with sigmoid outputs each stands alone.
        Rows that float32 would round by more than some 1e-7 are computed in float64, whatever the parameters
        are; the result has their type.

        Raises
        ------
        DataError
            If the rows do not fit the network.
        InvalidArgument
            If the network predicts values.
        """
        if self.network.output not in ("softmax", "sigmoid"):
            raise InvalidArgument(
                f'The model has output="{self.network.output}" and predicts values, not probabilities; '
                "use predict."
            )
        rows = self._checked(x)
        return self._probabilities(rows, self._logits(rows))

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the prediction of each row of ``(n, features)``.

        Returns
        -------
        ndarray
            With a softmax the most probable class of each row, ``(n,)`` of int64, as its number
            0..n_classes-1; with sigmoid outputs 1 where an output is more probable than not and else 0,
            ``(n, n_outputs)`` of int64; else the values, ``(n, n_outputs)`` of float.
        """
        rows, output = self._checked(x), self.network.output
        values = self._logits(rows)
        if output not in ("softmax", "sigmoid"):
            return np.ascontiguousarray(self._outputs(values).T)
        predicted = values.argmax(axis=1) if output == "softmax" else (values > 0).astype(np.int64)
        # only where probabilities are refined, and as they are, so that they never name another class
        if values.dtype != np.float64 and (close := close_rows(values, output)).size:
            probabilities = self._probabilities(rows[close], values[close])
            predicted[close] = probabilities.argmax(axis=1) if output == "softmax" else probabilities > 0.5
        return predicted

    def _checked(self, x: NDArray[Any]) -> NDArray[Any]:
        rows = np.asarray(x)
        features = self.network.layer_sizes[0]
        if rows.ndim != 2 or rows.shape[1] != features or rows.dtype.kind not in "uif":
            raise DataError(
                f"x is an array of shape {rows.shape} and type {rows.dtype}, but the model takes rows of "
                f"{features} numbers; give it an array of shape (n, {features})."
            )
        return rows

    def _logits(self, rows: NDArray[Any]) -> NDArray[np.floating[Any]]:
        return logits(self.parameters, self.network.activations, self.scaling, rows)

    def _probabilities(
        self, rows: NDArray[Any], values: NDArray[np.floating[Any]]
    ) -> NDArray[np.floating[Any]]:
        """Return the probabilities of rows whose logits are known."""
        outputs = self._outputs(values)
        if outputs.dtype != np.float64:
            refine(outputs, values.T, self.network, self.parameters, self.scaling, rows)
        return np.ascontiguousarray(outputs.T)

    def _outputs(self, values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return the outputs ``(n_outputs, n)`` of logits ``(n, n_outputs)``."""
        return OUTPUT_FUNCTIONS[self.network.output](values.T)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as one safetensors file; ``clearprop.load`` reads it."""
        return write_model_file(path, self)

    def __repr__(self) -> str:
        sizes = "-".join(str(size) for size in self.network.layer_sizes)
        return f"Model({sizes}, {self.network.n_parameters:,} parameters)"


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model that ``Model.save`` wrote.

    The file is not trusted: nothing in it is executed, every claim is checked first, and it takes no more
    memory than twice its size (a small file: than 1 MiB).

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, of a newer format, or holds something else.
    """
    return model_of(read_model_file(path))


def model_of(contents: ModelContents) -> Model:
    """Return the model that a file's contents describe."""
    return Model(**{field.name: getattr(contents, field.name) for field in fields(contents)})

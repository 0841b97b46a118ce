"""Model: a trained network, with all it needs to predict from rows as they are stored."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.errors import DataError
from clearprop.inference import logits
from clearprop.losses import softmax
from clearprop.network import Network
from clearprop.parameters import Parameters
from clearprop.scaling import Scaling


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained network.

    Parameters
    ----------
    network : Network
    parameters : Parameters
        One ``(weight (fan_in, fan_out), bias (fan_out,))`` a layer.
    scaling : Scaling
        How stored rows become the network's input.
    class_names : tuple of str
        The name of each class, in the order of the outputs.
    image_shape : tuple of int or None
        (height, width) where a row is an image.
    metrics, training : dict
        What was measured at the end of the training, and how it was trained, as plain JSON values.
    """

    network: Network
    parameters: Parameters
    scaling: Scaling = field(default_factory=Scaling)
    class_names: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def logits(self, x: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return the outputs before the softmax.

        Parameters
        ----------
        x : ndarray (n, features) of uint8 or float
            Rows as the Dataset holds them; scaling is applied here.

        Returns
        -------
        ndarray (n, n_classes)

        Raises
        ------
        DataError
            If the rows do not have the features the network was trained on.
        """
        rows = np.asarray(x)
        features = self.network.layer_sizes[0]
        if rows.ndim != 2 or rows.shape[1] != features or rows.dtype.kind not in "uif":
            raise DataError(
                f"x is an array of shape {rows.shape} and type {rows.dtype}, but the model takes rows of "
                f"{features} numbers; give it an array of shape (n, {features})."
            )
        return logits(self.parameters, self.network.activations, self.scaling, rows)

    def predict_proba(self, x: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return the probability of each class, ``(n, n_classes)``, for rows ``(n, features)``."""
        return np.ascontiguousarray(softmax(self.logits(x).T).T)

    def predict(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Return the most probable class of each row, ``(n,)``, as its number 0..n_classes-1."""
        classes: NDArray[np.int64] = self.logits(x).argmax(axis=1)
        return classes

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as one safetensors file; ``clearprop.load`` reads it."""
        from clearprop.model_files import save_model

        return save_model(path, self)

    def __repr__(self) -> str:
        sizes = "-".join(str(size) for size in self.network.layer_sizes)
        return f"Model({sizes}, {self.network.n_parameters:,} parameters)"

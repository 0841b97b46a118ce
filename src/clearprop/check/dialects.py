"""How a submission lays out its arrays: rows or columns, orientation of weights, biases, containers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.check.formulas.base import Array

_DATA = re.compile(r"^(x|dx|y|truth|out|dout|p|[ah]\d*|d[ahz]\d*)$")
_WEIGHT = re.compile(r"^d?w\d*$")
_BIAS = re.compile(r"^d?b\d*$")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of laying out the values of a network.

    Parameters
    ----------
    layout : {"rows", "columns"}
        Whether an example is a row, as everywhere inside the judge, or a column.
    weights : {"in_out", "out_in"}
        The orientation of weight matrices.
    bias : {"flat", "row", "column"}
        The shape of the biases given: (n,), (1, n) or (n, 1).
    flat_bias_gradients : bool
        Whether the gradients of biases are given flat, whatever the shape of the biases.
    truth : {"one_hot", "labels"}
    containers : mapping of str to structure
        Structures inferred from the submission in place of the template's, by their names.
    """

    layout: str = "rows"
    weights: str = "in_out"
    bias: str = "flat"
    truth: str = "one_hot"
    flat_bias_gradients: bool = False
    containers: Mapping[str, Any] = field(default_factory=dict)

    def given(self, name: str, value: Any) -> Any:
        """Return a value of the judge as the submission expects it."""
        if not isinstance(value, np.ndarray):
            return value
        if _WEIGHT.match(name):
            return value.T.copy() if self.weights == "out_in" else value
        if _BIAS.match(name) and name[0] == "d" and self.flat_bias_gradients:
            return value
        if _BIAS.match(name):
            return {"flat": value, "row": value[None, :], "column": value[:, None]}[self.bias]
        if _DATA.match(name) and value.ndim == 2 and self.layout == "columns":
            return value.T.copy()
        return value

    def taken(self, name: str, value: Any) -> Array:
        """Return a value of the submission as the judge lays it out.

        A bias gradient of shape (n,) beside biases of shape (n, 1) becomes (1, n), which no right one has: it
        would broadcast to (n, n) in the update.
        """
        array = np.asarray(value)
        if _WEIGHT.match(name):
            return array.T if self.weights == "out_in" and array.ndim == 2 else array
        if _BIAS.match(name):
            if array.size == 1:
                return array.reshape(()) if array.ndim else array
            if self.layout == "columns":
                if array.ndim == 1:
                    return array[None, :] if self.bias == "column" else array
                return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array.T
            return array[0] if array.ndim == 2 and array.shape[0] == 1 else array
        if _DATA.match(name) and array.ndim == 2 and self.layout == "columns":
            return array.T
        return array

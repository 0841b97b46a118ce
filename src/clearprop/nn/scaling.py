"""Scaling: how rows as they are stored become the numbers a network sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """The map (x - shift) * factor, applied batch by batch.

    Parameters
    ----------
    shift, factor : float or ndarray (features,) of float64
        One number for all features, or one for each.
    """

    shift: float | NDArray[np.float64] = 0.0
    factor: float | NDArray[np.float64] = 1.0

    def apply(
        self,
        rows: NDArray[Any],
        dtype: np.dtype[Any] | type = np.float32,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Return scaled rows.

        Parameters
        ----------
        rows : ndarray (n, features) of uint8 or float
        dtype : dtype, default float32
        out : ndarray (n, features) of dtype, or None
            Where to write them; a new array if None.

        Returns
        -------
        ndarray (n, features) of dtype
        """
        factor = np.asarray(self.factor, dtype=dtype)
        if not self._shifts():
            # the type is named, since numbers in the rows' own type could overflow before they are scaled
            scaled: NDArray[Any] = np.multiply(rows, factor, out=out, dtype=dtype, casting="same_kind")
            return scaled
        scaled = np.empty(rows.shape, dtype) if out is None else out
        np.subtract(rows, np.asarray(self.shift, dtype=dtype), out=scaled, dtype=dtype, casting="same_kind")
        scaled *= factor
        return scaled

    def lone_factor(self) -> float | None:
        """Return the factor if the scaling is no more than that, finite and for all features; else None."""
        if isinstance(self.factor, np.ndarray) or self._shifts() or not math.isfinite(self.factor):
            return None
        return float(self.factor)

    def _shifts(self) -> bool:
        # a number is compared as one: np.any would cost a single row as much as its output layer
        return bool(np.any(self.shift) if isinstance(self.shift, np.ndarray) else self.shift != 0)

    def to_dict(self) -> dict[str, float | list[float]]:
        """Return plain JSON values; ``from_dict`` makes the scaling again."""
        return {name: np.asarray(getattr(self, name)).tolist() for name in ("shift", "factor")}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Scaling:
        """Make a scaling from the values of ``to_dict``."""
        return cls(
            *(
                float(values[name]) if np.isscalar(values[name]) else np.asarray(values[name], np.float64)
                for name in ("shift", "factor")
            )
        )


#: Pixels 0..255 become 0..1, as the published study divides them.
PIXELS = Scaling(factor=1 / 255)

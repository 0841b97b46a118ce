"""Data: from a name or a path to rows, labels and their splits."""

from clearprop.data.arrays import from_arrays
from clearprop.data.dataset import Dataset, Splits, one_hot
from clearprop.data.loading import load_data, load_rows
from clearprop.nn.scaling import Scaling

__all__ = ["Dataset", "Scaling", "Splits", "from_arrays", "load_data", "load_rows", "one_hot"]

"""The half that is held back from the development of the diagnosis."""

from . import data_faults, healthy_classes, healthy_numbers, layer_faults, output_faults, step_faults

__all__ = [
    "data_faults",
    "healthy_classes",
    "healthy_numbers",
    "layer_faults",
    "output_faults",
    "step_faults",
]

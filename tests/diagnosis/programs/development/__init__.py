"""The half that the diagnosis may be developed with."""

from . import data_faults, healthy_classes, healthy_numbers, layer_faults, output_faults, step_faults

__all__ = [
    "data_faults",
    "healthy_classes",
    "healthy_numbers",
    "layer_faults",
    "output_faults",
    "step_faults",
]

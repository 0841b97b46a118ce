"""Diagnosis: why a training failed, found by trying the remedies.

The names are imported when they are used, so that modules without an engine are imported without one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearprop.diagnosis.entry import diagnose
    from clearprop.diagnosis.finding import Diagnosis
    from clearprop.diagnosis.program import Layer, Program

__all__ = ["Diagnosis", "Layer", "Program", "diagnose"]

_PLACES = {"Diagnosis": "finding", "Layer": "program", "Program": "program", "diagnose": "entry"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)

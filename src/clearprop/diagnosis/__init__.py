"""Diagnosis: why a training failed, found by trying the remedies."""

from clearprop.diagnosis.entry import diagnose
from clearprop.diagnosis.finding import Diagnosis
from clearprop.diagnosis.program import Layer, Program

__all__ = ["Diagnosis", "Layer", "Program", "diagnose"]

"""Diagnosis: why a training failed, found by trying the remedies."""

from clearprop.diagnosis.program import Layer, Program

__all__ = ["Layer", "Program"]

"""Failing and healthy trainings in the style of small first projects, in two halves."""

from . import development, held_out
from .case import CASES, Case

__all__ = ["CASES", "Case", "development", "held_out"]

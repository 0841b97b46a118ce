"""Judging a function that resizes images: shape, orientation and smoothness, but not the filter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearprop import scratch
from clearprop.check.calling import Caller, Subject
from clearprop.check.calls import Answer, Runner
from clearprop.check.evaluation import problem_of
from clearprop.check.formulas.base import Array
from clearprop.check.verdicts import Evidence, FoundMistake
from clearprop.check.wording import number, of_problem, simple_mistake

_SIZE = (28, 28)
# filters (linear, cubic, with or without smoothing) differ by less on these images; a turned image by more
_MEAN_DIFFERENCE = 0.035


def _images(height: int, width: int) -> Array:
    """Return three smooth images between 0 and 1, no two rows or columns alike."""
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    pictures = [x * (1 - y) ** 2, np.exp(-((x - 0.3) ** 2 + 2 * (y - 0.7) ** 2) * 6), (0.2 + x * y) / 1.2]
    return np.stack(pictures)


def examine_resizing(subject: Subject, runner: Runner) -> list[FoundMistake]:
    """Return the mistakes of a function that resizes and flattens images; none if it is right."""
    line = subject.definition.line
    caller = Caller(subject)
    floats, same_size = _images(40, 24), _images(*_SIZE)
    grey = np.round(255 * _images(20, 33)).astype(np.uint8)
    for images, scale in ((grey, 255.0), (floats, 1.0), (same_size, 1.0)):
        answer = runner.run([replace(caller.call({"images": images, "n": 3}), seed=1)])[0]
        if (problem := problem_of(answer)) is not None:
            return [of_problem(problem, line)]
        detail, evidence = _difference(answer, images, scale)
        if detail:
            return [simple_mistake("resize_wrong", detail, line, [evidence])]
    return []


def _difference(answer: Answer, images: Array, scale: float) -> tuple[str, Evidence]:
    expected = np.asarray(scratch.resize_and_flatten(images, _SIZE), dtype=float) / scale
    try:
        yours = np.asarray(answer.value, dtype=float)
    except (ValueError, TypeError):
        return "it does not return an array", Evidence("result", type(answer.value).__name__, "an array")
    if yours.shape != expected.shape:
        shapes = Evidence("shape", str(yours.shape), str(expected.shape))
        if yours.shape == (len(images), *_SIZE):
            return "the images are not flattened", shapes
        return "the result has the wrong shape", shapes
    if not np.isfinite(yours).all():
        return "the result is not finite", Evidence("result", "nan or inf", "finite")
    at = np.unravel_index(np.argmax(np.abs(yours / scale - expected)), expected.shape)
    evidence = Evidence(f"pixel {at[1]} of image {at[0]}", number(yours[at]), number(scale * expected[at]))
    close = np.mean(np.abs(yours / scale - expected)) <= _MEAN_DIFFERENCE
    if close:
        nearest = (
            images.dtype.kind == "f" and images.shape[1:] != _SIZE and np.isin(yours, images).mean() > 0.95
        )
        return ("each pixel is copied from the nearest one, not interpolated" if nearest else ""), evidence
    pictures = expected.reshape(-1, *_SIZE)
    turned = {
        "the images are transposed": pictures.transpose(0, 2, 1),
        "the rows are in reverse order": pictures[:, ::-1],
        "the columns are in reverse order": pictures[:, :, ::-1],
        "the first image is repeated": np.repeat(pictures[:1], len(pictures), axis=0),
        "the last image is repeated": np.repeat(pictures[-1:], len(pictures), axis=0),
        "the images are inverted": 1 - pictures,
        "all pixels are 0": np.zeros_like(pictures),
    }
    for text, array in turned.items():
        if np.mean(np.abs(yours / scale - array.reshape(expected.shape))) <= _MEAN_DIFFERENCE:
            return text, evidence
    for factor, text in (
        (255.0, "the pixels are divided by 255"),
        (1 / 255, "the pixels are multiplied by 255"),
    ):
        if np.mean(np.abs(yours * factor / scale - expected)) <= _MEAN_DIFFERENCE:
            return text, evidence
    return "the pixels are not those of the image at the new size", evidence

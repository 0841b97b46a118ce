"""A model file that loads, but means harm: every verb that takes one ends well, or with one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import clearprop as cp
from clearprop.cli import main

VERBS = {
    "evaluate": ["evaluate", "MODEL"],
    "evaluate train": ["evaluate", "MODEL", "--split", "train"],
    "evaluate digits": ["evaluate", "MODEL", "--data", "digits"],
    "evaluate digits as JSON": ["evaluate", "MODEL", "--data", "digits", "--json"],
    "predict": ["predict", "MODEL", "IMAGE"],
    "predict as JSON": ["predict", "MODEL", "IMAGE", "--json"],
    "export": ["export", "MODEL", "--onnx", "a.onnx", "--torch", "a.pt", "--overwrite"],
}


def model(output: str = "softmax", n_outputs: int = 10, size: float = 0.1, **more: Any) -> cp.Model:
    rng = np.random.default_rng(0)
    weight = np.clip(size * rng.normal(size=(784, n_outputs)), -3e38, 3e38).astype(np.float32)
    names = tuple(map(str, range(n_outputs))) if output == "softmax" else ()
    fields = {"class_names": names, "image_shape": (28, 28), **more}
    parameters = [(weight, np.zeros(n_outputs, np.float32))]
    return cp.Model(cp.Network((784, n_outputs), output=output), parameters, **fields)


def trained(**training: Any) -> cp.Model:
    given = {"data": "digits", "recipe": {"seed": 0}, "validation": 100, **training}
    return replace(model(), training=given)


MODELS = {
    "good": trained(),
    "numbers that overflow": model(size=1e38, scaling=cp.Scaling(-1e38, 1e38)),
    "one sigmoid": model("sigmoid", 1),
    "one sigmoid with names": model("sigmoid", 1, class_names=("no", "yes")),
    "ten sigmoids": model("sigmoid", 10),
    "values": model("identity", 10),
    "exponentials that overflow": model("exponential", 10, size=1e3),
    "names that move the cursor": model(class_names=tuple(f"\x1b[2J\r\n{name}" for name in "abcdefghij")),
    "names that are equal": model(class_names=("a",) * 10),
    "an image of one row": model(image_shape=(1, 784)),
    "data that is a number": trained(data=7),
    "data that is a list": trained(data=[[]]),
    "data that is no path": trained(data="a\0b"),
    "data that is a folder": trained(data="/"),
    "data that is long": trained(data="a" * 10_000),
    "data that moves the cursor": trained(data="\x1b[2J"),
    "a preparation that is a list": trained(preparation=[]),
    "a seed that is text": trained(recipe={"seed": "0"}),
    "a seed that is a list": trained(recipe={"seed": []}),
    "a seed below zero": trained(recipe={"seed": -1}),
    "a seed of a thousand digits": trained(recipe={"seed": 10**999}),
    "a recipe that is text": trained(recipe="fast"),
    "a validation that is text": trained(validation="a sixth"),
    "a validation that is true": trained(validation=True),
    "a validation that is a list": trained(validation=[1]),
    "a validation of everything": trained(validation=1e300),
}


@pytest.mark.parametrize("verb", sorted(VERBS))
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_verb_ends_well_or_with_one_sentence(
    name: str,
    verb: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if verb == "export":
        for library in ("onnx", "torch"):
            pytest.importorskip(library, reason=f"{library} is an extra and is not installed here")
    monkeypatch.chdir(tmp_path)
    MODELS[name].save("model.safetensors")
    picture = np.zeros((28, 28), np.uint8)
    picture[5:23, 12:16] = 255
    Image.fromarray(picture).save("image.png")
    places = {"MODEL": "model.safetensors", "IMAGE": "image.png"}
    code = main([places.get(argument, argument) for argument in VERBS[verb]])
    out, err = capsys.readouterr()
    assert code in (0, 2), err
    if code == 2:
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert out == ""
    # nothing of a file moves the cursor of a terminal
    assert "\x1b" not in out + err
    if name == "good":
        assert code == 0

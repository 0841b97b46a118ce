"""Measure how far the ONNX graph is from predict_proba on MNIST's test images, and what float64 costs there.

Takes about three minutes on two cores: it trains eleven networks first.

    python tests/soak/onnx_agreement.py --data-dir DIR      # without: the folder that `clearprop data` uses
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import clearprop as cp
from clearprop.engines.prediction import OUTPUT_FUNCTIONS, logits
from clearprop.model.conversion.onnx_export import onnx_bytes
from clearprop.nn.parameters import copy_parameters
from clearprop.training.recipe_files import load_recipe
from clearprop.training.settings import decide

PUBLISHED = (784, 500, 250, 100, 10)
EPOCHS = (2, 3, 5, 10, 20, 40)


def main() -> None:
    """Print a line for each network, then what each arithmetic costs for the last of each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="a folder that has the files of MNIST")
    parser.add_argument("--seeds", type=int, default=5, help="of the recipe fast")
    asked = parser.parse_args()
    dataset = cp.load_data("mnist", asked.data_dir)
    assert dataset.test is not None
    images = dataset.test.x.reshape(-1, 28, 28)
    last: dict[str, cp.Model] = {}
    print(f"{'network':34} {'both in float32':>16} {'as it is':>10} {'float64 weights':>16} {'unsure':>7}")
    for kind, name, model in trained(dataset, asked.seeds):
        last[kind] = model
        double = replace(model, parameters=copy_parameters(model.parameters, np.float64))
        plain, given = in_float32(model, dataset.test.x), model.predict_proba(dataset.test.x)
        print(
            f"{name:34} {difference(run(model, images, 'float32'), plain):16.1e} "
            f"{difference(run(model, images), given):10.1e} "
            f"{difference(run(double, images), double.predict_proba(dataset.test.x)):16.1e} "
            f"{int((plain != given).any(axis=1).sum()):7,}",
            flush=True,
        )
    print(f"\n{'network':34} {'arithmetic':>10} {'10,000 images':>14} {'one image':>10} {'bytes':>10}")
    for kind, model in last.items():
        for arithmetic in ("float64", "float32"):
            content = onnx_bytes(model, arithmetic=arithmetic)
            session = opened(content)
            many = median_time(lambda: session.run(None, {"images": images}), 9)  # noqa: B023
            one = median_time(lambda: session.run(None, {"images": images[:1]}), 999)  # noqa: B023
            print(
                f"{kind:34} {arithmetic:>10} {1e3 * many:11.0f} ms {1e6 * one:7.0f} µs {len(content):10,}",
                flush=True,
            )


def trained(dataset: cp.Dataset, seeds: int) -> Iterator[tuple[str, str, cp.Model]]:
    """Train the recipe fast with several seeds, and the published network for several numbers of epochs."""
    rows, _, _ = dataset.split(validation=0, seed=0)
    for seed in range(seeds):
        decided = decide(load_recipe("fast").given(), dataset.n_features, dataset.n_classes, seed=seed)
        name = f"fast, seed {seed}"
        yield "fast", name, cp.train(decided.network, decided.recipe, rows, progress=False).model
    for epochs in EPOCHS:
        recipe = cp.Recipe(optimizer="adam", learning_rate=0.001, epochs=epochs, batch_size=128)
        name = f"{'-'.join(map(str, PUBLISHED))}, {epochs} epochs"
        yield "published", name, cp.train(cp.Network(PUBLISHED), recipe, rows, progress=False).model


def in_float32(model: cp.Model, rows: NDArray[Any]) -> NDArray[Any]:
    """Return the probabilities before any row is looked at again."""
    values = logits(model.parameters, model.network.activations, model.scaling, rows)
    return OUTPUT_FUNCTIONS[model.network.output](values.T).T


def opened(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(model: cp.Model, images: NDArray[Any], arithmetic: str = "float64") -> NDArray[Any]:
    (probabilities,) = opened(onnx_bytes(model, arithmetic=arithmetic)).run(None, {"images": images})
    return np.asarray(probabilities)


def difference(first: NDArray[Any], second: NDArray[Any]) -> float:
    return float(np.abs(first - second).max())


def median_time(call: Callable[[], object], times: int) -> float:
    """Return the median of several calls, in seconds, after one that is not counted."""
    call()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()

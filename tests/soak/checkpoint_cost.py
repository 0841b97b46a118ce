"""Measures what a checkpoint costs beside the epoch it follows, for the published network.

python tests/soak/checkpoint_cost.py --data mnist     # a name or a path, as `clearprop train` takes it
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import clearprop as cp
from clearprop.training.checkpoint_files import CHECKPOINT_FILE
from clearprop.training.checkpointing import Checkpointing

SIZES = (500, 250, 100)


def main() -> None:
    """Print a line for each engine and optimizer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    dataset = cp.load_data(arguments.data, data_dir=arguments.data_dir)
    train, validation, _ = dataset.split(seed=0)
    network = cp.Network((dataset.n_features, *SIZES, dataset.n_classes))
    for engine, optimizer in itertools.product(("numpy", "torch"), ("sgd", "adam")):
        recipe = cp.Recipe(optimizer=optimizer, learning_rate=0.001, epochs=arguments.epochs)
        milliseconds: list[float] = []

        def timed(keep=Checkpointing.on_epoch_end, seen=milliseconds):  # type: ignore[no-untyped-def]
            def on_epoch_end(self, state):  # type: ignore[no-untyped-def]
                started = time.perf_counter()
                keep(self, state)
                seen.append(1000 * (time.perf_counter() - started))

            return on_epoch_end

        plain, Checkpointing.on_epoch_end = Checkpointing.on_epoch_end, timed()  # type: ignore[method-assign]
        try:
            with tempfile.TemporaryDirectory(dir=".") as folder:
                run = cp.train(
                    network, recipe, train, validation, engine=engine, device="cpu", progress=False,
                    checkpoint=folder,
                )  # fmt: skip
                size = (Path(folder) / CHECKPOINT_FILE).stat().st_size
        finally:
            Checkpointing.on_epoch_end = plain  # type: ignore[method-assign]
        epoch = 1000 * statistics.median(run.history.column("seconds"))
        cost = statistics.median(milliseconds)
        print(
            f"{engine:5} {optimizer:4}  epoch {epoch:7.0f} ms  checkpoint {cost:5.1f} ms "
            f"({cost / epoch:.1%}, {size / 1e6:.1f} MB)",
            flush=True,
        )


if __name__ == "__main__":
    main()

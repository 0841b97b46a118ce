"""Measure predictions on real images: all 10,000 test digits of MNIST in every variant of a file.

Takes about 25 minutes on one core. Run it with a model, and the folder of the genuine files:

    clearprop train --data mnist --recipe fast --out runs/mnist
    python tests/soak/predictions.py runs/mnist
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import rerendered

import clearprop as cp
from clearprop.model.files.model_file import PARAMETERS_FILE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--data-dir", type=Path, help="a folder that has the files of MNIST")
    parser.add_argument("--rows", type=int, default=10_000, help="how many of the test digits")
    parser.add_argument("--variants", nargs="+", default=[*rerendered.REQUIRED, *rerendered.HARDER])
    asked = parser.parse_args()
    model = cp.load(asked.run / PARAMETERS_FILE)
    test = cp.load_data("mnist", asked.data_dir).test
    assert test is not None
    x, y = test.x[: asked.rows], test.y[: asked.rows]
    print(f"{'as they are':>12}  {(model.predict(x) == y).mean():.4f}", flush=True)
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for variant in asked.variants:
            share = rerendered.accuracy(model, variant, x, y, Path(folder))
            print(f"{variant:>12}  {share:.4f}", flush=True)
            if variant in rerendered.REQUIRED and share <= 0.95:
                missed.append(variant)
    if missed:
        sys.exit(f"Not above 95%: {', '.join(missed)}.")


if __name__ == "__main__":
    main()

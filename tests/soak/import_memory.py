"""Measure what an import takes, of files that are refused and of one that is accepted; Linux only.

python tests/soak/import_memory.py
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import skops.io
import torch
from hostile_imports import KINDS, Imported, good_files, importing, mlp
from safetensors.torch import save_file
from torch import nn

MIB = 2**20
# the largest of the hostile files, by what they take; the others stand in one line
MOST_SHOWN = 6


def main() -> None:
    """Print the size of each file, and by how much the most resident memory grew when it was imported."""
    with tempfile.TemporaryDirectory() as name:
        # where an attack would leave its file
        os.chdir(name)
        folder = Path(name)
        files = dict(large_files(folder))
        hostile = {}
        for kind, each in KINDS.items():
            for number, (title, (content, _)) in enumerate(each.items()):
                hostile[f"{title} ({kind})"] = folder / f"hostile-{number}.{kind}"
                hostile[f"{title} ({kind})"].write_bytes(content())
        with importing(good_files(folder)) as imported:
            found = {path: imported(path) for path in (*files.values(), *hostile.values())}
        for title, path in files.items():
            show(title, path, found[path])
        by_memory = sorted(hostile, key=lambda title: found[hostile[title]].memory, reverse=True)
        for title in by_memory[:MOST_SHOWN]:
            show(title, hostile[title], found[hostile[title]])
        rest = [hostile[title] for title in by_memory[MOST_SHOWN:]]
        size, memory = max(path.stat().st_size for path in rest), max(found[path].memory for path in rest)
        print(f"the other {len(rest)}: sizes up to {size / MIB:.1f} MiB, memory up to {memory / MIB:.0f} MiB")


def show(title: str, path: Path, told: Imported) -> None:
    size, memory = path.stat().st_size, told.memory
    end = "accepted" if told.code == 0 else "refused"
    print(
        f"{title:44} {size / MIB:7.1f} MiB  {memory / MIB:5.0f} MiB  {memory / size:6.1f} times  {end}",
        flush=True,
    )


def large_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write a network of 16.8 million weights in every way there is, with a NaN at its end or without."""
    network = nn.Sequential(nn.Linear(4096, 4094), nn.ReLU(), nn.Linear(4094, 3))
    with torch.no_grad():
        yield "a good .pt", saved(network.state_dict(), folder / "good.pt")
        halves = {name: tensor.bfloat16() for name, tensor in network.state_dict().items()}
        yield "a good .pt of bfloat16", saved(halves, folder / "good-halves.pt")
        network[2].bias[-1] = float("nan")
        state = network.state_dict()
        halves = {name: tensor.bfloat16() for name, tensor in state.items()}
        yield "a .pt with a NaN at its end", saved(state, folder / "nan.pt")
        torch.save(state, folder / "nan-legacy.pt", _use_new_zipfile_serialization=False)
        yield "the same, in the format before archives", folder / "nan-legacy.pt"
        save_file(state, folder / "nan.safetensors")
        yield "the same as safetensors", folder / "nan.safetensors"
        yield "bfloat16 with a NaN, .pt", saved(halves, folder / "halves.pt")
        save_file(halves, folder / "halves.safetensors")
        yield "bfloat16 with a NaN, safetensors", folder / "halves.safetensors"
    estimator = mlp(4096, 1023)
    estimator.intercepts_[-1][-1] = np.nan
    skops.io.dump(estimator, folder / "nan.skops")
    yield "a .skops with a NaN at its end", folder / "nan.skops"


def saved(state: dict[str, torch.Tensor], path: Path) -> Path:
    torch.save(state, path)
    return path


if __name__ == "__main__":
    main()

"""Fuzz the loader of model files with atheris: python tests/fuzz/fuzz_model_files.py -runs=1000000.

Files are mutated as bytes, and as what they are made of: the header, the description inside it, and the
tensors, each put together again with the lengths that belong to it. Every file must load or give one
sentence; of every hundredth the memory it takes is measured too. A file that fails is kept in the current
folder by libFuzzer, and read again by naming it as the argument.
"""

from __future__ import annotations

import atexit
import json
import random
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["clearprop"]):
    import clearprop.model.files.model_file  # noqa: F401

# the folder tests/, as pytest sees it
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from fuzz.model_file_harness import check, check_sentence, hostile_files, peak_memory, seeds

# what is worth putting somewhere: the edges of what JSON, sizes and floats can say
TOKENS = rb"""
0 1 -1 1.5 1e999 1e-999 NaN -Infinity 9223372036854775807 18446744073709551616 null true "" [] {} [[[[ "a": ,
\u0000 \ud800 \ud83d\ude00 "F64" "F32" "I32" "shape" "dtype" "data_offsets" "softmax" "sigmoid" "identity" :
"relu" "format_version" "network" "layer_sizes" "scaling" "shift" "class_names" "image_shape" \" \\\"
"layers.0.weight" "layers.1.bias" "__metadata__"
""".split()
TOKENS += [b"\xff", b"\xc3\xa4", b" ", b"\x00"]
VALUES = [
    0,
    1,
    -1,
    2,
    3,
    2**37,
    2**63,
    0.5,
    1e39,
    1e-320,
    None,
    True,
    "",
    "a",
    "\U0001f600",
    [],
    {},
    [1, 2],
    [0.0, 1.0, 2.0],
]
MEASURED_EVERY = 100
TOLD_EVERY = 50_000


def mutate(content: bytes, max_size: int, seed: int) -> bytes:
    """Return a changed file; a part of it is changed, and the rest is made to fit."""
    rng = random.Random(seed)
    length = int.from_bytes(content[:8], "little")
    if rng.random() < 0.2 or not 2 <= length <= len(content) - 8:
        return atheris.Mutate(content, max_size)
    header, data = content[8 : 8 + length], content[8 + length :]
    kind = rng.randrange(4)
    if kind == 0:
        data = atheris.Mutate(data, max(1, max_size - length))
        if rng.random() < 0.8:
            # as many bytes as the header says, so that they are looked at
            data = (data + bytes(len(content)))[: len(content) - 8 - length]
    elif kind == 1:
        header = _changed(header, max_size, rng)
    else:
        try:
            fields = json.loads(header)
            description = fields["__metadata__"]["clearprop"]
            if kind == 2:
                changed = _changed(description.encode(), max_size, rng).decode("utf-8", "surrogateescape")
            else:
                changed = json.dumps(_with_another_value(json.loads(description), rng))
            fields["__metadata__"]["clearprop"] = changed
            header = json.dumps(fields, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogateescape")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            header = _changed(header, max_size, rng)
    return (struct.pack("<Q", len(header)) + header + data)[:max_size]


def _with_another_value(described: Any, rng: random.Random) -> Any:
    """Return a JSON value in which one, at whatever depth, is another."""
    if not isinstance(described, dict | list) or not described or rng.random() < 0.1:
        return rng.choice(VALUES)
    keys = list(described) if isinstance(described, dict) else range(len(described))
    key = rng.choice(keys)
    described[key] = _with_another_value(described[key], rng)
    return described


def _changed(text: bytes, max_size: int, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return atheris.Mutate(text, max_size)
    begin = rng.randrange(len(text) + 1)
    end = min(len(text), begin + rng.choice((0, 0, 1, 2, 5, 20)))
    return text[:begin] + rng.choice(TOKENS) + text[end:]


class Counted:
    """Checks one file after the other, and tells at the end how many there were."""

    def __init__(self) -> None:
        self.files = self.accepted = self.measured = 0
        self.began = time.monotonic()

    def __call__(self, content: bytes) -> None:
        self.files += 1
        self.accepted += check(content)
        if self.files % MEASURED_EVERY == 0:
            self.measured += 1
            peak, _ = peak_memory(content)
            assert peak <= max(2 * len(content), 2**20), peak
        # told now and then, since libFuzzer ends the process without a last word of ours
        if self.files % TOLD_EVERY == 0:
            print(
                f"{self.files:,} files: {self.accepted:,} loaded, {self.files - self.accepted:,} gave one "
                f"sentence, the memory of {self.measured:,} was measured; "
                f"{time.monotonic() - self.began:.0f} s",
                flush=True,
            )


def measure_hostile_files() -> None:
    """Fail unless each file that tries to take much memory gives one sentence and takes twice its size."""
    worst = 0.0
    for content in hostile_files().values():
        peak, sentence = peak_memory(content)
        check_sentence(sentence)
        assert peak <= max(2 * len(content), 2**20), peak
        worst = max(worst, peak / len(content))
    print(f"{len(hostile_files())} hostile files of about 1 MiB: at most {worst:.2f} times their size taken")


def main() -> None:
    """Run libFuzzer on a corpus of good files, made anew."""
    arguments = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    files = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if not files:
        measure_hostile_files()
        folder = tempfile.TemporaryDirectory()
        atexit.register(folder.cleanup)
        for name, content in seeds().items():
            (Path(folder.name) / name).write_bytes(content)
        files = [folder.name]
    # few changes at once, so that some files stay good enough to get far
    options = ["-max_len=4096", "-mutate_depth=2"]
    atheris.Setup([sys.argv[0], *options, *arguments, *files], Counted(), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

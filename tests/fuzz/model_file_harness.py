"""What must hold for the bytes of any model file, files to begin with, and the worst that came to mind."""

from __future__ import annotations

import functools
import json
import struct
import tracemalloc
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import load

import clearprop as cp
from clearprop.model.files.model_file import model_bytes, read_contents
from clearprop.model.model import model_of
from clearprop.utils.errors import ModelFileError

PLACE = Path("model.safetensors")
LONGEST_SENTENCE = 400


def load_bytes(content: bytes) -> cp.Model:
    """Return the model that the bytes of a file hold."""
    return model_of(read_contents(BytesIO(content), len(content), PLACE))


def check(content: bytes) -> bool:
    """Tell whether the bytes are a model file; fail unless they are a usable one or give one sentence."""
    try:
        model = load_bytes(content)
    except ModelFileError as error:
        check_sentence(str(error))
        return False
    # whatever is accepted here, the reference implementation accepts too
    load(content)
    sizes = model.network.layer_sizes
    for (weight, bias), (fan_in, fan_out) in zip(model.parameters, pairwise(sizes), strict=True):
        assert weight.shape == (fan_in, fan_out)
        assert bias.shape == (fan_out,)
        assert np.isfinite(weight).all()
        assert np.isfinite(bias).all()
    with np.errstate(all="ignore"):
        assert model.logits(np.zeros((1, sizes[0]))).shape == (1, sizes[-1])
    described = json.dumps([model.metrics, model.training])
    if "NaN" in described or "Infinity" in described:
        # Python's words, which are read, but never written
        return True
    again = model_bytes(model)
    copy = load_bytes(again)
    assert copy.network == model.network
    assert copy.class_names == model.class_names
    assert copy.image_shape == model.image_shape
    assert copy.training == model.training
    assert copy.metrics == model.metrics
    for mine, theirs in zip(copy.parameters, model.parameters, strict=True):
        assert mine[0].tobytes() == theirs[0].tobytes()
        assert mine[1].tobytes() == theirs[1].tobytes()
    return True


def check_sentence(sentence: str) -> None:
    """Fail unless a message is one printable sentence of moderate length."""
    assert sentence.startswith(f"{PLACE} "), sentence
    assert sentence.endswith("."), sentence
    assert sentence.isprintable(), sentence
    assert len(sentence) <= LONGEST_SENTENCE, sentence


def peak_memory(content: bytes) -> tuple[int, str]:
    """Return the most bytes that reading took at once, and the sentence it gave (empty if it is a model)."""
    # what is imported or made at first use is no memory of the file
    _outcome(seeds()["described"])
    tracemalloc.start()
    sentence = _outcome(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, sentence


def _outcome(content: bytes) -> str:
    try:
        load_bytes(content)
    except ModelFileError as error:
        return str(error)
    return ""


@functools.cache
def seeds() -> dict[str, bytes]:
    """Return good files, small and each with something the others lack."""
    return {
        "no hidden layer": _seed((2, 2)),
        "hidden layer": _seed((3, 4, 2)),
        "float64": _seed((3, 2, 2), dtype=np.float64),
        "image": _seed((6, 2), image_shape=(2, 3)),
        "standardised": _seed((3, 2), scaling=cp.Scaling(np.arange(3.0), np.full(3, 0.5))),
        "sigmoid": _seed((3, 1), output="sigmoid"),
        "values": _seed((2, 3, 1), output="identity"),
        "described": _seed(
            (2, 2), metrics={"epoch": 3, "loss": 0.5}, training={"data": "ä\t😀", "seeds": [1, None, True]}
        ),
    }


def _seed(sizes: tuple[int, ...], dtype: type = np.float32, output: str = "softmax", **more: object) -> bytes:
    rng = np.random.default_rng(0)
    parameters = [
        (rng.normal(size=(fan_in, fan_out)).astype(dtype), rng.normal(size=fan_out).astype(dtype))
        for fan_in, fan_out in pairwise(sizes)
    ]
    names = ("a", "ß") if output == "softmax" else ()
    return model_bytes(
        cp.Model(cp.Network(sizes, "tanh", output=output), parameters, class_names=names, **more)
    )


@functools.cache
def hostile_files(size: int = 2**20) -> dict[str, bytes]:
    """Return files of about so many bytes that try to take much memory, each in another way."""
    described = (
        '{"format_version":1,"network":{"layer_sizes":%s},"scaling":{"shift":0,"factor":1},'
        '"class_names":%s,"training":%s}'
    )
    names = '["a","b"]'
    empty = b'{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    files = {
        "brackets in the header": b"[" * size,
        "braces in the header": b'{"a":' * (size // 5),
        "white space": b" " * size,
        "empty tensors": b"{" + b",".join(b'"%d":%b' % (i, empty) for i in range(size // 50)) + b"}",
        "metadata keys": b'{"__metadata__":{' + b",".join(b'"%d":""' % i for i in range(size // 12)) + b"}}",
        "a long shape": b'{"a":{"dtype":"F32","shape":[' + b"1," * (size // 2) + b"1]}}",
        "a long tensor name": b'{"' + b"a" * size + b'":{"dtype":"F32","shape":[0]}}',
        "a long dtype": b'{"a":{"dtype":"' + b"a" * size + b'"}}',
        "digits": b'{"a":{"dtype":"F32","shape":[' + b"1" * size + b"]}}",
        "a string without an end": b'{"__metadata__":{"clearprop":"' + b"a" * size,
        "nested description": _wrapped("[" * size),
        "escapes": _wrapped("\n" * (size // 2)),
        "empty lists": _wrapped(described % ("[3,2]", names, "[" + "[]," * (size // 3) + "0]")),
        "small dictionaries": _wrapped(described % ("[3,2]", names, "[" + '{"a":0},' * (size // 8) + "0]")),
        "keys": _wrapped("{" + ",".join(f'"{i}":0' for i in range(size // 12)) + "}"),
        "floats": _wrapped(described % ("[3,2]", names, "[" + "1.5," * (size // 4) + "0]")),
        "many layers": _wrapped(described % ("[" + "1," * (size // 2) + "1]", names, "{}")),
        "long numbers": _wrapped(described % ("[3,2]", names, "[" + f"{'9' * 999}," * (size // 1000) + "0]")),
        "a long class name": _wrapped(described % ("[3,2]", '["a","' + "b" * size + '"]', "{}")),
        "a long class name of emoji": _wrapped(
            described % ("[3,2]", '["a","' + "\U0001f600" * (size // 4) + '"]', "{}")
        ),
        "a long ASCII name with one emoji": _wrapped(
            described % ("[3,2]", '["a","' + "b" * size + '\U0001f600"]', "{}")
        ),
        "class names": _wrapped(described % ("[3,2]", "[" + '"",' * (size // 3) + '""]', "{}")),
        "a long activation": _wrapped(
            '{"format_version":1,"network":{"layer_sizes":[2,2],"activation":"' + "a" * size + '"}}'
        ),
        "a long version": _wrapped('{"format_version":9,"read_since":"' + "1" * size + '"}'),
        "a long shift": _wrapped(
            '{"format_version":1,"network":{"layer_sizes":[2,2]},"scaling":{"factor":1,"shift":['
            + "1," * (size // 2)
            + "1]}}"
        ),
    }
    return {name: struct.pack("<Q", len(header)) + header for name, header in files.items()}


def _wrapped(description: str) -> bytes:
    return json.dumps({"__metadata__": {"clearprop": description}}, ensure_ascii=False).encode()

"""Files that mean harm to ``clearprop import``, and what importing one costs, each in its own process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import skops.io
import torch
from safetensors.torch import save_file
from sklearn.neural_network import MLPClassifier
from torch import nn

MARKER = "executed"


# --- measuring ---

_MEASURE = """
import contextlib, gc, io, json, os, sys, warnings
import skops.io, torch, sklearn.neural_network
from clearprop.cli import main

def imported(path):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["import", path, "--out", path + ".model", "--overwrite"])
    return code, out.getvalue(), err.getvalue()

def most():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])

for path in json.loads(sys.stdin.readline()):
    # what is imported only when it is needed
    assert imported(path)[0] == 0, imported(path)
# a collection in a child would copy every page that its parent has
gc.freeze()
for line in sys.stdin:
    path = json.loads(line)
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        with open(read) as answer:
            text = answer.read()
        os.wait()
        print(text or json.dumps([-1, "", "the process died", 0]), flush=True)
        continue
    # the most that was ever taken counts from now on
    open("/proc/self/clear_refs", "w").write("5")
    before = most()
    code, out, err = imported(path)
    os.write(write, json.dumps([code, out, err, most() - before]).encode())
    os._exit(0)
"""


class Imported(NamedTuple):
    """How an import ended, and by how many bytes the most resident memory grew."""

    code: int
    out: str
    err: str
    memory: int


@contextlib.contextmanager
def importing(warm: Sequence[Path]) -> Iterator[Callable[[Path], Imported]]:
    """Give what imports a file in a process of its own that has the libraries already.

    Parameters
    ----------
    warm : sequence of pathlib.Path
        Good files, imported before any other.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", _MEASURE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def say(values: Any) -> None:
            print(json.dumps(values), file=process.stdin, flush=True)

        def imported(path: Path) -> Imported:
            say(str(path))
            assert process.stdout is not None
            return Imported(*json.loads(process.stdout.readline()))

        say([str(path) for path in warm])
        yield imported
        process.stdin.close()


# --- what is good, to warm up and to compare with ---


def mlp(n_features: int = 4, hidden: int = 3) -> MLPClassifier:
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MLPClassifier((hidden,), max_iter=1, random_state=0).fit(
            rng.normal(size=(20, n_features)), np.arange(20) % 3
        )


def good_files(folder: Path, n_features: int = 4, hidden: int = 3) -> list[Path]:
    """Write a network as each kind of file."""
    network = nn.Sequential(nn.Linear(n_features, hidden), nn.ReLU(), nn.Linear(hidden, 3))
    state = network.state_dict()
    halves = {name: tensor.bfloat16() for name, tensor in state.items()}
    torch.save(state, folder / "float32.pt")
    torch.save(halves, folder / "bfloat16.pt")
    torch.save(state, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    save_file(state, folder / "float32.safetensors")
    save_file(halves, folder / "bfloat16.safetensors")
    skops.io.dump(mlp(n_features, hidden), folder / "mlp.skops")
    names = (
        "float32.pt",
        "bfloat16.pt",
        "legacy.pt",
        "float32.safetensors",
        "bfloat16.safetensors",
        "mlp.skops",
    )
    return [folder / name for name in names]


# --- archives ---

N_BYTES = 2**22
Files = dict[str, bytes]


def zipped(files: Files, kind: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


class Pickle:
    """A pickle, operation by operation."""

    def __init__(self) -> None:
        self.text = bytearray(b"\x80\x02")

    def raw(self, *operations: bytes) -> Pickle:
        self.text += b"".join(operations)
        return self

    def string(self, text: str) -> Pickle:
        return self.raw(b"X", struct.pack("<I", len(text)), text.encode())

    def int(self, number: int) -> Pickle:
        digits = pickle.encode_long(number)
        return self.raw(b"\x8a", bytes([len(digits)]), digits)

    def ints(self, numbers: Sequence[int]) -> Pickle:
        self.raw(b"(")
        for number in numbers:
            self.int(number)
        return self.raw(b"t")

    def tensor(
        self,
        shape: Sequence[int],
        strides: Sequence[int],
        n_items: int,
        key: str = "0",
        legacy: bool = False,
    ) -> Pickle:
        self.raw(b"ctorch._utils\n_rebuild_tensor_v2\n((").string("storage").raw(b"ctorch\nFloatStorage\n")
        self.string(key).string("cpu").int(n_items).raw(b"N" if legacy else b"", b"tQ").int(0)
        return self.ints(shape).ints(strides).raw(b"\x89ccollections\nOrderedDict\n)RtR")

    def end(self) -> bytes:
        return bytes(self.text + b".")


def state_dict(pickled: bytes, data: bytes = bytes(N_BYTES), **more: bytes) -> bytes:
    files = {"net/data.pkl": pickled, "net/byteorder": b"little", "net/data/0": data, "net/version": b"3\n"}
    return zipped({**files, **more})


def of_one(shape: Sequence[int], strides: Sequence[int], n_items: int = N_BYTES // 4) -> bytes:
    return Pickle().raw(b"}").string("weight").tensor(shape, strides, n_items).raw(b"s").end()


def legacy(n_items: int, stored: int) -> bytes:
    state = Pickle().raw(b"}").string("weight").tensor((2, 3), (3, 1), n_items, legacy=True).raw(b"s").end()
    keys = Pickle().raw(b"]").string("0").raw(b"a").end()
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    return head + state + keys + struct.pack("<q", stored) + bytes(24)


def calls(name: str, *arguments: Callable[[Pickle], object]) -> bytes:
    pickled = Pickle().raw(b"c", name.replace(" ", "\n").encode(), b"\n(")
    for add in arguments:
        add(pickled)
    return state_dict(pickled.raw(b"tR").end())


def doubled() -> bytes:
    """A text that becomes twice as long thirty times over."""
    pickled = Pickle().raw(b"c_codecs\nencode\n" * 30).string("a").raw(b"X\x06\0\0\0latin1\x86R")
    for _ in range(29):
        pickled.string("hex").raw(b"\x86R")
    return state_dict(pickled.end())


def shared() -> bytes:
    pickled = Pickle().raw(b"}(")
    for layer in range(900):
        pickled.string(f"{layer}.weight").tensor((1024, 1024), (1024, 1), 2**20)
    return state_dict(pickled.raw(b"u").end())


def of_many(n_tensors: int) -> bytes:
    content = io.BytesIO()
    torch.save({f"{layer}.weight": torch.ones(1, 1) for layer in range(n_tensors)}, content)
    return content.getvalue()


class Attack:
    """Leaves a file where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {MARKER}",)


def attack(legacy: bool = False) -> bytes:
    content = io.BytesIO()
    torch.save({"0.weight": Attack()}, content, _use_new_zipfile_serialization=not legacy)
    return content.getvalue()


def torch_script() -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(nn.Linear(3, 2), torch.zeros(1, 3)), content)
    return content.getvalue()


def overlapping() -> bytes:
    """An entry that lies among the bytes of another."""
    inner = zipped({"net/data/1": bytes(2**20)})
    inner = inner[: inner.index(b"PK\x01\x02")]
    content = zipped(
        {"net/data.pkl": of_one((2, 3), (3, 1), 6), "net/data/0": inner, "net/data/1": bytes(2**20)}
    )
    # the directory's last entry, which points to its own bytes
    entry = content.rindex(b"PK\x01\x02")
    return content[: entry + 42] + struct.pack("<I", content.index(inner)) + content[entry + 46 :]


def lying_size() -> bytes:
    """A compressed entry whose directory says that it is stored."""
    content = bytearray(zipped({"net/data.pkl": bytes(2**26)}, zipfile.ZIP_DEFLATED))
    for begin, method in ((content.index(b"PK\x03\x04"), 8), (content.index(b"PK\x01\x02"), 10)):
        content[begin + method : begin + method + 2] = b"\0\0"
    return bytes(content)


def numbers(value: float, dtype: str = "<f4") -> bytes:
    data = np.full(N_BYTES // 4, value, dtype).tobytes()
    return state_dict(of_one((1024, 1024), (1024, 1)), data)


TORCH: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bomb": (lambda: zipped({"net/data.pkl": bytes(2**28)}, zipfile.ZIP_DEFLATED), "is compressed"),
    "a bomb that says it is stored": (lying_size, "is compressed"),
    "entries that overlap": (overlapping, "overlaps something else"),
    "many entries": (
        lambda: zipped({f"net/{i}": b"" for i in range(60_000)}),
        "it would need more memory",
    ),
    "names that are equal but for case": (
        lambda: zipped({"net/data.pkl": of_one((2, 3), (3, 1)), "net/DATA.pkl": b"}."}),
        "twice",
    ),
    "bytes before the archive": (lambda: b"PK\x03\x04" + bytes(N_BYTES) + of_many(2), "is damaged (its "),
    "one number stretched": (lambda: state_dict(of_one((2**15, 2**15), (0, 0))), "4,294,967,296 bytes of"),
    "steps that overflow": (
        lambda: state_dict(of_one((2**40, 2**40), (2**40, 1))),
        "does not have the numbers",
    ),
    "steps backwards": (
        lambda: state_dict(of_one((2, 3), (-3, 1))),
        "a tensor that torch.save would not write",
    ),
    "2^60 numbers": (
        lambda: state_dict(of_one((2**30, 2**30), (2**30, 1), 2**60)),
        "names numbers as torch does not",
    ),
    "2^40 numbers": (lambda: state_dict(of_one((2, 3), (3, 1), 2**40)), "numbers that are not there"),
    "900 tensors that share": (shared, "3,774,873,600 bytes of numbers"),
    "10,000 layers": (lambda: of_many(10_000), "damaged, or holds more than tensors"),
    "3,000 layers": (lambda: of_many(3_000), "damaged, or holds more than tensors"),
    "600 layers": (lambda: of_many(600), "There are 600 layers"),
    "NaN": (lambda: numbers(np.nan), "Layer 0 has NaN or infinite numbers"),
    "infinity": (lambda: numbers(-np.inf), "Layer 0 has NaN or infinite numbers"),
    "an attack": (attack, "it names 'posix system'"),
    "a TorchScript": (torch_script, "is compressed"),
    "text that doubles": (doubled, "it names '_codecs encode'"),
    "2^33 bytes": (lambda: calls("builtins bytearray", lambda p: p.int(2**33)), "it names 'builtins byte"),
    "a tensor of 2^33": (lambda: calls("torch FloatTensor", lambda p: p.int(2**33)), "it names 'torch Fl"),
    "a pickle of lists": (lambda: state_dict(b"\x80\x02" + b"]" * (2**20 - 4) + b"."), "more memory than"),
    "a pickle of marks": (lambda: state_dict(b"\x80\x02" + b"(" * (2**20 - 4) + b"."), "more memory than"),
    "a pickle too long": (lambda: state_dict(b"\x80\x02" + b"0" * 2**21 + b"."), "its data.pkl has 2,097,"),
    "tuples in tuples": (lambda: state_dict(b"\x80\x02)" + b"\x85" * 70_000 + b"."), "it is no state_dict"),
    "a state that hides values": (
        lambda: state_dict(
            Pickle().raw(b"ccollections\nOrderedDict\n)R}").string("values").raw(b"NsbN0.").end()
        ),
        "sets the state of an object that has none",
    ),
    "a dict in itself": (lambda: state_dict(b"\x80\x02}q\x00X\x01\0\0\0ah\x00s."), "which no Linear has"),
    "a checkpoint of a stretched number": (
        lambda: state_dict(
            Pickle()
            .raw(b"}")
            .string("model")
            .raw(b"}")
            .string("weight")
            .tensor((2**15, 2**15), (0, 0), N_BYTES // 4)
            .raw(b"ss")
            .end()
        ),
        "4,294,967,296 bytes of",
    ),
    "dicts in dicts": (
        lambda: state_dict(b"\x80\x02" + b"}X\x01\0\0\0a" * 9000 + b"N" + b"s" * 9000 + b"."),
        "which no Linear has",
    ),
    "a legacy attack": (lambda: attack(legacy=True), "it names 'posix system'"),
    "legacy 2^60 numbers": (lambda: legacy(6, 2**60), "its numbers end too soon"),
    "legacy 2^40 numbers": (lambda: legacy(2**40, 2**40), "its numbers end too soon"),
    "legacy fewer than none": (lambda: legacy(6, -(2**40)), "its numbers end too soon"),
    "legacy other numbers": (lambda: legacy(7, 6), "numbers that are not there"),
}


# --- safetensors ---


def safetensors(header: dict[str, Any], n_bytes: int, length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(n_bytes)


def tensor(dtype: str, shape: Sequence[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


SAFETENSORS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a header of 2^60 bytes": (lambda: safetensors({}, 99, 2**60), "is neither a PyTorch state_dict"),
    "halves that are not there": (
        lambda: safetensors({"weight": tensor("F16", (2**20, 2**20), 0, N_BYTES)}, N_BYTES),
        "does not have the numbers that it claims",
    ),
    "halves that end in infinity": (
        lambda: (
            safetensors({"weight": tensor("BF16", (2**10, 2**11), 0, N_BYTES)}, N_BYTES - 2) + b"\x80\x7f"
        ),
        "Layer 0 has NaN or infinite numbers",
    ),
    "floats that are not there": (
        lambda: safetensors({"weight": tensor("F32", (2**20, 2**20), 0, N_BYTES)}, N_BYTES),
        "claims 4,194,304 bytes",
    ),
    "another type": (lambda: safetensors({"weight": tensor("F8_E4M3", (2, 3), 0, 6)}, 6), "type F8_E4M3"),
    "10,000 layers": (
        lambda: safetensors({str(i): tensor("F32", (1, 1), 4 * i, 4 * i + 4) for i in range(10_000)}, 40_000),
        "it would need more memory",
    ),
    "600 layers": (
        lambda: safetensors(
            {f"{i}.weight": tensor("F32", (1, 1), 4 * i, 4 * i + 4) for i in range(600)}, 2400
        ),
        "There are 600 layers",
    ),
}


# --- skops ---


def node(loader: str, name: str, content: Any = None, **more: Any) -> dict[str, Any]:
    module, _, kind = name.rpartition(".")
    return {"__class__": kind, "__module__": module, "__loader__": loader, "content": content, **more}


def listed(items: Sequence[Any], **more: Any) -> dict[str, Any]:
    return node("ListNode", "builtins.list", list(items), **more)


def value(content: Any) -> dict[str, Any]:
    return node("JsonNode", "builtins.str", json.dumps(content), is_json=True)


def array(file: str, **more: Any) -> dict[str, Any]:
    return node("NdArrayNode", "numpy.ndarray", type="numpy", file=file, **more)


def dictionary(items: dict[str, Any]) -> dict[str, Any]:
    kinds = listed([node("TypeNode", "builtins.str") for _ in items])
    return node("DictNode", "builtins.dict", items, key_types=kinds)


def fitted(**attributes: Any) -> dict[str, Any]:
    """A fitted classifier of 4 features, 3 hidden and 2 outputs, save what is given."""
    parts = {
        "hidden_layer_sizes": value(3),
        "activation": value("relu"),
        "out_activation_": value("softmax"),
        "coefs_": listed([array("w0.npy"), array("w1.npy")]),
        "intercepts_": listed([array("b0.npy"), array("b1.npy")]),
        "classes_": array("b1.npy"),
    }
    name = "sklearn.neural_network._multilayer_perceptron.MLPClassifier"
    return node("ObjectNode", name, dictionary({**parts, **attributes}))


def npy(values: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    return content.getvalue()


def npy_claiming(shape: Sequence[int], descr: str = "<f8", n_bytes: int = 64) -> bytes:
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    head = head.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(n_bytes)


ARRAYS = {
    "w0.npy": npy(np.ones((4, 3))),
    "w1.npy": npy(np.ones((3, 2))),
    "b0.npy": npy(np.ones(3)),
    "b1.npy": npy(np.ones(2)),
}


def archived(schema: dict[str, Any] | str, **files: bytes) -> bytes:
    text = (
        schema if isinstance(schema, str) else json.dumps({**schema, "protocol": 2, "_skops_version": "0.13"})
    )
    given = {name.replace("_npy", ".npy"): data for name, data in files.items()}
    return zipped({**ARRAYS, **given, "schema.json": text.encode()})


def laughs(depth: int, of: dict[str, Any]) -> dict[str, Any]:
    """A list of ten lists of ten lists, ten of each written as one."""
    of = {**of, "__id__": 1}
    for number in range(2, depth + 2):
        again = [{**listed([]), "__id__": number - 1}] * 9
        of = listed([of, *again], __id__=number)
    return of


def in_itself() -> dict[str, Any]:
    return listed([listed([], __id__=7)], __id__=7)


SKOPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bomb": (
        lambda: zipped({"schema.json": b" " * 2**28}, zipfile.ZIP_DEFLATED),
        "is compressed, so it may unpack",
    ),
    "no schema": (lambda: archived(""), "it has no schema.json"),
    "JSON of brackets": (lambda: archived("[" + "[]," * 2**21 + "[]]"), "more memory than a file"),
    "JSON in JSON": (
        lambda: archived(fitted(x=node("JsonNode", "builtins.str", "[" + "[]," * 2**21 + "[]]"))),
        "more memory than a file",
    ),
    "brackets in brackets": (lambda: archived("[" * 10**6), "a nesting of more than 100"),
    "a schema that is no node": (lambda: archived("[1]"), "something that is no node"),
    "many objects": (
        lambda: archived(listed([node("ObjectNode", "sklearn.svm._classes.SVC") for _ in range(40_000)])),
        "more memory than a file",
    ),
    "lists of lists": (lambda: archived(fitted(coefs_=laughs(12, value(1)))), "again and again"),
    "a list in itself": (lambda: archived(fitted(coefs_=in_itself())), "that holds itself"),
    "one array a thousand times": (
        lambda: archived(listed([array("w2.npy")] * 1000), w2_npy=npy(np.zeros(2**19))),
        "the same array again and again",
    ),
    "2^60 numbers": (
        lambda: archived(fitted(x=array("w2.npy")), w2_npy=npy_claiming((2**30, 2**30))),
        "does not have the numbers that it claims",
    ),
    "2^33 numbers": (
        lambda: archived(fitted(x=array("w2.npy")), w2_npy=npy_claiming((2**33,))),
        "does not have the numbers that it claims",
    ),
    "no numbers in a huge shape": (
        lambda: archived(fitted(x=array("w2.npy")), w2_npy=npy_claiming((2**48, 0), n_bytes=0)),
        "does not have the numbers that it claims",
    ),
    "texts without a length": (
        lambda: archived(fitted(x=array("w2.npy")), w2_npy=npy_claiming((2**48,), "<U0", 0)),
        "does not have the numbers that it claims",
    ),
    "an array of pickles": (
        lambda: archived(fitted(x=array("w2.npy")), w2_npy=pickle.dumps(Attack())),
        "does not have the numbers that it claims",
    ),
    "an archive in the archive": (
        lambda: archived(
            fitted(x=node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="a_npy")),
            a_npy=zipped({"data.npy": bytes(2**26)}, zipfile.ZIP_DEFLATED),
        ),
        "scipy.sparse._csr.csr_matrix read by SparseMatrixNode",
    ),
    "a generator with a large pool": (
        lambda: archived(fitted(x=node("RandomGeneratorNode", "numpy.random._generator.Generator", {}))),
        "read by RandomGeneratorNode",
    ),
    "an optimizer from a list": (
        lambda: archived(
            fitted(x=node("ListNode", "sklearn.neural_network._stochastic_optimizers.AdamOptimizer", []))
        ),
        "AdamOptimizer read by ListNode",
    ),
    "a scalar of 2^40 bytes": (
        lambda: archived(fitted(x=node("NdArrayNode", "numpy.void", type="numpy", file="w0.npy"))),
        "the type 'void'",
    ),
    "an attack": (
        lambda: archived(
            fitted(x=node("FunctionNode", "os.system", {"module_path": "os", "function": "system"}))
        ),
        "os.system read by FunctionNode",
    ),
    "another attack": (
        lambda: archived(
            fitted(x=node("ObjectNode", "subprocess.Popen", dictionary({"args": value(MARKER)})))
        ),
        "subprocess.Popen",
    ),
    "NaN": (
        lambda: archived(fitted(), w0_npy=npy(np.full((4, 3), np.nan))),
        "Layer 0 has NaN or infinite numbers",
    ),
    "layers that do not chain": (
        lambda: archived(fitted(), w1_npy=npy(np.ones((5, 2)))),
        "they are no chain of layers",
    ),
    "a layer whose bias is another's": (
        lambda: archived(fitted(intercepts_=listed([array("b1.npy"), array("b0.npy")]))),
        "that make no layer",
    ),
    "a bias too few": (lambda: archived(fitted(intercepts_=listed([array("b0.npy")]))), "not one of"),
    "weights that are text": (lambda: archived(fitted(coefs_=value("weights"))), "that are no lists"),
    "weights that are lists": (
        lambda: archived(fitted(coefs_=listed([laughs(4, value(1)), array("w1.npy")]))),
        "that make no layer",
    ),
    "an activation that is a number": (lambda: archived(fitted(activation=value(7))), "has the activation 7"),
    "an activation that is a list": (
        lambda: archived(fitted(activation=value([[]]))),
        "has the activation []",
    ),
    "an output that is a list": (lambda: archived(fitted(out_activation_=value([]))), "has the activation"),
    "classes that are lists": (
        lambda: archived(fitted(classes_=laughs(4, value(1)), x=value("\x1b[2J"))),
        "",
    ),
    "600 layers": (
        lambda: archived(
            fitted(
                coefs_=listed([array("w.npy", __id__=1)] * 600),
                intercepts_=listed([array("b.npy", __id__=2)] * 600),
            ),
            w_npy=npy(np.ones((1, 1))),
            b_npy=npy(np.ones(1)),
        ),
        "There are 600 layers",
    ),
    "steps that are numbers": (
        lambda: archived(
            node("ObjectNode", "sklearn.pipeline.Pipeline", dictionary({"steps": value([1, 2])}))
        ),
        "has steps that are no list",
    ),
    "a version that moves the cursor": (
        lambda: archived(fitted(_sklearn_version=value("\x1b[2J"), coefs_=value(1))),
        "that are no lists",
    ),
}

KINDS = {"pt": TORCH, "safetensors": SAFETENSORS, "skops": SKOPS}

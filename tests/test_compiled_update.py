"""Compiled update rules: NumPy's numbers to the last bit, and a package that works without them."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from unittest.mock import Mock
from zipfile import ZipFile

import numpy as np
import pytest
from hatchling.builders.wheel import WheelBuilder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearprop import Network, Recipe, train
from clearprop.data import Dataset
from clearprop.engines.kernels import compiled_update
from clearprop.nn.optimizers import OPTIMIZERS, Optimizer, with_coefficients

PROJECT = Path(__file__).resolve().parents[1]
DTYPES = ["float32", "float64"]
# a rule needs no compiled passes
NAMES = sorted(
    name
    for name, rule in OPTIMIZERS.items()
    if compiled_update.name_of_passes(rule) in compiled_update.functions_in_source()
)

COMPILER = os.environ.get("CC") or "cc"

needs_compiler = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which(shlex.split(COMPILER)[0]) is None,
    reason="updates are compiled on Linux, with a C compiler",
)


def build_wheel(folder: Path) -> Path:
    (path,) = WheelBuilder(str(PROJECT)).build(directory=str(folder), versions=["standard"])
    return Path(path)


def compiled_in(wheel: Path) -> list[str]:
    with ZipFile(wheel) as archive:
        return sorted(name for name in archive.namelist() if name.endswith(".so"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the compiled rules, fresh from the source as it is."""
    folder = tmp_path_factory.mktemp("compiled")
    wheel = build_wheel(folder)
    with ZipFile(wheel) as archive:
        archive.extractall(folder, compiled_in(wheel))
    return folder / "clearprop" / "engines" / "kernels"


def forget() -> None:
    compiled_update._library.cache_clear()
    compiled_update._function.cache_clear()


@pytest.fixture
def compiled(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(compiled_update, "FOLDER", unpacked)
    forget()
    yield
    forget()


@pytest.fixture
def uncompiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(compiled_update, "FOLDER", tmp_path)
    forget()
    yield
    forget()


def arrays_of(rule: Optimizer, n: int, dtype: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Return a parameter, its gradient and the slots, from the tiniest numbers to large ones."""
    arrays = [(rng.normal(size=n) * 10 ** rng.uniform(-42, 6, n)).astype(dtype) for _ in range(4)]
    # a mean of squares is not negative
    parameter, gradient, mean, square = arrays
    return [parameter, gradient, mean, np.abs(square)][: 2 + rule.n_slots]


@needs_compiler
@pytest.mark.usefixtures("compiled")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NAMES),
    dtype=st.sampled_from(DTYPES),
    n=st.integers(1, 300),
    before=st.integers(0, 20),
    more=st.integers(0, 40),
    learning_rate=st.floats(0, 1),
    coefficient=st.floats(0, 0.999),
    decay=st.sampled_from([0.0, 0.01, 1.0]),
    first=st.integers(1, 10_000),
    seed=st.integers(0, 2**32 - 1),
)
def test_compiled_update_equals_the_rule_to_the_last_bit(
    name: str,
    dtype: str,
    n: int,
    before: int,
    more: int,
    learning_rate: float,
    coefficient: float,
    decay: float,
    first: int,
    seed: int,
) -> None:
    coefficients = {**Recipe(optimizer=name).to_dict(), "momentum": coefficient, "beta_1": coefficient}
    rule = with_coefficients(name, coefficients)
    rng = np.random.default_rng(seed)
    # at any alignment
    arrays = [array[before:] for array in arrays_of(rule, before + n + more, dtype, rng)]
    plain = [array[:n].copy() for array in arrays]
    parameter, gradient, *slots = arrays
    beyond = [array[n:].copy() for array in arrays]
    update = compiled_update.compiled_update(rule, parameter, gradient, slots)
    assert update is not None
    for step in (first, first + 1):
        gradient[:n] = plain[1]
        update(n, learning_rate, step, decay)
        assert not gradient[:n].any()
        workspace = np.empty(n, dtype)
        rule.update(plain[0], plain[1].copy(), plain[2:], learning_rate, step, workspace, decay)
    plain[1][:] = 0
    for ours, theirs, rest in zip(arrays, plain, beyond, strict=True):
        assert ours[:n].tobytes() == theirs.tobytes()
        assert ours[n:].tobytes() == rest.tobytes()


@needs_compiler
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_infinities_and_nan_are_treated_as_numpy_does(name: str, decay: float) -> None:
    rule = OPTIMIZERS[name]
    arrays = [np.ones(4, np.float32) for _ in range(2 + rule.n_slots)]
    arrays[0][:] = [np.inf, 1, 1, np.nan]
    arrays[1][:] = [0, np.inf, np.nan, 1]
    plain = [array.copy() for array in arrays]
    update = compiled_update.compiled_update(rule, arrays[0], arrays[1], arrays[2:])
    assert update is not None
    update(4, 0.5, 1, decay)
    with np.errstate(invalid="ignore"):
        rule.update(plain[0], plain[1], plain[2:], 0.5, 1, np.empty(4, np.float32), decay)
    plain[1][:] = 0
    for ours, theirs in zip(arrays, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def trained(digits: Dataset, name: str, dtype: str, decay: float, learning_rate: float = 0.01) -> bytes:
    recipe = Recipe(optimizer=name, epochs=3, batch_size=64, learning_rate=learning_rate, weight_decay=decay)
    run = train(Network((784, 32, 16, 10), "relu"), recipe, digits, dtype=dtype, progress=False)
    return b"".join(array.tobytes() for pair in run.model.parameters for array in pair)


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_training_is_the_same_with_and_without_a_compiler(
    digits: Dataset,
    name: str,
    dtype: str,
    decay: float,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # with the GEMM plain gradient descent has no update
    monkeypatch.setattr("clearprop.engines.numpy_step.gemm_for", lambda dtype: None)
    request.getfixturevalue("uncompiled")
    plain = trained(digits, name, dtype, decay)
    request.getfixturevalue("compiled")
    assert trained(digits, name, dtype, decay) == plain


@needs_compiler
@pytest.mark.usefixtures("compiled")
def test_check_of_a_function_raises_no_floating_point_errors() -> None:
    with np.errstate(all="raise"):
        assert compiled_update.is_compiled()


@needs_compiler
def test_is_compiled_tells_whether_the_rules_are(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("uncompiled")
    assert not compiled_update.is_compiled()
    request.getfixturevalue("compiled")
    assert compiled_update.is_compiled()
    assert compiled_update.is_compiled("float64")


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", NAMES)
def test_uncompiled_rule_has_no_function(name: str) -> None:
    rule = OPTIMIZERS[name]
    assert compiled_update.compiled_update(rule, *np.ones((2, 3)), [np.zeros(3)] * rule.n_slots) is None


def test_every_function_of_the_source_is_the_passes_of_a_rule() -> None:
    passes = {compiled_update.name_of_passes(rule) for rule in OPTIMIZERS.values()}
    assert {"sgd", "adam"} <= set(compiled_update.functions_in_source()) <= passes


def _half_step(
    parameter: np.ndarray, gradient: np.ndarray, slots: list[np.ndarray], workspace: np.ndarray, rate: float
) -> None:
    parameter -= rate / 2 * gradient


@needs_compiler
@pytest.mark.usefixtures("compiled")
# "log" is a function of the C library, which every library finds
@pytest.mark.parametrize("passes", ["_half_step", "_log"])
def test_rule_without_a_function_in_the_source_makes_its_numpy_passes(
    digits: Dataset, passes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_half_step, "__name__", passes)
    monkeypatch.setattr("clearprop.engines.numpy_step.gemm_for", lambda dtype: None)
    half = replace(OPTIMIZERS["sgd"], passes=_half_step)
    with_half = MappingProxyType({**OPTIMIZERS, "momentum": half})
    assert compiled_update.compiled_update(half, *np.ones((2, 3)), []) is None
    plain = trained(digits, "sgd", "float64", 0.0, learning_rate=0.005)
    monkeypatch.setattr("clearprop.nn.optimizers.OPTIMIZERS", with_half)
    monkeypatch.setattr("clearprop.engines.numpy_engine.OPTIMIZERS", with_half)
    halved = trained(digits, "momentum", "float64", 0.0, learning_rate=0.01)
    np.testing.assert_allclose(np.frombuffer(halved), np.frombuffer(plain), rtol=1e-9, atol=1e-12)


@pytest.fixture
def library() -> Iterator[Callable[[object], None]]:
    """Return a function that replaces the library."""
    with pytest.MonkeyPatch.context() as patch:

        def take(other: object) -> None:
            patch.setattr(compiled_update, "_library", lambda dtype: other)
            compiled_update._function.cache_clear()

        yield take
    compiled_update._function.cache_clear()


@needs_compiler
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("which", ["parameter", "gradient", "memory"])
def test_wrong_function_is_rejected(
    name: str, dtype: str, which: str, library: Callable[[object], None]
) -> None:
    rule = OPTIMIZERS[name]
    right = compiled_update._function(name, dtype)
    assert right is not None
    at = {"parameter": 0, "gradient": 1, "memory": 2 + rule.n_slots - 1}[which]

    def nearly(n: int, keep: float, decay: float, *arguments: float) -> None:
        right(n, keep, decay, *arguments)
        number = compiled_update._C_TYPES[dtype].from_address(int(arguments[at]))
        number.value = np.nextafter(np.dtype(dtype).type(number.value), np.inf)

    library(SimpleNamespace(**{name: nearly}))
    assert compiled_update._function(name, dtype) is None
    library(SimpleNamespace(**{name: lambda *arguments: right(*arguments)}))
    assert compiled_update._function(name, dtype) is not None
    library(SimpleNamespace())
    assert compiled_update._function(name, dtype) is None


@needs_compiler
def test_library_of_another_source_is_not_loaded(
    compiled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / compiled_update.SOURCE.name
    source.write_text(compiled_update.SOURCE.read_text() + "/* and more */")
    monkeypatch.setattr(compiled_update, "SOURCE", source)
    forget()
    assert not compiled_update.is_compiled()


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"no library at all"])
def test_file_that_is_no_library_is_not_loaded(uncompiled: None, tmp_path: Path, content: bytes) -> None:
    path = compiled_update._path_of("float32")
    assert path.parent == tmp_path
    path.write_bytes(content)
    assert not compiled_update.is_compiled()


@needs_compiler
def test_wheel_has_the_libraries_and_names_its_platform(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    assert [name.rpartition("-")[2] for name in compiled_in(wheel)] == ["float32.so", "float64.so"]
    assert "-py3-none-linux_" in wheel.name


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HATCH_BUILD_NO_HOOKS", "true"),
        *(
            ("CC", value)
            for value in ("no-compiler", "false", "true", " ", "'", str(PROJECT), "cc --no-such-option")
        ),
    ],
)
def test_wheel_without_a_compiler_is_for_every_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    wheel = build_wheel(tmp_path)
    assert compiled_in(wheel) == []
    assert wheel.name.endswith("-py3-none-any.whl")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return the source in a tree of its own, that of ``tmp_path``."""
    source = tmp_path / compiled_update.SOURCE.relative_to(PROJECT)
    source.parent.mkdir(parents=True)
    shutil.copyfile(compiled_update.SOURCE, source)
    return source


@needs_compiler
@pytest.mark.usefixtures("uncompiled")
def test_editable_installation_has_the_libraries_of_its_source_only(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.with_name("compiled_update-0123456789abcdef-float32.so").write_bytes(b"of an older source")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    build(tmp_path)
    monkeypatch.setattr(compiled_update, "FOLDER", source.parent)
    forget()
    assert compiled_update.is_compiled()
    assert compiled_update.is_compiled("float64")
    assert len(list(source.parent.iterdir())) == 3
    monkeypatch.setenv("CC", "no-compiler")
    build(tmp_path)
    assert list(source.parent.iterdir()) == [source]
    assert list((tmp_path / "temporary").iterdir()) == []


@needs_compiler
def test_read_only_source_tree_is_installed_without_libraries(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # root, whom tests may be run by, may write everywhere
    monkeypatch.setattr(shutil, "copyfile", Mock(side_effect=PermissionError("read-only")))
    build(tmp_path)
    assert list(source.parent.iterdir()) == [source]


def build(root: Path) -> None:
    """Run the hook as an editable installation does."""
    specification = importlib.util.spec_from_file_location("hatch_build", PROJECT / "hatch_build.py")
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    assert specification.loader is not None
    specification.loader.exec_module(module)
    hook = module.CompiledUpdateHook(str(root), {}, None, None, str(root), "wheel")
    data: dict[str, object] = {}
    hook.initialize("editable", data)
    # nothing of it is in the wheel
    assert data == {}
    hook.finalize("editable", data, "")

"""The package as a whole: cost of the import, public names, the version."""

from __future__ import annotations

import subprocess
import sys

import pytest

import clearprop

HEAVY = ("torch", "sklearn", "matplotlib", "pandas", "scipy", "pydantic", "rich", "jinja2", "PIL", "typer")


def imported_by(code: str) -> set[str]:
    """Return the top-level modules a fresh interpreter holds after running the code."""
    program = f"{code}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_clearprop_imports_nothing_heavy() -> None:
    assert imported_by("import clearprop").isdisjoint(HEAVY)


def test_training_and_evaluating_on_the_numpy_engine_imports_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import clearprop as cp, numpy as np; from clearprop.data import from_arrays; "
        "x = np.random.default_rng(0).normal(size=(60, 3)); "
        "data = cp.Dataset('d', x.astype('float32'), np.arange(60) % 2, ('a', 'b'), None, cp.Scaling()); "
        "run = cp.train(cp.Network((3, 2)), cp.Recipe(epochs=1), data, progress=False); "
        "cp.evaluate(run.model, data)"
    )
    assert imported_by(code).isdisjoint({"torch", "sklearn", "matplotlib", "pandas", "scipy"})


@pytest.mark.parametrize("name", clearprop.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(clearprop, name) is not None
    assert name in dir(clearprop)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'clearprop' has no attribute 'trian'"):
        clearprop.trian  # noqa: B018


def test_the_version_is_stated_once() -> None:
    from importlib.metadata import version

    assert clearprop.__version__ == version("clearprop")

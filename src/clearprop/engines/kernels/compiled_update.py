"""The optimizers' update rules compiled from C, each in one pass over memory, where a compiler was installed.

NumPy makes a pass for each operation, ten for Adam. The functions of ``compiled_update.c`` do the same
operations with the same rounding, and give the same numbers to the last bit. A rule needs none: without one,
and where the package was installed without a C compiler, the engine makes NumPy's passes.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.engines.base import FloatArray
from clearprop.nn.optimizers import OPTIMIZERS, Optimizer

SOURCE = Path(__file__).with_suffix(".c")
# where the build hook puts the libraries
FOLDER = SOURCE.parent

_C_TYPES: dict[str, Any] = {"float32": ctypes.c_float, "float64": ctypes.c_double}

#: ``update(n, learning_rate, step, decay)`` updates n parameters; see ``Optimizer.update``.
Update = Callable[[int, float, int, float], None]


def compiled_update(
    rule: Optimizer, parameter: FloatArray, gradient: FloatArray, slots: Sequence[FloatArray]
) -> Update | None:
    """Return a function that updates parameters by a rule.

    Parameters
    ----------
    rule : Optimizer
    parameter, gradient : ndarray (n,)
        Contiguous, and kept by the caller where they are. An update sets the gradient to zero.
    slots : sequence of ndarray (n,)
        The optimizer's memory; likewise.

    Returns
    -------
    callable or None
        None where the rule has not been compiled.
    """
    function = _function(name_of_passes(rule), parameter.dtype.name)
    if function is None:
        return None
    addresses = [array.ctypes.data for array in (parameter, gradient, *slots)]

    def update(n: int, learning_rate: float, step: int, decay: float) -> None:
        factors = rule.factors(learning_rate, step)
        function(n, *rule.decay_factors(learning_rate, decay), *addresses, *factors)

    return update


def is_compiled(dtype: str = "float32") -> bool:
    """Tell whether all functions of the source have been compiled for numbers of a type."""
    return all(_function(name, dtype) is not None for name in functions_in_source())


@cache
def functions_in_source() -> tuple[str, ...]:
    """Return the names of the functions of ``compiled_update.c``, each that of a rule's passes."""
    return tuple(re.findall(r"^void (\w+)\(", SOURCE.read_text("utf-8"), flags=re.MULTILINE))


def name_of_passes(rule: Optimizer) -> str:
    """Return the name of a rule's passes in C: that of the Python function, without its underscore."""
    return rule.passes.__name__.removeprefix("_")


@cache
def _function(name: str, dtype: str) -> Callable[..., None] | None:
    """Return the compiled passes of that name, if they give the numbers of the rules that make them."""
    library, number = _library(dtype), _C_TYPES.get(dtype)
    if library is None or number is None:
        return None
    # the library also has functions that are no passes, such as those of the C library
    function = getattr(library, name, None) if name in functions_in_source() else None
    if function is None:
        return None
    # decoupled decay and other factors change neither the passes nor the check of them
    rule = next((rule for rule in OPTIMIZERS.values() if name_of_passes(rule) == name), None)
    # a rule from outside the table has no compiled passes to check against
    if rule is None:
        return None
    arrays = [ctypes.c_void_p] * (2 + rule.n_slots)
    function.argtypes = [ctypes.c_size_t, number, number, *arrays, *[number] * len(rule.factors(1.0, 1))]
    function.restype = None
    return function if _is_right(function, rule, dtype) else None


@cache
def _library(dtype: str) -> ctypes.CDLL | None:
    """Return the library that the build hook compiled of this source for numbers of a type, or None."""
    try:
        return ctypes.CDLL(str(_path_of(dtype)))
    except OSError:
        return None


def _path_of(dtype: str) -> Path:
    """Return where the build hook puts that library."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    return FOLDER / f"{SOURCE.stem}-{digest}-{dtype}.so"


@np.errstate(all="ignore")
def _is_right(function: Callable[..., None], rule: Optimizer, dtype: str) -> bool:
    """Tell whether the function gives the rule's own numbers; a wrong one must never train anything."""
    n = 301
    numbers = np.arange(n)
    # from subnormal numbers to large ones
    gradient = (np.sin(numbers) * np.logspace(-45, 9, n)).astype(dtype)
    for decoupled in (False, True):
        this = replace(rule, decoupled=decoupled)
        # parameter, gradient and slots, once for the rule and once for the function
        plain, compiled = (
            [np.cos(numbers).astype(dtype), *(np.zeros(n, dtype) for _ in range(1 + rule.n_slots))]
            for _ in range(2)
        )
        for step, decay in ((1, 0.0), (2, 0.125)):
            plain[1][:] = compiled[1][:] = gradient
            this.update(plain[0], plain[1], plain[2:], 0.1, step, np.empty(n, dtype), decay)
            plain[1].fill(0)
            addresses = [array.ctypes.data for array in compiled]
            function(n, *this.decay_factors(0.1, decay), *addresses, *this.factors(0.1, step))
        if any(one.tobytes() != other.tobytes() for one, other in zip(plain, compiled, strict=True)):
            return False
    return True

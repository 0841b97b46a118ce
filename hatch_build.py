"""Compiles the update rules in one pass; without a C compiler the package is plain Python.

``CLEARPROP_PURE=1`` builds a wheel for every platform, without what is compiled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("src/clearprop/engines/one_pass.c")
# by the name of NumPy's type
TYPES = {"float32": "float", "float64": "double"}
# each operation is rounded as NumPy's are: none is drawn together with another, none left out
FLAGS = ["-std=c11", "-O3", "-fPIC", "-shared", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]


class OnePassHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds what is compiled to a wheel, or lays it beside its source for an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, before files are gathered."""
        self._folder = Path(tempfile.mkdtemp())
        compiler = shutil.which(os.environ.get("CC") or "cc")
        # where it has been tried
        if os.environ.get("CLEARPROP_PURE") == "1" or sys.platform != "linux" or compiler is None:
            return
        source = Path(self.root) / SOURCE
        compiled = [self._folder / f"{source.stem}_{name}.so" for name in TYPES]
        for path, real in zip(compiled, TYPES.values(), strict=True):
            if not _compile(compiler, source, path, real):
                self.app.display_warning(f"{SOURCE} could not be compiled: updates are made by NumPy alone")
                return
        if version == "editable":
            for path in compiled:
                # a name of its own first: one that is in use must not change
                new = source.with_name(f".{path.name}")
                shutil.copyfile(path, new)
                new.replace(source.with_name(path.name))
        else:
            build_data["force_include"] |= {str(path): f"clearprop/engines/{path.name}" for path in compiled}
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data |= {"pure_python": False, "tag": f"py3-none-{platform}"}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what has been copied."""
        shutil.rmtree(self._folder)


def _compile(compiler: str, source: Path, path: Path, real: str) -> bool:
    """Compile for every kind of processor, or where that is unknown for the least of them."""
    for clones in (["-DCLONES"], []):
        command = [compiler, *FLAGS, *clones, f"-DREAL={real}", str(source), "-o", str(path), "-lm"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return True
    return False

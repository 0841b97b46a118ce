"""Compiles the update rules in one pass; without a C compiler the package is plain Python.

``CLEARPROP_PURE=1`` builds a wheel for every platform, without what is compiled.
"""

from __future__ import annotations

import os
import shlex
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
        source = Path(self.root) / SOURCE
        compiled = [] if os.environ.get("CLEARPROP_PURE") == "1" else self._compile(source)
        if version == "editable":
            _lay_beside(source, compiled)
        elif compiled:
            build_data["force_include"] |= {str(path): f"clearprop/engines/{path.name}" for path in compiled}
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data |= {"pure_python": False, "tag": f"py3-none-{platform}"}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what has been copied."""
        shutil.rmtree(self._folder)

    def _compile(self, source: Path) -> list[Path]:
        """Return the libraries, for the least processor of its kind; none without a compiler."""
        # roots, quotients and memory are what they wait for, not the width of vectors
        compiler = shlex.split(os.environ.get("CC") or "cc")
        compiled = [self._folder / f"{source.stem}_{name}.so" for name in TYPES]
        # where it has been tried
        if sys.platform != "linux" or shutil.which(compiler[0]) is None:
            return []
        for path, real in zip(compiled, TYPES.values(), strict=True):
            command = [*compiler, *FLAGS, f"-DREAL={real}", str(source), "-o", str(path), "-lm"]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                self.app.display_warning(f"{SOURCE} could not be compiled: updates are made by NumPy alone")
                return []
        return compiled


def _lay_beside(source: Path, compiled: list[Path]) -> None:
    """Put the libraries where an editable installation finds them, in place of those of an older source."""
    for old in source.parent.glob(f"{source.stem}_*.so"):
        # whoever has one in use keeps it
        old.unlink()
    for path in compiled:
        shutil.copyfile(path, source.with_name(path.name))

"""Build hook that compiles the optimizers' update rules; without a C compiler the package is plain Python.

``HATCH_BUILD_NO_HOOKS=true`` skips it, for a wheel of every platform.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

SOURCE = Path("src/clearprop/engines/kernels/compiled_update.c")
C_TYPES = {"float32": "float", "float64": "double"}
# each operation is rounded by itself, as NumPy's are: no fused multiply-add, no reordering. Compiled for any
# processor of the architecture: roots, divisions and memory limit the speed, not the width of vectors
FLAGS = [
    *("-std=c11", "-O3", "-fPIC", "-shared"),
    *("-ffp-contract=off", "-fno-fast-math", "-fno-math-errno", "-fno-trapping-math"),
]


class CompiledUpdateHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the libraries to a wheel, or puts them beside their source for an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the build collects its files."""
        source = Path(self.root) / SOURCE
        # removed with this object, however the build ends
        self._folder = TemporaryDirectory()
        # no other system has been tried
        compiled = self._compile(source, Path(self._folder.name)) if sys.platform == "linux" else []
        if version == "editable":
            self._lay_beside(source, compiled)
        elif compiled:
            build_data["force_include"] |= {
                str(path): f"clearprop/engines/kernels/{path.name}" for path in compiled
            }
            platform = next(tag for tag in platform_tags() if tag.startswith("linux_"))
            build_data |= {"pure_python": False, "tag": f"py3-none-{platform}"}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        self._folder.cleanup()

    def _compile(self, source: Path, folder: Path) -> list[Path]:
        """Return the compiled libraries; none without a working compiler."""
        # so that a library of another source is never loaded
        digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
        compiled = [folder / f"{source.stem}-{digest}-{name}.so" for name in C_TYPES]
        try:
            compiler = shlex.split(os.environ.get("CC") or "cc")
            for path, real in zip(compiled, C_TYPES.values(), strict=True):
                command = [*compiler, *FLAGS, f"-DREAL={real}", source, "-o", path, "-lm"]
                subprocess.run(command, capture_output=True, text=True, check=True)
                # a program that is no compiler may succeed and write nothing
                path.stat()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            self._warn(f"{SOURCE} was not compiled", error)
            return []
        return compiled

    def _lay_beside(self, source: Path, compiled: list[Path]) -> None:
        """Put the libraries where an editable installation finds them, and remove those of other sources."""
        names = [path.name for path in compiled]
        try:
            for path in compiled:
                unfinished = source.with_name(f".{path.name}")
                shutil.copyfile(path, unfinished)
                unfinished.replace(source.with_name(path.name))
            for other in source.parent.glob(f"{source.stem}-*.so"):
                if other.name not in names:
                    other.unlink()
        except OSError as error:
            self._warn(f"{source.parent} was left as it is", error)

    def _warn(self, what: str, error: Exception) -> None:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        reason = said[-1] if said else type(error).__name__
        self.app.display_warning(f"Updates may be left to NumPy, {what}: {reason}")

"""The machine that a study ran on, and the versions of the libraries it used."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib import metadata

from clearprop.study.results import MachineRecord

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "matplotlib", "pillow", "safetensors")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Clearprop, Python and the packages a study depends on, as far as installed."""
    found = {"clearprop": metadata.version("clearprop"), "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> MachineRecord:
    """Describe this machine."""
    return MachineRecord(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=_memory(),
        accelerator=_accelerator(),
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _accelerator() -> str | None:
    # only where PyTorch was used anyway: importing it to ask would cost seconds
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    name: str = torch.cuda.get_device_name()
    return name

"""The numeric tests under OpenBLAS's kernels of other processors: each sums in its own order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

TESTS = Path(__file__).parent
FILES = ("test_engines.py", "test_estimator.py", "test_precision.py")
# An optimizer multiplies no matrices: tests of every optimizer run with SGD alone. Without MNIST, which would
# be trained on once a kernel.
SELECTED = "not mnist and (sgd or not (same_path or memory_order or path_stays or fused or leaving_out))"
# says which kernel NumPy's OpenBLAS took, then runs pytest in the same process
PROGRAM = """
import sys
import numpy
import pytest
from threadpoolctl import threadpool_info
libraries = [each for each in threadpool_info() if each["internal_api"] == "openblas"]
print("kernels:", *{each["architecture"] for each in libraries})
sys.exit(pytest.main(sys.argv[1:]))
"""
# the instructions without which a kernel ends with an illegal instruction
NEEDS = {"Haswell": {"avx2", "fma"}, "SkylakeX": {"avx512f"}, "Sandybridge": {"avx"}, "Nehalem": {"sse4_2"}}


def instructions() -> set[str]:
    """Return the instruction sets of this processor, as Linux names them; none elsewhere."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"^flags\s*:(.*)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return set(found[1].split()) if found else set()


@pytest.mark.parametrize("kernel", sorted(NEEDS))
def test_engines_estimators_and_precision_hold_under_another_kernel(kernel: str) -> None:
    own = {each["architecture"] for each in threadpool_info() if each["internal_api"] == "openblas"}
    if not own:
        pytest.skip("NumPy computes with another BLAS than OpenBLAS here")
    if own == {kernel}:
        pytest.skip(f"the whole suite runs under the {kernel} kernel here")
    missing = NEEDS[kernel] - instructions()
    if missing:
        pytest.skip(f"this processor has no {', '.join(sorted(missing))}, which the {kernel} kernel needs")
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel}
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", SELECTED]
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *options, *(str(TESTS / name) for name in FILES)],
        cwd=TESTS.parent,
        env={name: value for name, value in environment.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert result.stdout.splitlines()[0] == f"kernels: {kernel}"
    passed = re.search(r"(\d+) passed", result.stdout)
    assert passed is not None
    # without PyTorch, whose tests are skipped, fewer
    assert int(passed[1]) > 80

"""Runs each job in a fresh process with a fixed number of threads and a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from clearprop.bench.jobs import Answer, Job

#: Seconds; the first compilation of torch.compile alone can take minutes on a busy machine.
TIMEOUT = 900.0
WORKER = (sys.executable, "-m", "clearprop.bench.worker")
THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def environment(threads: int, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment in which every library uses this many threads, and only the CPU.

    Python may write compiled modules, as an installer does; else every cold start would compile them.
    """
    kept = {name: value for name, value in base.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={threads}",
        # XLA sizes its thread pool by it
        "NPROC": str(threads),
        "JAX_PLATFORMS": "cpu",
    }


def run_job(job: Job, timeout: float = TIMEOUT) -> Answer:
    """Run a job in a fresh process; a crash or a timeout gives an answer with its error.

    Ctrl-C ends the process and its children, then is raised in the caller.
    """
    process = subprocess.Popen(
        WORKER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(job.threads),
        text=True,
        # its own process group, so that Ctrl-C reaches only this process, which can then end the whole group
        start_new_session=True,
    )
    stdin, process.stdin = process.stdin, None
    assert stdin is not None
    try:
        with contextlib.suppress(BrokenPipeError):
            stdin.write(job.to_json() + "\n")
            stdin.flush()
        # standard input stays open: the worker ends when it closes, so it never outlives this process
        text, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        return Answer(error=f"took longer than {timeout:g} s and was ended")
    except BaseException:
        _end(process)
        raise
    finally:
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
    if process.returncode:
        return Answer(error=_last_words(process.returncode, errors))
    return Answer.from_json(text)


def _end(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()


def _last_words(code: int, errors: str) -> str:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    words = f": {lines[-1]}" if lines else ""
    if code < 0:
        return f"was ended by signal {-code} ({signal.Signals(-code).name}){words}"
    return f"ended with exit code {code}{words}"

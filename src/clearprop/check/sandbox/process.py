"""One submission's process from Clearprop's side: started, spoken to with deadlines, killed."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from clearprop.check.sandbox.limits import Limits
from clearprop.check.sandbox.wire import BadFrame, pack, read_frame

# the interpreter sees no variable of Python's, no user folder and no .pth file; what it may import is told
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n"
    "from clearprop.check.sandbox.child import main; main()"
)
# the user's environment stays outside; these choose the arithmetic of NumPy's library
_PASSED_ON = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_LOOK_SECONDS = 0.1
# of all answers to one list of calls
MAX_RECEIVED = 256 << 20


class Ended(Exception):
    """The process is gone or was killed; the text is a clause: "it ended the process (exit code 0)"."""


class Stopped(Exception):
    """The user ends the command: nothing more is waited for."""


class Process:
    """A submission's process in its empty folder.

    Parameters
    ----------
    limits : Limits
    stop : threading.Event, optional
        Once set, waiting raises :class:`Stopped`.
    """

    def __init__(self, limits: Limits, stop: threading.Event | None = None) -> None:
        self._limits = limits
        self._stop = stop or threading.Event()
        self._folder = os.path.realpath(tempfile.mkdtemp(prefix="clearprop-check-"))
        # outside the folder: the process tries to open it once its walls are up
        self._canary = tempfile.NamedTemporaryFile(prefix="clearprop-canary-")  # noqa: SIM115 - closed by kill
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "HOME": self._folder,
            "TMPDIR": self._folder,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-c", _BOOT, json.dumps(_boot_path())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            self._remove_folder()
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        for descriptor in (self._to, self._from):
            os.set_blocking(descriptor, False)
        self._deadline = 0.0
        self._received = 0

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def settings(self) -> dict[str, Any]:
        """Return what the process is told about its walls."""
        return {
            "walls": {
                "memory": self._limits.memory_bytes,
                "file_size": self._limits.file_bytes,
                "cpu_seconds": int(self._limits.submission_seconds) + 10,
                "folder_size": self._limits.folder_bytes,
                "roots": _roots(),
                "hidden": os.path.realpath(Path(__file__).parents[2]),
                "folder": self._folder,
                "canary": self._canary.name,
            },
            "path": _import_path(),
        }

    def send(self, value: Any, seconds: float) -> None:
        """Send a value; Ended if the process does not take it within some seconds."""
        frame = memoryview(pack(value))
        self._received = 0
        self._deadline = time.monotonic() + seconds
        while frame:
            self._wait(self._to, selectors.EVENT_WRITE)
            try:
                frame = frame[os.write(self._to, frame) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._ended() from None

    def receive(self, seconds: float) -> Any:
        """Return the next value that the process sends; Ended if there is none within some seconds."""
        self._deadline = time.monotonic() + seconds
        try:
            return read_frame(self._exactly)
        except BadFrame as error:
            self.kill()
            raise Ended(f"it wrote to the pipe between it and Clearprop ({error})") from None

    def kill(self) -> None:
        """End the process with all its threads, and remove its folder."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._remove_folder()

    def _remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._canary.close()

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        self._received += size
        if self._received > MAX_RECEIVED:
            self.kill()
            raise Ended(f"it returned more than {MAX_RECEIVED >> 20} MB")
        while len(parts) < size:
            self._wait(self._from, selectors.EVENT_READ)
            try:
                part = os.read(self._from, min(size - len(parts), 1 << 20))
            except BlockingIOError:
                continue
            if not part:
                raise self._ended()
            parts += part
        return bytes(parts)

    def _wait(self, descriptor: int, event: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, event)
            while True:
                if self._stop.is_set():
                    raise Stopped
                left = self._deadline - time.monotonic()
                if left <= 0:
                    self.kill()
                    raise Ended("it did not stop in time")
                if selector.select(min(left, _LOOK_SECONDS)):
                    return
                self._look_at_folder()

    def _look_at_folder(self) -> None:
        used = files = 0
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                files += 1
                with contextlib.suppress(OSError):
                    used += entry.stat(follow_symlinks=False).st_blocks * 512
                if used > self._limits.folder_bytes or files > self._limits.folder_files:
                    self.kill()
                    raise Ended("it filled its folder with files")

    def _ended(self) -> Ended:
        """Return how the process ended; the pipe is closed."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.kill()
            return Ended("it closed the pipe between it and Clearprop")
        self.kill()
        if code >= 0:
            return Ended(f"it ended its process (exit code {code})")
        if -code == signal.SIGXCPU:
            return Ended("its process used up its processor time")
        if -code in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE):
            return Ended(f"its process crashed ({signal.Signals(-code).name})")
        return Ended(f"its process was killed ({signal.Signals(-code).name})")


def _boot_path() -> list[str]:
    return [os.path.abspath(entry) for entry in sys.path]


def _import_path() -> list[str]:
    """Return the standard library and the installed packages; no folder of the user's own."""
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    paths += [os.path.join(path, "lib-dynload") for path in paths]
    paths += [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    return list(dict.fromkeys(path for path in paths if os.path.isdir(path)))


def _roots() -> list[str]:
    """Return what can be read: Python, the packages installed and the libraries that they load."""
    roots = [os.path.join(prefix, "lib") for prefix in (sys.base_prefix, sys.base_exec_prefix)]
    roots += _import_path()
    roots += ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store"]
    roots += ["/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"]
    real = sorted({os.path.realpath(root) for root in roots if os.path.exists(root)})
    # what is beneath another is in it
    return [root for root in real if not any(root.startswith(other + "/") for other in real)]

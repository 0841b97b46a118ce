"""Hostile submissions: each is contained, and its honest functions are still answered."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from sandboxing import DOUBLE, ON_ONES, ran, require_containment

from clearprop.check.calls import Call
from clearprop.check.sandbox import process, wire
from clearprop.check.sandbox.limits import Limits
from clearprop.check.sandbox.process import Process
from clearprop.check.sandbox.runner import NotContained, Sandbox
from clearprop.check.submission.files import SubmissionFile

#: at the top level: the attack, and a word of the sentence that tells it
AT_THE_TOP = {
    "endless loop": ("while True:\n    pass\n", "took more than 0.4 s"),
    "endless loop that catches all": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass\n",
        "was passed over: it",
    ),
    "fork storm": ("import os\nwhile True:\n    os.fork()\n", "BlockingIOError"),
    "a program": ("import os\nos.execv('/bin/sh', ['sh'])\n", "PermissionError"),
    "50 GB": ("import numpy as np\na = np.ones(50 * 2**30 // 8)\n", "MemoryError"),
    "1 GB of output": ("for i in range(1000): print('x' * 10**6)\n", "characters, which were not kept"),
    "exit after all passed": (
        "import os\nprint('all passed')\nos._exit(0)\n",
        "ended its process (exit code 0)",
    ),
    "sys.exit": ("import sys\nsys.exit(0)\n", "ends Python"),
    "garbage in every descriptor": (
        "import os\nfor i in range(96):\n    try: os.write(i, b'clpr' * 100)\n    except OSError: pass\n",
        "wrote to the pipe",
    ),
    "closed descriptors": ("import os\nos.closerange(0, 100)\n", "ended its process"),
    "killing its parent": ("import os\nos.kill(os.getppid(), 9)\n", "PermissionError"),
    "killing its group": ("import os\nos.killpg(0, 9)\n", "PermissionError"),
    "killing all": ("import os\nos.kill(-1, 9)\n", "PermissionError"),
    "signals by a descriptor": (
        "import fcntl, os\nr, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())\n",
        "PermissionError",
    ),
    "the network": ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", "PermissionError"),
    # told as a full folder, or as too slow on a busy machine
    "full disk": (
        "i = 0\nwhile True:\n    open(f'{i}', 'wb').write(b'x' * 1000000); i += 1\n",
        "was passed over: it",
    ),
    "large file": ("open('a', 'wb').write(b'x' * 9000000)\n", "File too large"),
    "threads that go on": (
        "import threading, time\ndef g():\n    while True: time.sleep(0.01)\n"
        "for i in range(3): threading.Thread(target=g).start()\n",
        "",
    ),
    "segmentation fault": ("import ctypes\nctypes.string_at(0)\n", "SIGSEGV"),
    "patched NumPy": (
        "import json, os, numpy as np\nnp.allclose = lambda *a, **k: True\n"
        "np.array = np.asarray = np.ascontiguousarray = json.dumps = os.write = os.read = None\n",
        "",
    ),
    "destructor at the end": (
        "import atexit\nclass A:\n    def __del__(self):\n        while True: pass\n"
        "a = A()\natexit.register(a.__del__)\n",
        "",
    ),
}


@pytest.mark.parametrize("attack", AT_THE_TOP)
def test_attack_at_the_top_level_is_passed_over(attack: str) -> None:
    source, sentence = AT_THE_TOP[attack]
    (answer,), notes = ran(source + DOUBLE)
    assert sentence in notes
    np.testing.assert_array_equal(answer.value, [2, 2, 2])


#: in a function: the attack, and a part of the answer that it leaves
IN_A_FUNCTION = {
    "exit after all passed": ("import os; print('all passed'); os._exit(0)", "exit code 0"),
    "sys.exit": ("import sys; sys.exit(0)", "SystemExit"),
    "endless loop": ("\n    while True: pass", "timed_out=True"),
    "endless recursion": ("return f(x)", "RecursionError"),
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "memory": ("return bytearray(2**40)", "MemoryError"),
    "giant integer": ("return 10**100000", "int of more than 64 bits"),
    "giant list": ("return [0] * 10**6", "more than 200,000 parts"),
    "giant array": ("import numpy; return numpy.zeros(9 * 2**20)", "larger than 64 MB"),
    "nested list": ("\n    a = []\n    for i in range(10**5): a = [a]\n    return a", "nested more than"),
    "list in itself": ("\n    a = []; a.append(a); return a", "nested more than"),
    "endless text of an exception": (
        "\n    class E(Exception):\n        def __str__(self):\n            while True: pass\n    raise E",
        "timed_out=True",
    ),
    "object that answers nothing": (
        "\n    class A:\n        def __getattr__(self, name):\n            while True: pass\n"
        "        __array__ = __iter__ = __repr__ = __reduce__ = __len__ = __getattr__\n    return A()",
        "Opaque(type_name='A')",
    ),
    "class that answers nothing": (
        "\n    class M(type):\n        def __getattribute__(self, name):\n            while True: pass\n"
        "    class A(metaclass=M): pass\n    return A()",
        "timed_out=True",
    ),
}


@pytest.mark.parametrize("attack", IN_A_FUNCTION)
def test_attack_in_a_function_costs_only_its_answer(attack: str) -> None:
    body, told = IN_A_FUNCTION[attack]
    (answer,), _ = ran(f"def f(x):\n    {body}\n")
    assert told in repr(answer)


FILES = """
import os
def f(paths):
    def tried(action):
        try:
            action()
        except OSError:
            return False
        return True
    return [
        (path, tried(lambda: open(path).close()), tried(lambda: open(path, 'a').close()),
         tried(lambda: os.chmod(path, 0)), tried(lambda: os.utime(path)), tried(lambda: os.remove(path)),
         tried(lambda: os.listdir(os.path.dirname(path))), tried(lambda: os.truncate(path, 0)),
         tried(lambda: os.rename(path, path + 'x')), tried(lambda: os.link(path, 'here')))
        for path in paths
    ]
"""


def test_files_of_the_user_are_neither_read_nor_changed(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("secret")
    before = os.stat(mine)
    paths = [str(mine), f"/proc/{os.getpid()}/environ", "/etc/passwd", __file__]
    (answer,), _ = ran(FILES, (Call("f", (paths,)),))
    assert [any(row[1:]) for row in answer.value] == [False] * len(paths)
    assert mine.read_text() == "secret"
    assert os.stat(mine).st_mtime_ns == before.st_mtime_ns


def test_without_landlock_namespaces_hide_the_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without = "from clearprop.check.sandbox import landlock; landlock.version = lambda: 0; "
    monkeypatch.setattr(
        process, "_BOOT", process._BOOT.replace("from clearprop", without + "from clearprop", 1)
    )
    mine = tmp_path / "mine.txt"
    mine.write_text("secret")
    calls = (Call("f", ([str(mine), "/etc/passwd", __file__],)), Call("g"))
    source = (
        "import numpy.fft\n"
        + FILES
        + "def g():\n    open('here', 'w').write('x'); return open('here').read()\n"
    )
    try:
        answers, _ = ran(source, calls)
    except NotContained as error:
        pytest.skip(str(error))
    # in its own root it may make files of these names
    assert [row[1] for row in answers[0].value] == [False] * 3
    assert answers[1].value == "x"
    assert mine.read_text() == "secret"


def test_system_without_walls_is_told_and_trust_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    without = (
        "from clearprop.check.sandbox import landlock, namespaces, seccomp\n"
        "def refuse(*a, **k): raise OSError\n"
        "landlock.version = lambda: 0; seccomp.available = lambda: False; namespaces.leave_network = refuse\n"
    )
    monkeypatch.setattr(
        process, "_BOOT", process._BOOT.replace("from clearprop", without + "from clearprop", 1)
    )
    file = SubmissionFile("x.py", DOUBLE.encode(), False)
    with pytest.raises(NotContained, match="your files, the network, starting processes and ending"):
        Sandbox(file).__enter__()
    with Sandbox(file, trust=True) as sandbox:
        assert sandbox.run([Call("f", (2,))])[0].value == 4


def test_environment_of_the_user_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    source = "import os\ndef f():\n    return dict(os.environ), os.listdir('.'), os.getcwd()\n"
    (answer,), _ = ran(source, (Call("f"),))
    environment, files, folder = answer.value
    assert "hunter2" not in repr(environment)
    assert files == []
    assert Path(folder).parent == Path(tempfile.gettempdir()).resolve()


def test_source_of_clearprop_cannot_be_read() -> None:
    import clearprop.scratch

    source = f"text = open({clearprop.scratch.__file__!r}).read()\n" + DOUBLE
    _, notes = ran(source)
    assert "PermissionError" in notes


@pytest.mark.parametrize(
    "source",
    [
        "from clearprop.scratch import softmax as f\n",
        "from clearprop import scratch\nf = scratch.softmax\n",
        "import clearprop\nf = clearprop.scratch.softmax\n",
        "import importlib\nf = importlib.import_module('clearprop.scratch').softmax\n",
    ],
)
def test_call_of_the_lesson_is_noticed_and_not_served(source: str) -> None:
    require_containment()
    with Sandbox(SubmissionFile("x.py", source.encode(), False)) as sandbox:
        assert sandbox.lesson
        assert "Opaque" in repr(sandbox.run([Call("f", (np.ones((2, 3)),))])[0].value)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = "import os\ndef f():\n    open('a', 'w').write('x'); return os.getcwd()\n"
    (answer,), _ = ran(source, (Call("f"),))
    assert Path(answer.value).parent == tmp_path.resolve()
    assert not any(tmp_path.iterdir())


def test_process_is_gone_when_the_sandbox_is_left() -> None:
    running = Process(Limits())
    pid = running._process.pid
    running.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_all_answers_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_RECEIVED", 1 << 20)
    answers, _ = ran("import numpy\ndef f(x):\n    return numpy.zeros(30_000)\n", ON_ONES * 6)
    assert [answer.failed for answer in answers] == [False] * 4 + [True] * 2
    assert "returned more than 1 MB" in answers[4].lost


def test_time_of_a_submission_is_limited_as_a_whole() -> None:
    source = (
        "import signal\ndef f(x):\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True: pass\n"
    )
    began = time.monotonic()
    answers, _ = ran(
        source,
        tuple(Call("f", (1,)) for _ in range(10)),
        limits=Limits(call_seconds=0.5, submission_seconds=1.0),
    )
    assert all(answer.failed for answer in answers)
    assert time.monotonic() - began < 6


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"a": [0, "O", [1]]}',
        b'{"a": [0, "<f8", [1000000]]}',
        b'{"a": [0, "<f8", [-1]]}',
        b'{"a": [5, "<f8", [1]]}',
        b'{"l": 3}',
        b'{"l": [1], "t": [1]}',
        b'{"d": [[{"l": []}, 1]]}',
        b'{"f": "nan()"}',
        b'{"x": 1}',
        b"1" * 5000,
        b"NaN",
        b"\xff",
        b'{"l": [[1]]}',
    ],
)
def test_forged_frame_is_refused(text: bytes) -> None:
    head = wire._HEAD.pack(b"clpr", len(text), 8)
    stream = iter([head, text, bytes(8)])
    with pytest.raises(wire.BadFrame):
        wire.read_frame(lambda size: next(stream))


@pytest.mark.parametrize(
    "head", [b"GET " + bytes(12), wire._HEAD.pack(b"clpr", 1 << 31, 0), wire._HEAD.pack(b"clpr", 1, 1 << 60)]
)
def test_frame_of_impossible_size_is_refused_before_it_is_read(head: bytes) -> None:
    stream = iter([head])
    with pytest.raises(wire.BadFrame):
        wire.read_frame(lambda size: next(stream))


def test_folder_is_bounded_as_a_whole() -> None:
    source = "def f(x):\n    for i in range(10**6):\n        open(f'{i}', 'wb').write(b'x' * 1000000)\n"
    (answer,), _ = ran(source, limits=Limits(call_seconds=3, folder_bytes=4 << 20))
    assert answer.lost == "During a call it filled its folder with files."

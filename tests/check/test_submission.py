"""Reading submissions: notebooks, odd encodings, code that fails at the top level, missing libraries."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from sandboxing import DOUBLE, ran, require_containment

from clearprop.check.calls import Call
from clearprop.check.sandbox.runner import Sandbox, Unjudged
from clearprop.check.submission.cells import Unreadable, read_text
from clearprop.check.submission.files import Found, SubmissionFile, find, read
from clearprop.utils.errors import InvalidArgument


def notebook(*cells: str | list[str], **extra: object) -> bytes:
    made = [{"cell_type": "code", "source": cell, "outputs": [], "metadata": {}} for cell in cells]
    made.insert(0, {"cell_type": "markdown", "source": "# def f(x)", "metadata": {}})
    return json.dumps({"cells": made, "nbformat": 4, "nbformat_minor": 5, "metadata": {}, **extra}).encode()


def test_code_cells_of_a_notebook_are_run_in_order() -> None:
    data = notebook("k = 2", ["def f(x):\n", "    return k * x"])
    (answer,), notes = ran(data, notebook=True)
    np.testing.assert_array_equal(answer.value, [2, 2, 2])
    assert notes == ""


def test_line_of_a_notebook_is_told_by_its_cell() -> None:
    _, notes = ran(notebook("x = 1\n\n", DOUBLE + "1 / 0"), notebook=True)
    assert notes == "Line 3 of code cell 2, `1 / 0`, was passed over: ZeroDivisionError: division by zero."


def test_notebook_of_format_3_is_read() -> None:
    sheet = {"cells": [{"cell_type": "code", "input": DOUBLE}]}
    assert read_text(json.dumps({"worksheets": [sheet], "nbformat": 3}).encode(), True).source == DOUBLE


def test_magics_and_shell_lines_are_blanked_out_and_lines_keep_their_numbers() -> None:
    cell = (
        "%matplotlib inline\n!pip install numpy\nfiles = !ls\nplt.plot?\nif True:\n    %time x = 1\n" + DOUBLE
    )
    text = read_text(notebook(cell), True)
    assert text.source.split("\n")[6] == "def f(x):"
    (answer,), _ = ran(notebook(cell), notebook=True)
    np.testing.assert_array_equal(answer.value, [2, 2, 2])


def test_timed_cell_is_python_and_a_cell_of_another_language_is_not() -> None:
    (answer,), notes = ran(notebook("%%time\n" + DOUBLE, "%%bash\nrm -rf /\n"), notebook=True)
    np.testing.assert_array_equal(answer.value, [2, 2, 2])
    assert notes == ""


def test_cell_that_is_not_python_is_passed_over() -> None:
    (answer,), notes = ran(notebook("this is no code", DOUBLE), notebook=True)
    assert "From line 1 of cell 1 on" in notes
    np.testing.assert_array_equal(answer.value, [2, 2, 2])


def test_syntax_error_costs_only_its_block() -> None:
    source = "print 'hello'\n" + DOUBLE + "def g(:\n    pass\n\ndef h():\n    return '''a\nb'''\n"
    answers, notes = ran(source, (Call("f", (1,)), Call("h")))
    assert [answer.value for answer in answers] == [2, "a\nb"]
    assert "line 1 on, \"print 'hello'\" is not Python" in notes
    assert "line 4 on" in notes


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("# café\n".encode("latin-1") + DOUBLE.encode(), "Latin-1"),
        (DOUBLE.encode("utf-16"), ""),
        (DOUBLE.encode("utf-8-sig"), ""),
        (("# -*- coding: latin-1 -*-\n# é\n" + DOUBLE).encode("latin-1"), ""),
        (DOUBLE.replace("\n", "\r\n").encode(), ""),
        (DOUBLE.replace("\n", "\r").encode(), ""),
        (DOUBLE.encode() + b"\0\0", "null characters"),
    ],
)
def test_file_of_another_encoding_is_read(data: bytes, told: str) -> None:
    (answer,), notes = ran(data)
    np.testing.assert_array_equal(answer.value, [2, 2, 2])
    assert told in notes


@pytest.mark.parametrize(
    ("data", "notebook"),
    [
        (b"", False),
        (b"PK\x03\x04" + bytes(100), False),
        (b"PK\x03\x04" + bytes(100), True),
        (b"[" * 100_000, True),
        (b"[]", True),
        (b'{"cells": 3}', True),
        (b'{"cells": [3, {"cell_type": "code", "source": {}}]}', True),
        (b"x = 1\n" * 400_000, False),
        (b"x = " + b"-" * 1000 + b"1\n", False),
        (bytes(range(256)) * 10, False),
    ],
)
def test_file_without_python_is_unreadable(data: bytes, notebook: bool) -> None:
    with pytest.raises(Unreadable):
        read_text(data, notebook)


def test_what_fails_at_the_top_level_is_passed_over_with_its_line() -> None:
    source = "import numpy as np\ndata = np.loadtxt('train.csv')\nname = input('name? ')\n" + DOUBLE
    (answer,), notes = ran(source)
    np.testing.assert_array_equal(answer.value, [2, 2, 2])
    assert "Line 2, `data = np.loadtxt('train.csv')`, was passed over: FileNotFoundError" in notes
    assert "Line 3, `name = input('name? ')`, was passed over: EOFError" in notes


def test_many_statements_passed_over_are_counted() -> None:
    _, notes = ran("1 / 0\n" * 20 + DOUBLE)
    assert "17 more statements at the top level were passed over." in notes


def test_training_at_the_top_level_ends_after_its_share_of_time() -> None:
    source = "import time\n" + "time.sleep(0.3)\n" * 8 + DOUBLE
    (answer,), notes = ran(source)
    np.testing.assert_array_equal(answer.value, [2, 2, 2])
    assert "time for all statements was used up" in notes


def test_main_guard_is_not_run() -> None:
    (answer,), notes = ran(DOUBLE + "if __name__ == '__main__':\n    raise SystemExit(1)\n")
    np.testing.assert_array_equal(answer.value, [2, 2, 2])
    assert notes == ""


def test_missing_libraries_are_stood_in_for() -> None:
    source = (
        "import not_a_library as nal\nfrom not_a_library.datasets import load\n"
        "import matplotlib.pyplot as plt\nfrom tqdm import tqdm\n"
        "@nal.jit(parallel=True)\ndef f(x):\n    plt.plot(x)\n    plt.show()\n"
        "    return sum(i * x for i in tqdm(range(3)))\n"
        "class Net(nal.Module):\n    pass\n"
    )
    (answer,), notes = ran(source)
    np.testing.assert_array_equal(answer.value, [3, 3, 3])
    assert notes == "not_a_library is not installed here; objects that do nothing stand in for it."


def test_plots_and_progress_bars_in_functions_do_nothing() -> None:
    source = (
        "import matplotlib.pyplot as plt\nfrom tqdm import tqdm, trange\n"
        "def f(x):\n    figure, axes = plt.subplots(1, 2)\n    axes[0].imshow(x)\n"
        "    bar = tqdm(range(3))\n    for i in bar:\n        bar.set_postfix(loss=i)\n        display(i)\n"
        "    with tqdm(total=3) as other:\n        other.update(1)\n    return sum(trange(4)) * x\n"
    )
    (answer,), _ = ran(source)
    np.testing.assert_array_equal(answer.value, [6, 6, 6])


def test_names_of_older_numpy_releases_are_there() -> None:
    (answer,), _ = ran(
        "import numpy as np\ndef f(x):\n    return np.zeros(2, np.int) + np.float_(np.product(x))\n"
    )
    np.testing.assert_array_equal(answer.value, [1, 1])


def test_function_that_needs_a_missing_library_fails_by_its_name() -> None:
    source = "import numpy as np, not_a_library\ndef f(x):\n    return np.exp(not_a_library.array(x))\n"
    (answer,), _ = ran(source)
    assert answer.error is not None
    assert "not_a_library is not installed here" in answer.error.message


def test_import_with_a_fallback_takes_the_fallback() -> None:
    source = (
        "try:\n    import not_a_library as xp\nexcept ImportError:\n    import numpy as xp\n"
        "def f(x):\n    return xp.exp(0 * x)\n"
    )
    (answer,), notes = ran(source)
    np.testing.assert_array_equal(answer.value, [1, 1, 1])
    assert notes == ""


def test_installed_libraries_are_imported() -> None:
    source = "from scipy.special import expit\nfrom PIL import Image\ndef f(x):\n    return expit(0 * x)\n"
    (answer,), notes = ran(source)
    np.testing.assert_array_equal(answer.value, [0.5, 0.5, 0.5])
    assert notes == ""


def test_future_imports_hold_for_the_whole_file() -> None:
    (answer,), _ = ran("from __future__ import annotations\ndef f(x: Nowhere):\n    return 2 * x\n")
    np.testing.assert_array_equal(answer.value, [2, 2, 2])


def test_folder_gives_its_files_by_name_and_no_others(tmp_path: Path) -> None:
    for name in ("b.py", "a.ipynb", "notes.txt", ".hidden.py", "anna/homework.py", "__pycache__/c.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(DOUBLE)
    assert [found.name for found in find([tmp_path])] == ["a.ipynb", "anna/homework.py", "b.py"]


def test_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "a.py").symlink_to(secret)
    (found,) = find([folder])
    assert read(found) == "is a symbolic link, which is not followed"
    # also where it took the file's place after the folder was listed
    assert isinstance(read(Found("a.py", folder / "a.py")), str)


def test_pipe_and_large_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.py")
    with open(tmp_path / "b.ipynb", "wb") as file:
        file.truncate(100 << 20)
    pipe, large = find([tmp_path])
    assert read(pipe) == "is no regular file"
    assert read(large) == "has 100 MB, and more than 20 MB is not read"


@pytest.mark.parametrize("name", ["missing.py", "homework.txt", ""])
def test_path_that_cannot_be_checked_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "homework.txt").write_text("x")
    with pytest.raises(InvalidArgument):
        find([tmp_path / name])


def test_file_made_to_break_the_parser_is_told() -> None:
    require_containment()
    source = b"x = " + b"a." * 100_000 + b"b\n"
    with pytest.raises(Unjudged), Sandbox(SubmissionFile("x.py", source, False)):
        pass

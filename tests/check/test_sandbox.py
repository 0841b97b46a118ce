"""Calls in a submission's process: values both ways, placeholders, errors, limits of time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sandboxing import DOUBLE, QUICK, ran, require_containment

from clearprop.check.calls import Call, Generator, Named, Opaque, Result, Trusted
from clearprop.check.sandbox.runner import Sandbox, Unjudged
from clearprop.check.submission.files import SubmissionFile

IDENTITY = "def f(x):\n    return x\n"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        1.5,
        float("inf"),
        2 + 3j,
        "text \N{GREEK SMALL LETTER DELTA}",
        b"bytes",
        (1, [2.0, "x"], {"w1": (3,), 4: None}),
    ],
)
def test_plain_values_return_as_they_went(value: Any) -> None:
    (answer,), _ = ran(IDENTITY, (Call("f", (value,)),))
    assert answer.value == value
    assert type(answer.value) is type(value)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "?", "U3", "c16", ">f8"])
def test_arrays_return_with_shape_and_dtype(dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    (answer,), _ = ran(IDENTITY, (Call("f", (array.T,)),))
    np.testing.assert_array_equal(answer.value, array.T)
    assert answer.value.dtype == array.dtype.newbyteorder("<")


def test_empty_array_returns() -> None:
    (answer,), _ = ran(IDENTITY, (Call("f", (np.zeros((0, 4)),)),))
    assert answer.value.shape == (0, 4)


def test_ragged_object_array_returns_as_a_list() -> None:
    source = (
        "import numpy as np\ndef f(x):\n    a = np.empty(2, object)\n"
        "    a[0], a[1] = x, x[:1]\n    return a\n"
    )
    (answer,), _ = ran(source)
    assert [part.shape for part in answer.value] == [(3,), (1,)]


def test_object_of_the_submission_stays_in_its_process() -> None:
    source = "class A:\n    pass\ndef f():\n    return {'a': A()}\n"
    (answer,), _ = ran(source, (Call("f"),))
    assert answer.value == {"a": Opaque("A")}


def test_result_hands_on_a_value_and_its_items() -> None:
    source = "def f():\n    return 1, {'cache': object()}\ndef g(x, c):\n    return x, type(c).__name__\n"
    calls = (Call("f"), Call("g", (Result(0, (0,)), Result(0, (1, "cache")))))
    answers, _ = ran(source, calls)
    assert answers[1].value == (1, "object")


def test_methods_are_called_and_attributes_set_and_collected() -> None:
    source = (
        "class Network:\n    def __init__(self, n):\n        self.w = n\n    def twice(self):\n"
        "        self.w *= 2\n        return self.w\n"
    )
    calls = (
        Call("Network", (3,), collect=("w",)),
        Call("twice", on=Result(0), attributes={"w": 5}, collect=("w", "missing")),
        Call("", on=Result(0), collect=("w",)),
    )
    answers, _ = ran(source, calls)
    assert answers[0].collected == {"w": 3}
    assert answers[1].value == 10
    assert answers[1].collected == {"w": 10}
    assert answers[2].collected == {"w": 10}


def test_module_names_are_substituted_for_one_call_only() -> None:
    source = "m = 3\ndef f():\n    return m, globals().get('k')\n"
    answers, _ = ran(source, (Call("f", module={"m": 10, "k": 1}), Call("f")))
    assert answers[0].value == (10, 1)
    assert answers[1].value == (3, None)


def test_functions_of_both_sides_can_be_arguments() -> None:
    source = "def twice(x):\n    return 2 * x\ndef f(g, h, rng):\n    return g(3), h(3), rng.integers(100)\n"
    ours = Trusted("square", "def square(x):\n    return x * x\n")
    (answer,), _ = ran(source, (Call("f", (Named("twice"), ours, Generator(0))),))
    assert answer.value == (6, 9, np.random.default_rng(0).integers(100))


def test_changes_in_place_are_seen_and_do_not_reach_other_calls() -> None:
    x = np.ones(2)
    call = Call("f", (x,))
    answers, _ = ran("def f(x):\n    x += 1\n", (call, call))
    np.testing.assert_array_equal(answers[0].arguments_after[0], [2, 2])
    np.testing.assert_array_equal(answers[1].arguments_after[0], [2, 2])
    np.testing.assert_array_equal(x, 1)


def test_revisited_values_show_later_changes() -> None:
    source = "p = {'w': 1}\ndef f():\n    return p\ndef g():\n    p['w'] = 2\n"
    answers, _ = ran(source, (Call("f"), Call("g", revisit=(0,))))
    assert answers[0].value == {"w": 1}
    assert answers[1].revisited == ({"w": 2},)


def test_seed_makes_random_numbers_repeat() -> None:
    source = "import numpy as np, random\ndef f():\n    return np.random.rand(), random.random()\n"
    answers, _ = ran(source, (Call("f", seed=1), Call("f", seed=1)))
    assert answers[0].value == answers[1].value


def test_exception_says_its_kind_line_and_function() -> None:
    source = "def helper(x):\n    return x.missing\n\ndef f(x):\n    return helper(x)\n"
    (answer,), _ = ran(source)
    assert answer.failed
    assert answer.error is not None
    assert (answer.error.kind, answer.error.line, answer.error.function) == ("AttributeError", 2, "helper")


def test_call_that_needs_a_failed_value_fails_alike() -> None:
    source = "def f():\n    raise ValueError('no')\ndef g(x):\n    return 1\n"
    answers, _ = ran(source, (Call("f"), Call("g", (Result(0),))))
    assert answers[1].error == answers[0].error


def test_unknown_function_is_a_name_error() -> None:
    (answer,), _ = ran(DOUBLE, (Call("g"),))
    assert answer.error is not None
    assert answer.error.kind == "NameError"


def test_printed_text_is_returned_clipped() -> None:
    source = "def f(x):\n    for i in range(1000):\n        print('epoch', i)\n    return x\n"
    (answer,), _ = ran(source)
    assert answer.stdout.startswith("epoch 0\nepoch 1\n")
    assert len(answer.stdout) == 2000


def test_call_over_its_time_is_stopped_and_the_next_one_made() -> None:
    source = DOUBLE + "def g():\n    while True:\n        pass\n"
    answers, _ = ran(source, (Call("g", seconds=0.1), Call("f", (2,))))
    assert answers[0].timed_out
    assert answers[1].value == 4


def test_call_that_resists_is_killed_and_the_next_list_answered() -> None:
    require_containment()
    source = DOUBLE + (
        "def g():\n    import signal\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "    while True:\n        pass\n"
    )
    with Sandbox(SubmissionFile("x.py", source.encode(), False), QUICK) as sandbox:
        killed, lost = sandbox.run([Call("g", seconds=0.1), Call("f", (2,))])
        assert killed.timed_out
        assert "did not stop in time" in lost.lost
        assert sandbox.run([Call("f", (2,))])[0].value == 4


def test_source_is_that_of_the_file() -> None:
    require_containment()
    with Sandbox(SubmissionFile("x.py", DOUBLE.encode(), False)) as sandbox:
        assert sandbox.source == DOUBLE


def test_file_without_python_is_refused_in_one_sentence() -> None:
    require_containment()
    with (
        pytest.raises(Unjudged, match=r"^It has no Python code\.$"),
        Sandbox(SubmissionFile("x.py", b"\n", False)),
    ):
        pass

"""Right submissions in every style pass; each mistake is named in its function, alone and in pairs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from in_process import InProcess, Text
from mistaken import MISTAKEN, PAIRS, RIGHT, Mistaken

from clearprop.check.choosing import choose_template
from clearprop.check.definitions import definitions_of
from clearprop.check.grading import judge
from clearprop.check.mistakes import MISTAKES
from clearprop.check.verdicts import Status, SubmissionVerdict

# ids beside the list, for functions that are none of its kinds
MORE = {"sigmoid_wrong", "tanh_wrong", "softmax_wrong"}


def judged(source: str) -> SubmissionVerdict:
    assignment, reason = choose_template(definitions_of(source))
    return judge(Text(source), InProcess(Text(source)), assignment, reason)


def found(verdict: SubmissionVerdict) -> set[tuple[str, str]]:
    return {(function.name, mistake.id) for function in verdict.functions for mistake in function.mistakes}


@pytest.mark.parametrize("path", sorted(RIGHT.glob("*.py")), ids=lambda path: path.stem)
def test_right_submission_has_no_mistake(path: Path) -> None:
    verdict = judged(path.read_text("utf-8"))
    assert verdict.template == path.stem.partition("_")[0]
    assert not found(verdict)
    assert {function.status for function in verdict.functions} <= {Status.RIGHT, Status.MISSING}
    assert sum(function.status is Status.RIGHT for function in verdict.functions) >= 4


@pytest.mark.parametrize("mistaken", MISTAKEN, ids=lambda m: f"{m.expected[0][1]}-{m}")
def test_mistake_is_named_in_its_function(mistaken: Mistaken) -> None:
    verdict = judged(mistaken.source)
    (function, identity), *_ = mistaken.expected
    if identity == "missing":
        status = {each.name: each.status for each in verdict.functions}
        assert status[function] is Status.MISSING
        assert not found(verdict)
    else:
        assert found(verdict) == set(mistaken.expected)


@pytest.mark.parametrize("mistaken", PAIRS, ids=str)
def test_both_mistakes_of_a_pair_are_named(mistaken: Mistaken) -> None:
    assert found(judged(mistaken.source)) == set(mistaken.expected)


def test_every_id_has_two_submissions() -> None:
    count = Counter(identity for mistaken in MISTAKEN for _, identity in mistaken.expected)
    assert {identity for identity in MISTAKES if count[identity] < 2} <= MORE


def test_wrong_function_has_evidence_a_fix_and_its_line() -> None:
    source = next(m.source for m in MISTAKEN if m.expected == (("backprop", "gradient_not_averaged"),))
    verdict = next(f for f in judged(source).functions if f.name == "backprop")
    mistake = verdict.mistakes[0]
    assert source.splitlines()[(mistake.line or 0) - 1].startswith("def backprop")
    assert "11 times the right ones, and 11 is the size of the batch" in mistake.sentence
    assert mistake.evidence[0].quantity.startswith("dw1[")
    assert mistake.fix


def test_function_that_calls_a_wrong_one_follows_from_it() -> None:
    source = next(m.source for m in MISTAKEN if m.expected == (("softmax", "softmax_wrong_axis"),))
    verdict = {function.name: function for function in judged(source).functions}
    assert verdict["softmax"].status is Status.WRONG
    assert verdict["forward_prop"].status is Status.RIGHT
    assert verdict["forward_prop"].follows_from == ("softmax",)


def test_submission_that_calls_the_lesson_is_not_judged() -> None:
    verdict = judged("from clearprop.scratch import softmax, forward_prop, backprop\n")
    assert not verdict.passed
    judged_names = [f for f in verdict.functions if f.status is Status.NOT_JUDGED]
    assert {function.name for function in judged_names} == {"softmax", "forward_prop", "backprop"}
    assert all("Clearprop's own lesson" in function.note for function in judged_names)

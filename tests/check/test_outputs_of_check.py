"""Verdicts as text, JSON, CSV, Gradescope's results and HTML; hints decide how much is given away."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from verdict_examples import CLASS, MIXED, hostile, mixed, right, unread

from clearprop.check.outputs.checked import HINTS, Checked, Hints, mistakes_counted
from clearprop.check.outputs.machine import as_plain, csv_text, gradescope_results
from clearprop.check.outputs.pages import class_page, submission_page, write_pages
from clearprop.check.outputs.text import class_line, class_text, full_text
from clearprop.check.verdicts import SubmissionVerdict

FIX = "Divide by the number of rows."
NAME = "gradient_not_averaged"


def test_text_has_a_block_for_each_function() -> None:
    assert full_text(mixed, "fix", 80).split("\n\n", 1)[1] == (
        "softmax        right\n"
        "dtanh          right, given the output (1 - h²)\n"
        "backprop       wrong: the gradients of weights are summed over the batch, not\n"
        "               averaged: dw1 and dw2 are 8.0 times the right ones, and 8 is the\n"
        "               size of the batch. Divide by the number of rows. (Line 12.)\n"
        "                            yours  expected\n"
        "                 dw1[0, 0]    0.8       0.1\n"
        "                 dw2[1, 0]   -2.4      -0.3\n"
        "               and: db1 has the opposite sign. Subtract the truth from the\n"
        "               prediction.\n"
        "cross_entropy  missing\n"
        "train_batch2   not judged: it needs torch\n"
        "\n"
        "2 of 5 functions are right: 2 of 6.5 points."
    )


def test_text_begins_with_the_file_its_template_and_the_notes() -> None:
    assert full_text(mixed, "fix").split("\n\n")[0].splitlines() == [
        "anna/homework.py",
        "Template: lesson (the names backprop and dtanh decided).",
        "Line 2, `x = input()`, was passed over: EOFError.",
    ]


def test_text_of_an_unread_file_is_its_problem() -> None:
    assert full_text(unread, "fix").endswith("Not judged: It is no notebook: it is not JSON.")


@pytest.mark.parametrize("hints", HINTS)
def test_hints_decide_how_much_is_given_away(hints: Hints) -> None:
    shown = [
        full_text(mixed, hints),
        json.dumps(as_plain(mixed, hints)),
        json.dumps(gradescope_results(mixed, hints)),
        submission_page(mixed, hints),
    ]
    for text in shown:
        words = " ".join(text.split())
        assert "dw2" in words
        assert (FIX in words) is (hints == "fix")
        assert ("summed over the batch" in words) is (hints != "locate")
        assert ("-2.4" in words) is (hints != "locate")
    assert (NAME in shown[1]) is (NAME in shown[3]) is (hints != "locate")


def test_json_has_the_documented_keys() -> None:
    plain = json.loads(json.dumps(as_plain(mixed, "fix"), allow_nan=False))
    assert set(plain) == {
        "submission", "template", "template_reason", "functions", "points", "out_of", "passed",
    }  # fmt: skip
    assert set(plain["submission"]) == {"name", "judged", "problem", "notes", "seconds"}
    backprop = plain["functions"][2]
    assert (backprop["name"], backprop["status"], backprop["line"]) == ("backprop", "wrong", 12)
    assert backprop["mistakes"][0]["id"] == NAME
    assert backprop["mistakes"][0]["evidence"][0] == {
        "quantity": "dw1[0, 0]", "yours": "0.8", "expected": "0.1",
    }  # fmt: skip
    assert (plain["points"], plain["out_of"], plain["passed"]) == (2.0, 6.5, False)


def test_json_of_a_missing_function_has_the_mistake_missing() -> None:
    missing = as_plain(mixed, "locate")["functions"][3]
    assert (missing["status"], [mistake["id"] for mistake in missing["mistakes"]]) == ("missing", ["missing"])


def test_json_of_an_unread_file_has_no_functions_and_no_points() -> None:
    plain = as_plain(unread, "fix")
    assert plain["submission"]["judged"] is False
    assert (plain["functions"], plain["points"], plain["passed"]) == ([], 0.0, False)


def test_submission_without_functions_is_not_passed() -> None:
    assert not Checked("x.py", SubmissionVerdict("lesson", "", ())).passed


def test_csv_has_a_line_for_each_submission_and_a_column_for_each_function() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(CLASS))))
    assert [row["points"] for row in rows] == ["2", "1", "0", "1"]
    assert rows[0]["backprop"] == "0"
    assert rows[0]["mistakes"] == (
        "backprop: gradient_not_averaged; backprop: gradient_sign_flipped; cross_entropy: missing"
    )
    assert rows[2]["problem"] == "It is no notebook: it is not JSON."


def test_csv_has_no_cell_that_a_spreadsheet_computes() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(CLASS))))
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_gradescope_results_have_a_test_for_each_function() -> None:
    results = gradescope_results(mixed, "fix")
    assert results["score"] == 2.0
    assert [
        (test["name"], test["score"], test["max_score"], test["status"]) for test in results["tests"]
    ] == [
        ("softmax", 1.0, 1.0, "passed"),
        ("dtanh", 1.0, 1.0, "passed"),
        ("backprop", 0.0, 2.5, "failed"),
        ("cross_entropy", 0.0, 1.0, "failed"),
        ("train_batch2", 0.0, 1.0, "failed"),
    ]


def test_gradescope_results_of_an_unread_file_say_why() -> None:
    results = gradescope_results(unread, "fix")
    assert (results["score"], results["tests"]) == (0.0, [])
    assert results["output"] == "It is no notebook: it is not JSON."


def test_mistakes_are_counted_once_a_submission() -> None:
    assert mistakes_counted([mixed, mixed, right]) == [
        ("gradient_not_averaged", 2),
        ("gradient_sign_flipped", 2),
        ("missing", 2),
    ]


def test_class_has_a_line_for_each_submission_and_a_summary() -> None:
    lines = [class_line(one, 20) for one in CLASS[:3]]
    assert lines == [
        "anna/homework.py        2 of 6.5  backprop: gradient_not_averaged, gradient_sign_flipped; "
        "cross_entropy: missing; train_batch2: not judged",
        "ben.py                    1 of 1  all right",
        "carl.ipynb            not judged: It is no notebook: it is not JSON.",
    ]
    assert "2 of 4 submissions are right in every function." in class_text(CLASS)
    assert "1 could not be judged." in class_text(CLASS)
    assert "     1  gradient_not_averaged" in class_text(CLASS)


@pytest.mark.parametrize("text", [full_text(hostile, "fix"), class_line(hostile, 10)])
def test_name_cannot_control_the_terminal(text: str) -> None:
    assert "\x1b" not in text
    assert "\\x1b[2J" in text


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


@pytest.mark.parametrize("page", [submission_page(hostile, "fix"), class_page([hostile], ["x.html"])])
def test_page_escapes_the_names_and_loads_nothing(page: str) -> None:
    tags = _Tags(page)
    assert "script" not in tags.seen
    assert "&lt;script&gt;" in page
    assert not any(re.match(r"\w+:|//", link) for link in tags.links)
    page.encode()


def test_overview_links_to_a_page_of_each_submission(tmp_path: Path) -> None:
    write_pages(tmp_path / "class.html", CLASS, "fix", single=False)
    links = _Tags((tmp_path / "class.html").read_text()).links
    assert len(set(links)) == len(CLASS)
    for link in links:
        page = (tmp_path / link).read_text()
        assert _Tags(page).links == ["../class.html"]


def test_page_of_one_submission_is_the_file_itself(tmp_path: Path) -> None:
    write_pages(tmp_path / "page.html", [mixed], "fix", single=True)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert MIXED.functions[2].mistakes[0].sentence[1:] in (tmp_path / "page.html").read_text()

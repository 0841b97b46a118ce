"""A class of verdicts, for the outputs: right, wrong twice, missing, not judged, a hostile name."""

from __future__ import annotations

from clearprop.check.outputs.checked import Checked
from clearprop.check.verdicts import Evidence, FoundMistake, FunctionVerdict, Status, SubmissionVerdict

NOT_AVERAGED = FoundMistake(
    id="gradient_not_averaged",
    sentence="the gradients of weights are summed over the batch, not averaged: dw1 and dw2 are 8.0 times "
    "the right ones, and 8 is the size of the batch",
    fix="Divide by the number of rows.",
    location="dw1 and dw2 are wrong",
    evidence=(Evidence("dw1[0, 0]", "0.8", "0.1"), Evidence("dw2[1, 0]", "-2.4", "-0.3")),
    line=12,
)
SIGN = FoundMistake(
    id="gradient_sign_flipped",
    sentence="db1 has the opposite sign",
    fix="Subtract the truth from the prediction.",
    location="db1 is wrong",
    line=12,
)
MIXED = SubmissionVerdict(
    "lesson",
    "the names backprop and dtanh decided",
    (
        FunctionVerdict("softmax", Status.RIGHT, line=3, points=1.0),
        FunctionVerdict("dtanh", Status.RIGHT, note="given the output (1 - h²)", line=7, points=1.0),
        FunctionVerdict("backprop", Status.WRONG, (NOT_AVERAGED, SIGN), line=12, out_of=2.5),
        FunctionVerdict("cross_entropy", Status.MISSING),
        FunctionVerdict("train_batch2", Status.NOT_JUDGED, note="it needs torch"),
    ),
)
RIGHT = SubmissionVerdict("lesson", "given", (FunctionVerdict("softmax", Status.RIGHT, line=3, points=1.0),))

mixed = Checked("anna/homework.py", MIXED, notes=("Line 2, `x = input()`, was passed over: EOFError.",))
right = Checked("ben.py", RIGHT, seconds=0.4)
unread = Checked("carl.ipynb", None, "It is no notebook: it is not JSON.")
hostile = Checked("=<script>alert(1)</script>\n\x1b[2J\udcff.py", RIGHT)
CLASS = [mixed, right, unread, hostile]

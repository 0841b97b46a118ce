"""The estimators are as accurate as scikit-learn; tests/soak/estimator_accuracy.py says so for ten seeds."""

from __future__ import annotations

import pytest
from estimator_accuracy import DATA, compare


@pytest.mark.parametrize("name", DATA)
def test_with_the_same_random_state_the_scores_are_the_same(name: str) -> None:
    scores = compare(name, range(2), max_iter=60)
    # a single row on the edge may fall to either side by rounding
    assert scores.ours == pytest.approx(scores.theirs, abs=0.01)


@pytest.mark.parametrize("name", ["wine", "breast cancer", "diabetes"])
def test_scores_of_another_random_state_are_within_the_spread(name: str) -> None:
    scores = compare(name, range(4), max_iter=300 if name == "diabetes" else 100, shift=1000)
    assert scores.difference <= scores.spread

"""Compare Clearprop's estimators with scikit-learn's over ten seeds; exit 1 if one lies outside the spread.

Run as ``python tests/soak/estimator_accuracy.py``; prints the table of docs/estimator.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from estimator_accuracy import DATA, compare

SEEDS = range(10)
#: scikit-learn's default, but long enough for the regression to come to rest.
MAX_ITER = {"diabetes": 1000}
#: So far apart that no two networks are alike.
OTHER_NETWORKS = 1000


def main() -> int:
    """Print a line for each data set, and one more with networks that were drawn apart."""
    print(
        "| data | random_state | Clearprop | scikit-learn | difference of the means | spread of the seeds |"
    )
    print("|---|---|---:|---:|---:|---:|")
    outside = 0
    for name in DATA:
        for shift, words in ((0, "the same"), (OTHER_NETWORKS, "another")):
            scores = compare(name, SEEDS, MAX_ITER.get(name, 200), shift)
            means = (sum(each) / len(each) for each in (scores.ours, scores.theirs))
            figures = (*means, scores.difference, scores.spread)
            print(f"| {name} | {words} | {' | '.join(f'{figure:.4f}' for figure in figures)} |", flush=True)
            outside += scores.difference > scores.spread
    return int(outside > 0)


if __name__ == "__main__":
    sys.exit(main())

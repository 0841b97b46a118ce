"""How often the diagnosis names the principal cause first, mends the training, and raises a false alarm.

Run as ``python tests/soak/diagnosis_accuracy.py [--half development|held_out|all] [--limit N] [--jobs N]``.
The programs are those of tests/diagnosis/programs. Beside it stands torchmortem 0.1.1, where it is installed
(``pip install --no-deps torchmortem==0.1.1``). Exit 1 if a bar of Clearprop's is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# each job is a process, and two must not compete with threads of their own
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "diagnosis"))

import torchmortem_peer
from programs import CASES
from programs.case import LEARNED, Case
from programs.trial import share

from clearprop.diagnosis import diagnose
from clearprop.diagnosis.program_training import train_program

BUDGET_SECONDS = 60
#: The least share of first causes that are right and of remedies that restore, the most of false alarms.
RIGHT_BAR, RESTORED_BAR, ALARM_BAR = 0.90, 0.90, 0.02


@dataclass(frozen=True)
class Outcome:
    """What the diagnosis said of a case; ``restored`` is None where the rows are to be changed."""

    name: str
    cause: str | None
    named: tuple[str, ...]
    right: bool
    restored: bool | None
    mended_share: float
    seconds: float
    peer: torchmortem_peer.Peer | None
    error: str = ""


def examine(name: str) -> Outcome:
    """Diagnose a case, train the remedied program on three other seeds, and ask torchmortem."""
    case = next(each for each in CASES if each.name == name)
    written = case.written
    given = {"seed": 0, "seconds": BUDGET_SECONDS}
    if written.validation is not None:
        given["validation"] = written.validation
    started = time.perf_counter()
    try:
        found = diagnose(written.program, written.x, written.y, **given)
        error = ""
    except Exception as failure:  # a crash is an outcome, and must not end the table
        found, error = None, f"{type(failure).__name__}: {failure}"
    seconds = time.perf_counter() - started
    named = tuple(cause.name for cause in found.causes) if found else ()
    peer = torchmortem_peer.ask(case)
    if case.cause is None:
        return Outcome(name, None, named, not named and not error, None, 0.0, seconds, peer, error)
    right = bool(named) and named[0] in {case.cause, *case.equivalents}
    restored, mended = None, 0.0
    if _is_remedied_in_the_program(case):
        if found is not None and found.remedied is not None:
            mended = _mended_share(case, found.remedied)
        restored = mended >= LEARNED
    return Outcome(name, case.cause, named, right, restored, mended, seconds, peer, error)


def _is_remedied_in_the_program(case: Case) -> bool:
    return case.written.remedied_rows is None and case.cause not in (
        "metric_misused",
        "duplicate_rows_across_splits",
    )


def _mended_share(case: Case, remedied) -> float:
    written = case.written
    try:
        return float(share(written, train_program, remedied, written.x, written.y, (10, 11, 12)).mean())
    except Exception:
        return -1.0


def main() -> int:
    """Print a line for each case, the totals for each cause, and the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("development", "held_out", "all"), default="all")
    parser.add_argument("--limit", type=int, help="only so many cases")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="only the cases of these names")
    parser.add_argument("--totals", action="store_true", help="no line for each case")
    options = parser.parse_args()
    names = [case.name for case in CASES if options.half in ("all", case.half)]
    names = [name for name in names if not options.only or name in options.only][: options.limit]
    outcomes = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(examine, names):
            outcomes.append(outcome)
            if not options.totals:
                print(_line(outcome), flush=True)
    _print_causes(outcomes)
    return _print_summary(outcomes)


def _line(outcome: Outcome) -> str:
    verdict = "right" if outcome.right else "WRONG"
    mended = "" if outcome.restored is None else f" | mended {outcome.mended_share:.2f}"
    named = outcome.error or ", ".join(outcome.named) or "healthy"
    return f"{verdict} | {outcome.name} | {outcome.cause} | {named}{mended} | {outcome.seconds:.1f} s"


def _print_causes(outcomes: list[Outcome]) -> None:
    by_cause: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_cause[outcome.cause or "(healthy)"].append(outcome)
    print("\n| cause | programs | named first | remedy restores |\n|---|---:|---:|---:|")
    for cause, group in sorted(by_cause.items()):
        restored = [each.restored for each in group if each.restored is not None]
        counted = f"{sum(restored)} of {len(restored)}" if restored else "–"
        print(f"| {cause} | {len(group)} | {sum(each.right for each in group)} | {counted} |")


def _print_summary(outcomes: list[Outcome]) -> int:
    failing = [each for each in outcomes if each.cause is not None]
    healthy = [each for each in outcomes if each.cause is None]
    restored = [bool(each.restored) for each in failing if each.restored is not None]
    right, alarms = _rate(each.right for each in failing), _rate(not each.right for each in healthy)
    seconds = [each.seconds for each in outcomes]
    print("\n| | Clearprop | torchmortem 0.1.1 |\n|---|---:|---:|")
    asked = [each for each in outcomes if each.peer is not None]
    peers = torchmortem_peer.summary([(each.cause, each.peer) for each in asked])
    print(f"| principal cause first, of {len(failing)} | {right:.0%} | {peers.right} |")
    print(f"| remedy restores training, of {len(restored)} | {_rate(restored):.0%} | tries none |")
    print(f"| false alarms, of {len(healthy)} healthy | {alarms:.0%} | {peers.alarms} |")
    ours = f"{statistics.median(seconds):.1f} ({max(seconds):.1f})"
    print(f"| seconds, median (most) | {ours} | {peers.seconds} |")
    met = right >= RIGHT_BAR and _rate(restored) >= RESTORED_BAR and alarms <= ALARM_BAR
    return int(not met)


def _rate(values: Iterable[bool]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 0.0


if __name__ == "__main__":
    sys.exit(main())

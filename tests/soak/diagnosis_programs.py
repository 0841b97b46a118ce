"""Prove that each program of tests/diagnosis/programs fails or learns, and that its remedy mends it.

Run as ``python tests/soak/diagnosis_programs.py [--half development|held_out|all] [--only NAME ...]``. Each
program is trained with and without its remedy on three seeds, by NumPy and by PyTorch. Exit 1 if one does
not behave as the table says, or if the two trainers disagree.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "diagnosis"))

from programs import CASES
from programs.trial import PROVEN, try_case
from reference_trainer import train_reference

from clearprop.diagnosis.program_training import train_program

#: Mean shares of two trainers may differ by so many standard errors, and this much more, by chance.
STANDARD_ERRORS, AGREE = 4, 0.1


def main() -> int:
    """Print a line for each program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("development", "held_out", "all"), default="all")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    print("program | cause | NumPy: as written, remedied | PyTorch: as written, remedied | seconds | proven")
    wrong = 0
    for case in CASES:
        if options.half not in ("all", case.half) or (options.only and case.name not in options.only):
            continue
        started = time.perf_counter()
        ours = try_case(case, train_program)
        took = time.perf_counter() - started
        theirs = try_case(case, train_reference)
        verdict = (
            "yes" if ours.verdict == theirs.verdict == PROVEN else f"NO: {ours.verdict}/{theirs.verdict}"
        )
        apart = max(abs(ours.before - theirs.before), abs(ours.after - theirs.after))
        if apart > AGREE + STANDARD_ERRORS * (ours.noise + theirs.noise):
            verdict += f" (trainers {apart:.2f} apart)"
        wrong += verdict != "yes"
        print(
            f"{case.name} | {case.cause} | {ours.before:.2f} {ours.after:.2f} | "
            f"{theirs.before:.2f} {theirs.after:.2f} | {took / ours.trainings:.2f} | {verdict}",
            flush=True,
        )
    print(f"{wrong} of the programs are not proven")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

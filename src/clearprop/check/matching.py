"""Finding the mistakes whose numbers a submission reproduces: alone, side by side, or as pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from clearprop.check.formulas.base import Array, Atom, Formula, Outputs, Settings, Values

# float32 submissions round at 1e-7; an epsilon in a logarithm or a denominator moves less than this too
RELATIVE_TOLERANCE = 1e-4
# up to so many mistakes, all pairs of them are tried; of more, only the pairs of common ones
MAX_ATOMS_OF_ALL_PAIRS = 45


@dataclass(frozen=True, slots=True)
class Observation:
    """What a function returned for one probe: the values it was given and its outputs by name."""

    values: Values
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Explanation:
    """Mistakes that reproduce the outputs; ``open`` names the outputs that none reproduces."""

    atoms: tuple[Atom, ...]
    open: tuple[str, ...] = ()


def same(yours: Array, expected: Array, *, loose: bool = False) -> bool:
    """Whether two arrays agree; ``loose`` lets axes of length 1 pass, as in a bias of shape (1, n)."""
    yours, expected = np.asarray(yours), np.asarray(expected)
    if loose and yours.shape != expected.shape:
        yours, expected = np.squeeze(yours), np.squeeze(expected)
    if yours.size == expected.size == 1:
        # a loss of shape (1, 1), the bias of a single unit
        yours, expected = yours.reshape(()), expected.reshape(())
    if yours.shape != expected.shape or yours.dtype.kind not in "fiub":
        return False
    if not np.isfinite(yours).all():
        return bool(np.array_equal(yours, expected, equal_nan=True))
    scale = np.max(np.abs(expected), initial=0.0)
    if not np.isfinite(scale):
        return False
    return bool(np.max(np.abs(yours - expected), initial=0.0) <= RELATIVE_TOLERANCE * max(scale, 1e-9))


def differing(yours: Outputs, expected: Outputs) -> tuple[str, ...]:
    """Return the names of the outputs that disagree."""
    return tuple(name for name in yours if not same(yours[name], expected[name]))


def merged(atoms: Sequence[Atom]) -> dict[Any, Any] | None:
    """Return the settings of several mistakes together, or None if they change the same part."""
    settings: dict[Any, Any] = {}
    for atom in atoms:
        if any(key in settings for key in atom.settings):
            return None
        settings.update(atom.settings)
    return settings


def predicted(
    formula: Formula, values: Values, atoms: Sequence[Atom], base: Settings | None = None
) -> Outputs | None:
    """Return the outputs under these mistakes, or None where their shapes do not fit.

    ``base`` has the settings of an accepted variant that the mistakes are added to.
    """
    settings = merged(atoms)
    if settings is None or any(key in (base or {}) for key in settings):
        return None
    settings = {**(base or {}), **settings}
    try:
        with np.errstate(all="ignore"):
            return formula.outputs(values, settings)
    except (ValueError, IndexError, KeyError):
        return None


def explain(formula: Formula, observations: Sequence[Observation], *, pairs: bool = True) -> Explanation:
    """Find the fewest mistakes that reproduce all outputs of all probes.

    One mistake is looked for first, then several that each explain outputs of their own, then pairs that act
    on the same output, then pairs side by side; on top of each accepted variant. ``pairs=False`` leaves pairs
    out, which are most of the work.
    """
    if not observations:
        return Explanation(())
    found = [_explained(formula, observations, variant.settings, pairs) for variant in formula.right]
    return min(found, key=lambda explanation: (len(explanation.open), len(explanation.atoms)))


def _explained(
    formula: Formula, observations: Sequence[Observation], base: Settings, pairs: bool
) -> Explanation:
    search = _Search(formula, observations, base)
    if search.shape_alone():
        return Explanation((Atom("wrong_shape", {}, _shapes(formula, observations[0])),))
    atoms = [atom for atom in formula.atoms(observations[0].values) if search.changes_anything(atom)]
    if (whole := search.whole((atom,) for atom in atoms)) is not None:
        return whole
    singles = search.side_by_side()
    if not singles.open or not pairs:
        return singles
    likely = atoms if len(atoms) <= MAX_ATOMS_OF_ALL_PAIRS else [atom for atom in atoms if atom.common]
    if (whole := search.whole(combinations(likely, 2))) is not None:
        return whole
    return search.side_by_side()


def _shapes(formula: Formula, seen: Observation) -> str:
    """Name the first output with an axis too many or too few."""
    expected = formula.outputs(seen.values, formula.right[0].settings)
    name = differing(seen.outputs, expected)[0]
    return f"the numbers of {name} are right, but its axes are not those of its parameter"


class _Search:
    """The hypotheses tried so far, and the outputs that each reproduces."""

    def __init__(self, formula: Formula, observations: Sequence[Observation], base: Settings) -> None:
        self.formula, self.observations, self.base = formula, observations, base
        self.names = tuple(dict.fromkeys(name for o in observations for name in o.outputs))
        self.wrong = frozenset(self.names)
        self.wrong -= self.agreeing(())
        self.partial: list[tuple[tuple[Atom, ...], frozenset[str]]] = []

    def agreeing(self, atoms: tuple[Atom, ...]) -> frozenset[str]:
        """Return the outputs that these mistakes reproduce in every probe."""
        agreeing = set(self.names)
        for observation in self.observations:
            outputs = predicted(self.formula, observation.values, atoms, self.base)
            if outputs is None:
                return frozenset()
            yours = observation.outputs
            loose = bool(atoms)
            agreeing -= {n for n in yours if n in agreeing and not same(yours[n], outputs[n], loose=loose)}
            if not agreeing & self.wrong:
                break
        return frozenset(agreeing)

    def shape_alone(self) -> bool:
        """Whether all numbers are right and only axes of length 1 are in the wrong place."""
        for observation in self.observations:
            expected = self.formula.outputs(observation.values, self.base)
            yours = observation.outputs
            if not all(same(yours[name], expected[name], loose=True) for name in yours):
                return False
        return bool(self.wrong)

    def changes_anything(self, atom: Atom) -> bool:
        """Whether a mistake shows in any probe: relu's derivative at the output does not."""
        for observation in self.observations:
            expected = self.formula.outputs(observation.values, self.base)
            found = predicted(self.formula, observation.values, (atom,), self.base)
            if found is None or any(not same(found[n], expected[n], loose=True) for n in observation.outputs):
                return True
        return False

    def whole(self, hypotheses: Iterable[tuple[Atom, ...]]) -> Explanation | None:
        """Return the first hypothesis that reproduces everything; keep those that reproduce a part."""
        for atoms in hypotheses:
            names = self.agreeing(atoms)
            if len(names) == len(self.names):
                return Explanation(atoms)
            if names & self.wrong:
                self.partial.append((atoms, names))
        return None

    def side_by_side(self) -> Explanation:
        """Combine partial hypotheses, those first that explain most outputs for each mistake."""
        left = set(self.wrong)
        right = frozenset(self.names) - self.wrong
        chosen: list[Atom] = []
        while left:
            best: tuple[float, tuple[Atom, ...], frozenset[str]] = (-np.inf, (), frozenset())
            for atoms, names in self.partial:
                new = sum(atom not in chosen for atom in atoms)
                gain = len(names & left) / max(new, 1)
                # a mistake that would also change an output that is right explains less
                gain -= 0.1 * len(right - names)
                if names & left and gain > best[0]:
                    best = (gain, atoms, names)
            if not best[1]:
                break
            chosen += [atom for atom in best[1] if atom not in chosen]
            left -= best[2]
        return Explanation(tuple(chosen), tuple(name for name in self.names if name in left))

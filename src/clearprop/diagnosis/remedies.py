"""Search for the smallest set of remedies that restores a training, by trying them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from clearprop.diagnosis.causes import TITLES, DataChange, Hypothesis
from clearprop.diagnosis.experiments import Laboratory, Trial
from clearprop.diagnosis.program import Program
from clearprop.diagnosis.references import Achievable

#: Share of the budget that is kept for confirming what was found.
KEPT_FOR_CONFIRMATION = 0.25
#: How much a remedy's better result counts beside a higher suspicion.
SKILL_WEIGHT = 0.5
#: A suspect that is this much more suspicious than a remedy that restores the training alone, and makes up
#: this share of the deficit by itself, belongs to the remedy.
STRONGER, STRONG_SHARE = 0.3, 0.25
#: Share of the skill that is lost without a remedy, from which on the training does not do without it.
MATERIAL_DAMAGE = 0.1
#: A change of the optimizer says less about the learning rate than a change of the rate.
OTHER_OPTIMIZER = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Remedied:
    """A set of hypotheses whose remedies restore the training together.

    Attributes
    ----------
    hypotheses : tuple of Hypothesis
        The principal cause first.
    program : Program
    trial : Trial
        Of the remedied program.
    without : tuple of Trial or None
        For each hypothesis the training with all remedies but its own.
    """

    hypotheses: tuple[Hypothesis, ...]
    program: Program
    data_change: DataChange | None
    trial: Trial
    without: tuple[Trial | None, ...]


def changed(program: Program, hypotheses: Sequence[Hypothesis]) -> tuple[Program, DataChange | None]:
    """Return a program with the first remedy of each hypothesis, and the change of its rows, if any."""
    data_change: DataChange | None = None
    for each in sorted(hypotheses, key=lambda hypothesis: list(TITLES).index(hypothesis.name)):
        program = each.changes[0](program) if each.changes else program
        if each.data_change is not None:
            data_change = each.data_change if data_change is None else _both(data_change, each.data_change)
    return program, data_change


@cache
def _both(first: DataChange, second: DataChange) -> DataChange:
    """Return one change of rows after another; the same object for the same two."""
    return lambda x, y: second(*first(x, y))


class Search:
    """Tries remedies of a failing program.

    Parameters
    ----------
    lab : Laboratory
    program : Program
    seed : int
    base : Trial
        The program as it is.
    best : Achievable
    """

    def __init__(self, lab: Laboratory, program: Program, seed: int, base: Trial, best: Achievable) -> None:
        self._lab, self._program, self._seed = lab, program, seed
        self._base, self._best = base, best
        self._shares: dict[str, float] = {}

    def restores(self, trial: Trial) -> bool:
        """Tell whether a training has learned what can be learned."""
        return not trial.diverged and self._best.restores(trial.skill, self._base.skill)

    def singles(self, hypotheses: Sequence[Hypothesis]) -> tuple[list[Remedied], list[Hypothesis]]:
        """Try each remedy alone, the most suspicious first.

        Returns
        -------
        restoring : list of Remedied
            Those that restore the training, the most convincing first.
        tried : list of Hypothesis
            All, each with the best of its changes first.
        """
        restoring: list[tuple[float, Remedied]] = []
        tried = []
        for hypothesis in sorted(hypotheses, key=lambda each: each.rank):
            weight = hypothesis.suspicion + hypothesis.certain
            # a less suspicious one could not be more convincing
            if restoring and weight + SKILL_WEIGHT <= max(level for level, _ in restoring):
                tried.append(hypothesis)
                continue
            if not self._has_time():
                tried.append(hypothesis)
                continue
            hypothesis, trial = self._best_change(hypothesis)
            weight = hypothesis.suspicion + hypothesis.certain
            tried.append(hypothesis)
            if trial is None:
                continue
            self._shares[hypothesis.name] = max(self._share(trial), self._shares.get(hypothesis.name, 0.0))
            if self.restores(trial):
                program, data_change = changed(self._program, [hypothesis])
                found = Remedied((hypothesis,), program, data_change, trial, (self._base,))
                restoring.append((weight + SKILL_WEIGHT * self._share(trial), found))
        restoring.sort(key=lambda pair: -pair[0])
        return [found for _, found in restoring], tried

    def stronger(self, found: Remedied, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        """Return suspects that are much stronger than what restored the training alone.

        They help too, or contradict the data so that nobody would leave them.
        """
        weight = found.hypotheses[0].suspicion + found.hypotheses[0].certain
        return [
            each
            for each in hypotheses
            if each.suspicion + each.certain >= weight + STRONGER
            and (each.certain or self._shares.get(each.name, 0.0) >= STRONG_SHARE)
        ]

    def combination(
        self, hypotheses: Sequence[Hypothesis], needed: Sequence[Hypothesis] = ()
    ) -> Remedied | None:
        """Find the smallest set of remedies: apply all, then take back those that are not needed.

        Parameters
        ----------
        hypotheses : sequence of Hypothesis
        needed : sequence of Hypothesis
            Those of them that are kept, and named first.
        """
        together = _without_opposites(hypotheses)
        suspicious = [each for each in together if each.suspicion >= 0.3]
        whole = self._first_restoring([suspicious, together])
        if whole is None:
            return None
        names = {each.name for each in needed}
        return self._ordered(self._without_needless(whole, names), names)

    def _first_restoring(self, sets: Sequence[list[Hypothesis]]) -> list[Hypothesis] | None:
        """Return the first set that restores the training, its learning rate varied where it does not."""
        best: tuple[float, list[Hypothesis]] | None = None
        for chosen in sets:
            for variant in (chosen, *_other_rates(chosen)):
                if not variant or not self._has_time():
                    continue
                trial = self._try(variant)
                if self.restores(trial):
                    return variant
                if best is None or trial.skill > best[0]:
                    best = (trial.skill, variant)
        before = max(self._base.skill, 0.0)
        if best is None or best[0] - before < 0.4 * self._best.deficit(before):
            return None
        # the network cannot learn all that could be learned, but much more than it did
        self._best = replace(self._best, skill=best[0])
        return best[1]

    def _without_needless(self, chosen: list[Hypothesis], needed: set[str]) -> list[Hypothesis]:
        kept = list(chosen)
        for hypothesis in sorted(chosen, key=lambda each: each.rank, reverse=True):
            rest = [each for each in kept if each is not hypothesis]
            if rest and hypothesis.name not in needed and self._has_time() and self.restores(self._try(rest)):
                kept = rest
        return kept

    def _ordered(self, kept: list[Hypothesis], needed: set[str]) -> Remedied:
        """Put remedies first whose absence does material damage, and of these the most suspicious."""
        program, data_change = changed(self._program, kept)
        trial = self._try(kept)
        found = []
        for hypothesis in kept:
            rest = [each for each in kept if each is not hypothesis]
            without = self._try(rest, to_the_end=True) if rest else self._base
            damage = trial.skill - max(without.skill, 0.0)
            found.append((damage < MATERIAL_DAMAGE * max(trial.skill, 0.1), hypothesis, without))
        found.sort(key=lambda each: (each[1].name not in needed, each[0], each[1].rank))
        return Remedied(
            tuple(hypothesis for _, hypothesis, _ in found),
            program,
            data_change,
            trial,
            tuple(without for _, _, without in found),
        )

    def _best_change(self, hypothesis: Hypothesis) -> tuple[Hypothesis, Trial | None]:
        """Try the changes of a hypothesis in turn; return it with the best first."""
        best: tuple[float, int, Trial] | None = None
        for number, change in enumerate(hypothesis.changes):
            if not self._has_time():
                break
            trial = self._try([replace(hypothesis, changes=(change,))])
            if best is None or trial.skill > best[0] + 0.02:
                best = (trial.skill, number, trial)
            if self.restores(trial):
                break
        if best is None:
            return hypothesis, None
        _, number, trial = best
        others = [change for place, change in enumerate(hypothesis.changes) if place != number]
        suspicion = hypothesis.suspicion
        if trial.program.optimizer != self._program.optimizer:
            suspicion = max(suspicion - OTHER_OPTIMIZER, 0.05)
        changes = (hypothesis.changes[number], *others)
        return replace(hypothesis, changes=changes, suspicion=suspicion), trial

    def _try(self, hypotheses: Sequence[Hypothesis], *, to_the_end: bool = False) -> Trial:
        program, data_change = changed(self._program, hypotheses)
        deficit = self._best.deficit(self._base.skill)
        return self._lab.run(
            program,
            self._seed,
            data_change=data_change,
            enough=self._best.skill,
            hopeless=None if to_the_end else self._base.skill + 0.05 * deficit,
        )

    def _share(self, trial: Trial) -> float:
        """Return how much of the deficit a trial has made up, at most 1."""
        deficit = self._best.deficit(self._base.skill)
        return min(1.0, (trial.skill - self._base.skill) / deficit) if deficit > 0 else 1.0

    def _has_time(self) -> bool:
        return self._lab.left > KEPT_FOR_CONFIRMATION * self._lab.seconds


def _without_opposites(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Return the hypotheses without the less suspicious of a learning rate too high and too low."""
    rates = [each for each in hypotheses if each.name.startswith("learning_rate")]
    weaker = sorted(rates, key=lambda each: each.rank)[1:]
    return [each for each in hypotheses if each not in weaker]


def _other_rates(hypotheses: list[Hypothesis]) -> list[list[Hypothesis]]:
    """Return the sets with another change of the learning rate."""
    sets = []
    for place, hypothesis in enumerate(hypotheses):
        if hypothesis.name.startswith("learning_rate"):
            for change in hypothesis.changes[1:]:
                varied = replace(hypothesis, changes=(change,))
                sets.append([*hypotheses[:place], varied, *hypotheses[place + 1 :]])
            rest = [each for each in hypotheses if each is not hypothesis]
            sets.append(rest)
    return sets

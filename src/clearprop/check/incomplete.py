"""A forward pass that leaves out what the backward pass of the same file asks for."""

from __future__ import annotations

from dataclasses import replace

from clearprop.check.calling import Subject
from clearprop.check.judged import Judgement
from clearprop.check.structures import Own, expanded, names_in
from clearprop.check.verdicts import Status
from clearprop.check.wording import simple_mistake


def _missing_names(state: Judgement) -> list[str]:
    """Return the arrays that the submission's own activations lack beside the assignment's."""
    own = state.dialect.containers.get("activations")
    if not isinstance(own, Own):
        return []
    containers = state.assignment.containers
    whole = expanded(containers["activations"], state.assignment.layers, containers)
    return [name for name in names_in(whole) if name not in names_in(own.structure) and name != "x"]


def with_complete_containers(state: Judgement, subject: Subject) -> Subject | None:
    """Return a backward pass given the assignment's activations, if its own forward pass leaves some out."""
    if subject.function.role != "backward" or not _missing_names(state):
        return None
    containers = {**state.dialect.containers, "activations": state.assignment.containers["activations"]}
    return replace(subject, dialect=replace(subject.dialect, containers=containers), own_container=[])


def blame_incomplete(state: Judgement) -> None:
    """Call the forward pass wrong: the backward pass is right with what it should have returned."""
    missing = _missing_names(state)
    for judged in state.judged.values():
        if judged.function.role == "forward" and judged.verdict.status is Status.RIGHT:
            detail = f"it does not return {', '.join(missing)}, which the backward pass needs"
            mistake = simple_mistake("wrong_shape", detail, judged.verdict.line)
            judged.verdict = replace(judged.verdict, status=Status.WRONG, mistakes=(mistake,), points=0.0)

"""What one function returns and another of the same file cannot read."""

from __future__ import annotations

from dataclasses import replace

from clearprop.check.calling import Subject
from clearprop.check.judged import Judgement
from clearprop.check.structures import Own
from clearprop.check.verdicts import Status
from clearprop.check.wording import simple_mistake

# role of the reader -> the container that it reads, and the role of the function that returns it
_READ_BY = {"backward": ("activations", "forward"), "update": ("gradients", "backward")}


def with_complete_containers(state: Judgement, subject: Subject) -> Subject | None:
    """Return a function given the assignment's container, if the submission returns one of its own."""
    container, _ = _READ_BY.get(subject.function.role, ("", ""))
    if not isinstance(state.dialect.containers.get(container), Own):
        return None
    containers = {**state.dialect.containers, container: state.assignment.containers[container]}
    return replace(subject, dialect=replace(subject.dialect, containers=containers), own_container=[])


def blame_incomplete(state: Judgement, subject: Subject) -> None:
    """Call the function wrong whose container the reader cannot read: it is right with the assignment's."""
    container, role = _READ_BY[subject.function.role]
    for judged in state.judged.values():
        if judged.function.role == role and judged.verdict.status is Status.RIGHT:
            detail = f"its {container} are not in a container that {subject.function.name} can read"
            mistake = simple_mistake("wrong_shape", detail, judged.verdict.line)
            judged.verdict = replace(judged.verdict, status=Status.WRONG, mistakes=(mistake,), points=0.0)

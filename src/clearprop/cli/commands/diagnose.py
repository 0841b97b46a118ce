"""clearprop diagnose: why a training failed, and what mends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearprop.cli.options import DataDir, Overwrite, check_free
from clearprop.utils.errors import InvalidArgument

if TYPE_CHECKING:
    from clearprop.diagnosis import Diagnosis
    from clearprop.diagnosis.adapters.subject import Subject


def diagnose(
    place: Annotated[
        Path,
        typer.Argument(
            help="A run's folder, a study's folder, or a script that defines program, x and y.",
            metavar="RUN|STUDY|FILE.py",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the diagnosis into this HTML file too.", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option(help="Seconds that each training may be tried for.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    apply: Annotated[
        Path | None,
        typer.Option(help="Train with the remedy into a new run of this folder.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
    data_dir: DataDir = None,
) -> None:
    """Find out why a training fails, by trying the remedies.

    Example: clearprop diagnose runs/digits-1 --seconds 30
    """
    from clearprop.diagnosis.entry import check_seconds

    check_seconds(seconds)
    check_free("--html", html, overwrite, place)
    subjects = _subjects(place, data_dir)
    if apply is not None and len(subjects) > 1:
        raise InvalidArgument("--apply trains one remedied run, but this is a study; name one of its runs.")
    if apply is not None:
        _check_new(apply)
    found = {name: _diagnosed(subject, seed, seconds) for name, subject in subjects.items()}
    if as_json:
        values = {name: each.to_dict() for name, each in found.items()}
        print(json.dumps(values if len(values) > 1 else next(iter(values.values())), allow_nan=False))
    else:
        print("\n\n".join(f"{name}\n{each}" if len(found) > 1 else str(each) for name, each in found.items()))
    if html is not None:
        _write_html(html, found)
    if apply is not None:
        (subject,), (diagnosis,) = subjects.values(), found.values()
        _apply(apply, place, subject, diagnosis, seed, as_json)


def _subjects(place: Path, data_dir: Path | None) -> dict[str, Subject]:
    """Return what is to be diagnosed, by name: a run, a script, or the first run of each experiment."""
    from clearprop.diagnosis.adapters.runs import read_run_folder
    from clearprop.diagnosis.adapters.scripts import read_script
    from clearprop.study.results import RESULTS_FILE, read_results

    if place.suffix == ".py":
        return {place.name: read_script(place)}
    if not (place / RESULTS_FILE).exists():
        return {str(place): read_run_folder(place, data_dir)}
    results = read_results(place)
    return {
        experiment.name: read_run_folder(place / experiment.seeds[0].folder, data_dir, results.data.name)
        for experiment in results.experiments
    }


def _diagnosed(subject: Subject, seed: int, seconds: float) -> Diagnosis:
    from clearprop.diagnosis.entry import diagnose_subject

    return diagnose_subject(subject, seed=seed, seconds=seconds)


def _write_html(path: Path, found: dict[str, Diagnosis]) -> None:
    from markupsafe import Markup

    from clearprop.display.html import card
    from clearprop.utils.files import write_atomic

    # made by a template already, which has escaped it
    parts = [(name, Markup(each._repr_html_())) for name, each in found.items()]
    write_atomic(path, card("diagnosis_page", parts=parts).encode())


def _check_new(folder: Path) -> None:
    from clearprop.training.run_folder import RunFolder

    if RunFolder(folder).holds_a_run():
        raise InvalidArgument(f"{folder} holds a run already; choose another folder for --apply.")


def _apply(folder: Path, place: Path, subject: Subject, diagnosis: Diagnosis, seed: int, quiet: bool) -> None:
    """Train the remedied program into a run's folder, as clearprop train does."""
    from clearprop.diagnosis.adapters.runs import train_remedied

    if not diagnosis.changes() and diagnosis.remedied_data is None:
        print(f"Nothing was changed, so no run was made in {folder}.") if not quiet else None
        return
    made = train_remedied(folder, place, subject, diagnosis, seed)
    if not quiet:
        print(made)

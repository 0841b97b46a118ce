"""clearprop data: list, get, verify and describe data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearprop.cli.options import DataDir, KeepIndex, Label, Missing, Quiet, SkipDamaged, print_notes
from clearprop.display.text import printable

if TYPE_CHECKING:
    from clearprop.data import Dataset
    from clearprop.data.catalog import CatalogEntry
    from clearprop.data.fetching import LocalFile

app = typer.Typer(
    help="List, get, verify and describe data sets.\n\nExample: clearprop data get mnist",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Names = Annotated[list[str] | None, typer.Argument(help="Data sets by name.", show_default=False)]


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """List the data sets known by name, and which of them are here.

    Example: clearprop data list
    """
    from rich.console import Console
    from rich.table import Table

    from clearprop.data.catalog import CATALOG

    table = Table("name", box=None, pad_edge=False, header_style="bold")
    for column in ("training rows", "test rows", "classes", "download"):
        table.add_column(column, justify="right")
    table.add_column("here")
    for entry in CATALOG.values():
        size = sum(file.size for file in entry.files.values())
        table.add_row(
            entry.name,
            f"{entry.n_train:,}",
            f"{entry.n_test:,}",
            str(len(entry.class_names)),
            f"{size / 1e6:.1f} MB" if size else "none",
            _state(_look_up(entry, data_dir)),
        )
    Console().print(table)


@app.command()
def get(
    names: Annotated[list[str], typer.Argument(help="Data sets by name.", show_default=False)],
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Keep the files in this folder instead of the user's cache.", show_default=False),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Download data sets that are not here yet, and verify them.

    Example: clearprop data get mnist fashion-mnist
    """
    from clearprop.data.fetching import data_folder, obtain

    for entry in _entries(names):
        if data_dir is None:
            files = obtain(entry, data_folder(None), progress=not quiet)
        else:
            # also as the folder searched first, so that a user's own file is never replaced
            files = obtain(entry, data_dir, data_dir / entry.name, progress=not quiet)
        folders = sorted({str(path.parent) for path in files.values()})
        print(f"{entry.name}: {' and '.join(folders) or 'embedded in scikit-learn, nothing to download'}")


@app.command()
def verify(names: Names = None, data_dir: DataDir = None) -> None:
    """Compare every file that is here with its digest; name data sets to insist that they are complete.

    Example: clearprop data verify mnist
    """
    from clearprop.data.catalog import CATALOG
    from clearprop.data.fetching import damage
    from clearprop.utils.errors import DataError

    problems = []
    for entry in _entries(names) if names else CATALOG.values():
        files = _look_up(entry, data_dir)
        if not files:
            print(f"{entry.name}: embedded in scikit-learn, nothing to verify")
        elif not names and all(local.state == "missing" for local in files):
            print(f"{entry.name}: not here")
            continue
        for local in files:
            print(f"{entry.name}: {local.state} {local.path or local.file.name}")
            if local.state == "damaged":
                problems.append(damage(entry, local))
        missing = [local.file.name for local in files if local.state == "missing"]
        if missing:
            problems.append(
                f"{entry.name} is not complete here, {', '.join(missing)} missing; fetch it with: clearprop "
                f"data get {entry.name}."
            )
    if problems:
        raise DataError(" ".join(problems))


@app.command()
def info(
    source: Annotated[str, typer.Argument(help="A data set's name or path.", metavar="NAME|PATH")],
    data_dir: DataDir = None,
    label: Label = None,
    missing: Missing = None,
    keep_index: KeepIndex = False,
    skip_damaged: SkipDamaged = False,
) -> None:
    """Describe a data set: rows, features, classes and their balance, and where it lies.

    One that would have to be downloaded is described without its balance.

    Example: clearprop data info mnist
    """
    from clearprop.data import load_data
    from clearprop.data.catalog import CATALOG
    from clearprop.data.options import ReadOptions

    entry = CATALOG.get(source)
    if entry is None:
        reading = ReadOptions(label, missing, keep_index, skip_damaged)
        dataset = load_data(source, **reading.to_dict())
        print_notes(dataset.notes)
        _describe(dataset)
        return
    files = _look_up(entry, data_dir)
    complete = all(local.state == "genuine" for local in files)
    if complete:
        _describe(load_data(source, data_dir))
    else:
        print(f"{entry.name}: {entry.title}")
        print(f"rows      {entry.n_train:,} training, {entry.n_test:,} test")
        print(f"classes   {len(entry.class_names)}: {', '.join(entry.class_names)}")
    for local in files:
        print(f"file      {local.file.name}: {local.state}{f', {local.path}' if local.path else ''}")
    print(f"homepage  {entry.homepage}")
    if not complete:
        print(f"fetch it  clearprop data get {entry.name}")


def _describe(dataset: Dataset) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    test = dataset.test
    assert test is not None
    images = f", images {dataset.image_shape[0]}x{dataset.image_shape[1]}" if dataset.image_shape else ""
    if np.ndim(dataset.scaling.shift):
        scaling = "each feature minus its mean, divided by its standard deviation"
    else:
        scaling = "as they are" if dataset.scaling.factor == 1 else "divided by 255"
    print(printable(f"{dataset.name}: {dataset.source}"))
    print(f"rows      {len(dataset):,} training, {len(test):,} test")
    print(f"features  {dataset.n_features} ({dataset.x.dtype}{images}), {scaling}")
    print(f"classes   {dataset.n_classes}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class", overflow="fold")
    for column in ("training", "share", "test", "share"):
        table.add_column(column, justify="right")
    counts = [np.bincount(part.y, minlength=part.n_classes) for part in (dataset, test)]
    for name, *row in zip(dataset.class_names, *counts, strict=True):
        cells = [(f"{n:,}", f"{n / len(part):.1%}") for n, part in zip(row, (dataset, test), strict=True)]
        table.add_row(printable(name), *cells[0], *cells[1])
    Console(markup=False, highlight=False).print(table)


def _entries(names: list[str]) -> list[CatalogEntry]:
    from clearprop.data.catalog import CATALOG
    from clearprop.utils.arguments import check_choice

    return [CATALOG[check_choice("NAME", name, CATALOG)] for name in names]


def _look_up(entry: CatalogEntry, data_dir: Path | None) -> list[LocalFile]:
    from clearprop.data.fetching import data_folder, look_up

    folder = data_folder(data_dir)
    return [look_up(entry, file, folder) for file in entry.files.values()]


def _state(files: list[LocalFile]) -> str:
    states = {local.state for local in files}
    if not states:
        return "in scikit-learn"
    if "damaged" in states:
        return "damaged"
    if "missing" in states:
        return "no" if states == {"missing"} else "in part"
    return "yes"

"""clearprop study: run a study and write its report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearprop.cli import interrupts
from clearprop.cli.options import (
    DataDir,
    Device,
    KeepIndex,
    Label,
    Missing,
    Quiet,
    SkipDamaged,
    command_line,
    print_notes,
)

if TYPE_CHECKING:
    from clearprop.study.results import StudyResults
    from clearprop.training.callbacks import Callback


def study(
    name: Annotated[
        str, typer.Argument(help="A built-in study, or the path of a .toml file.", metavar="[NAME|FILE.toml]")
    ] = "activations",
    data: Annotated[
        str | None,
        typer.Option(help="A data set's name or path; the study names its own.", show_default=False),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Run each experiment with this many seeds.", show_default=False)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Train every experiment this long.", show_default=False)
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Run every experiment on numpy or torch.", show_default=False)
    ] = None,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(help="Where the results go; results/STUDY-DATA if not given.", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Skip what is complete and unchanged, or repeat it.")
    ] = True,
    diagnose: Annotated[
        float,
        typer.Option(
            help="Seconds of experiments on each training where something is wrong; 0 makes none.",
            metavar="SECONDS",
            min=0.0,
        ),
    ] = 30.0,
    data_dir: DataDir = None,
    label: Label = None,
    missing: Missing = None,
    keep_index: KeepIndex = False,
    skip_damaged: SkipDamaged = False,
    quiet: Quiet = False,
) -> None:
    """Run a study: train its experiments, compare them, and write report.html.

    Running the same command again skips what is complete and goes on with a run that was cut off, whether by
    Ctrl-C, a crash or a power cut.

    Example: clearprop study --data mnist --seeds 3
    """
    from clearprop.data import load_data
    from clearprop.data.options import ReadOptions
    from clearprop.data.origin import origin_of
    from clearprop.report import write_report
    from clearprop.study.definitions import load_study
    from clearprop.study.explaining import explain_study
    from clearprop.study.runner import run_study

    definition = load_study(name)
    source = data or definition.data
    reading = ReadOptions(label, missing, keep_index, skip_damaged)
    dataset = load_data(source, data_dir=data_dir, progress=not quiet, **reading.to_dict())
    print_notes(dataset.notes)
    folder = out or Path("results") / f"{definition.name}-{dataset.name}"
    try:
        with interrupts.delay_interrupts():
            results = run_study(
                definition,
                dataset,
                folder,
                seeds=seeds,
                epochs=epochs,
                engine=engine,
                device=device,
                fresh=not resume,
                origin=origin_of(source, data_dir, reading),
                command=command_line(),
                progress_for=_unseen if quiet else _progress,
            )
            with interrupts.allow_interrupts():
                explain_study(
                    definition,
                    dataset,
                    folder,
                    epochs=epochs,
                    seconds=diagnose,
                    say=_unsaid if quiet else _say,
                )
        path = write_report(folder)
    except KeyboardInterrupt as error:
        word, code = interrupts.begin_ending(error)
        print(
            f"{word}. What is complete is kept in {folder}, single epochs included; the same command "
            "goes on from there.",
            file=sys.stderr,
        )
        raise typer.Exit(code) from None
    _print_summary(results)
    print(path)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _unsaid(sentence: str) -> None:
    """Say nothing."""


def _unseen(*_: object) -> Sequence[Callback]:
    from clearprop.cli.safe_points import BetweenBatches

    return [BetweenBatches()]


def _progress(name: str, seed: int, number: int, total: int) -> Sequence[Callback]:
    from clearprop.training.progress import progress_callback

    return [progress_callback(f"[{number}/{total}] {name}, seed {seed}"), *_unseen()]


def _print_summary(results: StudyResults) -> None:
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    from clearprop.study.results import spread

    several = len(results.seeds) > 1
    # as narrow as it can be, since a name cut short is no name: it fits 80 columns
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("experiment", no_wrap=True)
    table.add_column("engine")
    parts = ("test",) if several else ("test", "train")
    columns = (*(f"{part}\naccuracy" for part in parts), "classes", "seconds", "rows/s")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    rows: list[tuple[str, ...]] = []
    for experiment in results.experiments:
        complete = experiment.complete
        if not complete:
            rows.append((experiment.name, experiment.engine, "diverged", *["-"] * (len(parts) + 2)))
            continue
        shares = []
        for part in parts:
            mean, deviation = spread(experiment.accuracies(part))
            shares.append(f"{mean:.4f} ± {deviation:.4f}" if several else f"{mean:.4f}")
        counts = {len(result.evaluations["test"].predicted_classes) for result in complete}
        rows.append(
            (
                experiment.name,
                experiment.engine,
                *shares,
                "-".join(str(count) for count in sorted({min(counts), max(counts)})),
                f"{spread([result.seconds for result in complete])[0]:.1f}",
                f"{spread([result.rows_per_second or 0 for result in complete])[0]:,.0f}",
            )
        )
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        # a pipe has no width
        console = Console(width=200)
    elif Measurement.get(console, console.options.update(max_width=1000), table).maximum > console.width:
        # too narrow for a table: figures that are cut short would tell nothing
        for name, engine, *figures in rows:
            print(f"{name} ({engine})")
            for column, figure in zip(columns, figures, strict=True):
                print(f"  {column.replace(chr(10), ' ')}: {figure}")
        return
    console.print(table)

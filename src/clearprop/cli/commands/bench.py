"""clearprop bench: measure Clearprop and its peers on the same work, side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearprop.cli import interrupts
from clearprop.cli.options import DataDir, Quiet, command_line

if TYPE_CHECKING:
    from clearprop.bench.results import BenchResults


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer rows, epochs and runs: minutes instead of an hour.")
    ] = False,
    work: Annotated[
        list[str] | None,
        typer.Option(
            help="train, grid (layer and batch sizes), predict, cold-start, estimator (MLPClassifier.fit) "
            "or scaling (how cost grows); several with commas, or one after the other; all but scaling if "
            "not given.",
            show_default=False,
        ),
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option(
            help="jax, torch, scikit-learn, floor; several with commas, or one after the other; all if not "
            "given.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="For everyone; one for each core if not given.", show_default=False)
    ] = None,
    runs: Annotated[
        int | None,
        typer.Option(
            help="Rounds, each with a fresh process for everyone; 5, or 3 with --quick.", show_default=False
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where bench.md and the pictures go.")] = Path("results/bench"),
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", help="Write all that was measured as JSON.", show_default=False
        ),
    ] = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Measure Clearprop beside JAX, PyTorch and scikit-learn, and beside its matrix products alone.

    Everyone does the same work with the same number of threads, in turns and in fresh processes. A peer that
    trains to another loss is not compared, and the exit code is 1. Peers come with "clearprop[bench]".

    Example: clearprop bench --quick --work train --peers jax,torch
    """
    from clearprop.bench.running import run_bench
    from clearprop.bench.workloads import WORKS
    from clearprop.utils.arguments import check_choice
    from clearprop.utils.files import make_folder, write_json

    works = [check_choice("work", each, WORKS) for each in _parts(work)] or list(WORKS[:5])
    folder = make_folder(out)
    if json_file is not None:
        make_folder(json_file.parent)
    results = run_bench(
        works,
        _parts(peers),
        quick=quick,
        threads=threads,
        runs=runs,
        data_dir=data_dir,
        command=command_line(),
        report=(lambda line: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True)),
    )
    word, code = interrupts.begin_ending() if results.interrupted else ("", 0)
    if results.interrupted and not results.results:
        print(f"{word} before the first work was complete; nothing was written.", file=sys.stderr)
        raise typer.Exit(code)
    _print(results)
    paths = _write(results, folder)
    if json_file is not None:
        paths.append(write_json(json_file, results.to_dict()))
    for sentence in (*results.notes, *results.problems):
        print(sentence, file=sys.stderr)
    for path in paths:
        print(path)
    if results.interrupted:
        print(f"{word}. The works that were complete are kept in {folder}.", file=sys.stderr)
        raise typer.Exit(code)
    if results.problems:
        raise typer.Exit(1)


def _parts(texts: list[str] | None) -> list[str]:
    return [part.strip() for text in texts or () for part in text.split(",") if part.strip()]


def _print(results: BenchResults) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from clearprop.bench.tables import bars_met, tables, where

    terminal = Console()
    # a pipe has no width, and the default of 80 columns would cut figures off
    console = terminal if terminal.is_terminal else Console(width=150)
    console.print(where(results), markup=False, highlight=False, soft_wrap=not terminal.is_terminal)
    for each in tables(results):
        table = Table(title=each.title, title_justify="left", box=box.SIMPLE_HEAD, caption_justify="left")
        table.caption = " ".join(each.notes)
        for number, column in enumerate(each.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in each.rows:
            table.add_row(*row)
        console.print(table)
    if any(result.workload.bars for result in results.results):
        console.print(bars_met(results), highlight=False)


def _write(results: BenchResults, folder: Path) -> list[Path]:
    """Write the Markdown table and the pictures."""
    from clearprop.bench.figures import DPI, bars_figure, grouped, growth_figure
    from clearprop.bench.tables import markdown
    from clearprop.utils.files import write_atomic

    paths = [write_atomic(folder / "bench.md", markdown(results))]
    alone = [result for result in results.results if not result.workload.group]
    if alone:
        paths.append(write_atomic(folder / "bench.png", bars_figure(alone).png(DPI)))
    groups = grouped(results.results)
    if groups:
        paths.append(write_atomic(folder / "scaling.png", growth_figure(groups).png(DPI)))
    return paths

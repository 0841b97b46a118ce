"""Results as tables of text, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from clearprop.bench.judging import Comparison, Outcome, Result, best_peer
from clearprop.bench.peers import BY_NAME, CLEARPROP, FLOOR
from clearprop.bench.results import BenchResults

#: Memory limit of `clearprop train --data mnist`, in bytes.
MOST_MEMORY = 300_000_000

#: The definition of the floor, for each kind of work.
FLOORS = {
    "train": "Floor: the bare matrix products of the epoch in their best layout, and nothing else.",
    "instruments": "Without instruments: the same training, with nothing looked at.",
    "predict": "Floor: the bare matrix products of the prediction in their best layout, and nothing else.",
    "single": "Floor: reading every weight from memory once.",
}
#: Packages whose versions decide how fast a contestant is.
DECISIVE = ("clearprop", "python", "numpy", "scikit-learn", "torch", "jax")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; all columns except the first are right-aligned."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)


def tables(results: BenchResults) -> list[Table]:
    """Return one table for every workload, or for every group of them."""
    made = []
    for group, group_results in groupby(results.results, lambda result: result.workload.group):
        in_group = list(group_results)
        made += [_group_table(group, in_group)] if group else [_table(result) for result in in_group]
    return made


def markdown(results: BenchResults) -> str:
    """Return the whole benchmark as Markdown: machine, tables, and notes on skipped work."""
    lines = ["# Benchmark", "", where(results), ""]
    for table in tables(results):
        lines += [f"## {table.title}", "", *_markdown_rows(table), ""]
        for note in table.notes:
            lines += [note, ""]
    if any(result.workload.bars for result in results.results):
        lines += [bars_met(results), ""]
    remarks = [*results.problems, *results.notes]
    if remarks:
        lines += ["## Not compared", "", *(f"- {remark}" for remark in remarks), ""]
    if results.command:
        lines += [f"Made with `{results.command}`.", ""]
    return "\n".join(lines)


def where(results: BenchResults) -> str:
    """Return the machine, the versions and the rows as a few sentences."""
    machine = results.machine
    memory = f", {machine['memory'] / 2**30:.0f} GiB" if machine["memory"] else ""
    blas = next((library for library in results.libraries if library.get("internal_api") != "openmp"), None)
    words = [f"{machine['processor']}, {machine['system']}, {machine['cores']} cores{memory}."]
    if blas is not None:
        kernel = f" ({blas['architecture']} kernels)" if blas.get("architecture") else ""
        words.append(f"NumPy's products by {blas['internal_api']} {blas['version']}{kernel}.")
    words.append(f"Clearprop's update rules: {'compiled' if results.compiled else 'in passes of NumPy'}.")
    words.append(
        f"Threads for everyone: {results.threads}. "
        f"Runs: {results.runs}, interleaved, each in a fresh process."
    )
    words.append(results.data)
    here = [f"{name} {results.versions[name]}" for name in DECISIVE if name in results.versions]
    words.append(f"{', '.join(here)}.")
    return " ".join(words)


def duration(seconds: float) -> str:
    """Return a duration with three significant digits, in s, ms or µs."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 0.9995 or unit == "µs":
            value = seconds * factor
            decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
            return f"{value:,.{decimals}f} {unit}"
    raise AssertionError


def bars_met(results: BenchResults) -> str:
    """Return how many of the bars are met, as one sentence."""
    measured = [each for result in results.results for each in result.comparisons if each.met is not None]
    planned = sum(len(result.workload.bars) for result in results.results)
    unmeasured = planned - len(measured)
    missing = f" {unmeasured} could not be measured." if unmeasured else ""
    return f"Bars met: {sum(bool(each.met) for each in measured)} of {len(measured)}.{missing}"


def memory_verdict(result: Result) -> str:
    """Return the sentence on the peak memory of Clearprop's cold start, or "" if it was not measured."""
    for outcome in result.outcomes:
        if outcome.peer == CLEARPROP and outcome.peak_memory is not None:
            verdict = "met" if outcome.peak_memory <= MOST_MEMORY else "missed"
            return (
                f"Peak memory of {outcome.title}: {outcome.peak_memory / 1e6:.0f} MB "
                f"(at most {MOST_MEMORY / 1e6:.0f} MB: {verdict})."
            )
    return ""


def _table(result: Result) -> Table:
    workload = result.workload
    measure = {
        **dict.fromkeys(("train", "instruments", "fit"), "train loss"),
        "cold-start": "test accuracy",
    }.get(workload.kind)
    columns = ("", "median", "least to most", *filter(None, [measure]), "Clearprop / it", "by round", "bar")
    rows: list[tuple[str, ...]] = []
    for outcome in result.outcomes:
        cells = [outcome.title, _median(outcome), _spread(outcome)]
        if measure:
            value = outcome.accuracy if workload.kind == "cold-start" else outcome.loss
            cells.append("-" if value is None else f"{value:.4f}")
        comparison = next((each for each in result.comparisons if each.against == outcome.contestant), None)
        rows.append((*cells, *_ratio(comparison)))
    network = (
        f"Network {'-'.join(map(str, workload.layer_sizes))}, relu, {workload.dtype}; {workload.rows:,} rows."
    )
    notes = [network, FLOORS.get(workload.kind, ""), memory_verdict(result)]
    return Table(workload.title, columns, rows, [note for note in notes if note])


def _median(outcome: Outcome) -> str:
    if not outcome.seconds:
        return "failed"
    return duration(outcome.median) + (", not compared" if outcome.problem else "")


def _spread(outcome: Outcome) -> str:
    return f"{duration(min(outcome.seconds))} to {duration(max(outcome.seconds))}" if outcome.seconds else "-"


def _ratio(comparison: Comparison | None) -> tuple[str, str, str]:
    if comparison is None:
        return ("", "", "")
    return (f"{comparison.ratio:.2f}", f"{comparison.low:.2f} to {comparison.high:.2f}", _bar(comparison))


def _bar(comparison: Comparison | None) -> str:
    if comparison is None or comparison.at_most is None:
        return ""
    return f"≤ {comparison.at_most:.2f} {'met' if comparison.met else 'missed'}"


def _group_table(group: str, results: Sequence[Result]) -> Table:
    """Return a table with one row a workload and one column a contestant."""
    names = list(dict.fromkeys(outcome.contestant for result in results for outcome in result.outcomes))
    with_peers = any(BY_NAME[name].peer not in (CLEARPROP, FLOOR) for name in names)
    columns = [group, "rows", *(BY_NAME[name].title for name in names), "Clearprop / floor"]
    columns += ["Clearprop / best peer", "bar"] if with_peers else []
    rows = []
    for result in results:
        by_name = {outcome.contestant: outcome for outcome in result.outcomes}
        cells = [result.workload.at, f"{result.workload.rows:,}"]
        cells += [_median(by_name[name]) if name in by_name else "" for name in names]
        floor = next((each for each in result.comparisons if each.against == FLOOR), None)
        cells.append(_ratio(floor)[0])
        if with_peers:
            best = best_peer(result)
            cells += [_ratio(best)[0], _bar(best)]
        rows.append(tuple(cells))
    notes = ["Medians; SGD, relu, float32.", FLOORS["train"]]
    return Table(f"Time of an epoch, by {group}", tuple(columns), rows, notes)


def _markdown_rows(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.columns)} |"
    yield f"|---{'|---:' * (len(table.columns) - 1)}|"
    for row in table.rows:
        yield f"| {' | '.join(row)} |"

"""The example notebook: it runs in a real kernel, shows each thing once, and its numbers hold its text."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from clearprop.utils.files import write_atomic

for _package in ("nbformat", "nbclient", "jupyter_client", "ipykernel"):
    pytest.importorskip(_package, reason=f"{_package}, which the notebook needs, is not installed")
import nbformat  # noqa: E402
from jupyter_client import AsyncKernelManager  # noqa: E402
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbformat import NotebookNode  # noqa: E402

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "activation_study.ipynb"
LONGEST_SECONDS = 240
MOST_BYTES = 600_000
PROGRESS = 'role="progressbar"'

# runs after the last cell of the notebook, in the same kernel
FACTS = """
import json, sys
facts = {
    "torch": "torch" in sys.modules,
    "accuracies": {name: evaluation.accuracy for name, evaluation in evaluations.items()},
    "classes": {name: evaluation.predicted_classes for name, evaluation in evaluations.items()},
    "reached": {
        name: next((e["epoch"] for e in run.history.epochs if e["validation_accuracy"] >= 0.9), None)
        for name, run in {**runs, "Adam": adam_run}.items()
    },
    "plateau": runs["sigmoid"].history.epochs[9]["train_loss"],
    "lowest_twice": lowest,
    "decay_over_gradient": [
        float(0.001 * np.linalg.norm(parameters[f"w{i}"]) / np.linalg.norm(twice_gradients[f"dw{i}"]))
        for i in (1, 2, 3, 4)
    ],
}
print(json.dumps(facts))
"""


class ThisPython(KernelSpecManager):
    """Knows one kernel: the Python that runs the tests, whatever kernels are installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python"
        )


class Listener(NotebookClient):
    """Counts how often each cell moved a bar that was there already."""

    def process_message(self, message: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        if message["msg_type"] == "update_display_data" and PROGRESS in str(message["content"]["data"]):
            cell.metadata["moves"] = cell.metadata.get("moves", 0) + 1
        return super().process_message(message, cell, cell_index)


def execute(folder: Path) -> NotebookNode:
    """Run the notebook and the facts in a folder of their own."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(FACTS))
    for cell in notebook.cells:
        cell.outputs = []
    client = Listener(
        notebook,
        timeout=LONGEST_SECONDS,
        allow_errors=True,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.km = AsyncKernelManager(kernel_spec_manager=ThisPython())
    return client.execute()


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """Return the executed notebook; it is run once, even where its tests are spread over processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    result = shared / "notebook.ipynb"
    try:
        (shared / "notebook").mkdir()
    except FileExistsError:
        last = time.monotonic() + LONGEST_SECONDS
        while not result.exists():
            assert time.monotonic() < last, "the process that runs the notebook has not come back"
            time.sleep(0.2)
        return nbformat.read(result, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        # settings of whoever runs the tests stay out of it; conftest.py has seen to the number of threads
        for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(variable, str(shared / variable.lower()))
        patch.delenv("MPLBACKEND", raising=False)
        notebook = execute(shared / "notebook")
    write_atomic(result, nbformat.writes(notebook).encode())
    return notebook


@pytest.fixture(scope="module")
def facts(executed: NotebookNode) -> dict[str, Any]:
    """Return what the kernel held after the last cell."""
    return json.loads(executed.cells[-1].outputs[0].text)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source != FACTS]


def shown(cell: NotebookNode, kind: str) -> list[str]:
    """Return all that a cell shows of one kind, such as "image/png", bars of progress left out."""
    found = [output.data.get(kind) for output in cell.outputs if "data" in output]
    return [data for data in found if data is not None and PROGRESS not in data]


def printed(cell: NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def kinds_of_output(notebook: NotebookNode) -> list[list[list[str]]]:
    return [
        [sorted(output.get("data", {output.get("name"): None})) for output in cell.outputs]
        for cell in code_cells(notebook)
    ]


def test_every_cell_runs_without_an_error_or_a_warning(executed: NotebookNode) -> None:
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", f"{output.ename}: {output.evalue}\n{cell.source}"
            assert output.get("name") != "stderr", output.text


def test_every_figure_is_shown_once(executed: NotebookNode) -> None:
    draws = re.compile(r"^(plots\.plot_\w+\(|.*\.plot(_\w+)?\(\)$)", re.MULTILINE)
    drawing = [cell for cell in code_cells(executed) if draws.search(cell.source)]
    assert len(drawing) >= 10
    for cell in code_cells(executed):
        assert len(shown(cell, "image/png")) == (cell in drawing), cell.source


@pytest.mark.parametrize(
    ("title", "source"),
    [
        ("Network", 'cp.Network(SIZES, activation="relu")'),
        ("Run", 'runs["relu"]'),
        ("Evaluation", 'evaluations["relu"]'),
        ("Evaluation", 'evaluations["Adam + L2, softmax twice"]'),
    ],
)
def test_networks_runs_and_evaluations_are_shown_as_html_once(
    executed: NotebookNode, title: str, source: str
) -> None:
    (cell,) = (
        cell for cell in code_cells(executed) if cell.source.endswith(f"\n{source}") or cell.source == source
    )
    (html,) = shown(cell, "text/html")
    assert f"<strong>{title}</strong>" in html


def test_nothing_else_is_shown_as_html(executed: NotebookNode) -> None:
    assert sum(len(shown(cell, "text/html")) for cell in code_cells(executed)) == 4


def test_each_training_shows_one_bar_that_moves_in_place(executed: NotebookNode) -> None:
    trainings = 0
    for cell in code_cells(executed):
        expected = 0
        if "cp.train(" in cell.source:
            expected = 3 if cell.source.startswith("runs = {}") else cell.source.count("cp.train(")
        bars = [
            output.data["text/html"]
            for output in cell.outputs
            if PROGRESS in output.get("data", {}).get("text/html", "")
        ]
        assert len(bars) == expected, cell.source
        for bar in bars:
            assert 'aria-valuenow="100"' in bar
            assert "validation accuracy" in bar
            assert "rows/s" in bar
        # at least once an epoch, of which the shortest training has ten
        assert cell.metadata.get("moves", 0) >= 10 * expected
        trainings += expected
    assert trainings == 8


def test_it_needs_no_pytorch(facts: dict[str, Any]) -> None:
    assert facts["torch"] is False


def test_backprop_agrees_with_finite_differences(executed: NotebookNode) -> None:
    (cell,) = (cell for cell in code_cells(executed) if "relative difference" in cell.source)
    difference = re.search(r"relative difference: (\S+)", printed(cell))
    assert difference is not None
    assert float(difference[1]) < 1e-7


def test_the_gradient_vanishes_with_the_sigmoid_only(executed: NotebookNode) -> None:
    (cell,) = (cell for cell in code_cells(executed) if "w1/w4" in cell.source)
    for name in ("sigmoid", "tanh", "relu"):
        line = re.search(rf"^{name} (.*)$", printed(cell), re.MULTILINE)
        assert line is not None
        *lengths, ratio = map(float, line[1].split()[3:])
        assert lengths == sorted(lengths, reverse=name != "sigmoid")
        assert ratio < 0.2 if name == "sigmoid" else ratio > 1


def test_only_the_sigmoid_waits_on_a_plateau(facts: dict[str, Any]) -> None:
    assert 2.2 < facts["plateau"] < 2.35
    assert facts["reached"]["sigmoid"] is None
    assert max(facts["reached"][name] for name in ("tanh", "relu", "Adam")) <= 8
    assert 0.5 < facts["accuracies"]["sigmoid"] < 0.9 < facts["accuracies"]["tanh"]


def test_the_softmax_applied_twice_slows_the_training_and_floors_the_loss(facts: dict[str, Any]) -> None:
    once, twice = (facts["reached"][f"Adam, softmax {count}"] for count in ("once", "twice"))
    assert twice >= 2.5 * once
    assert 1.4611 < facts["lowest_twice"] < 1.5
    assert facts["accuracies"]["Adam, softmax twice"] > 0.85


def test_with_l2_on_top_the_decay_wins_and_the_network_collapses(facts: dict[str, Any]) -> None:
    first, second, *_ = facts["decay_over_gradient"]
    assert min(first, second) > 3
    collapsed = [name for name, classes in facts["classes"].items() if classes == 1]
    assert collapsed == ["Adam + L2, softmax twice"]
    assert facts["accuracies"]["Adam + L2, softmax twice"] < 0.12
    assert facts["accuracies"]["AdamW, softmax once"] > 0.9


def test_the_file_holds_the_outputs_of_one_run_from_top_to_bottom() -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    cells = code_cells(stored)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert stored.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def test_the_stored_outputs_are_of_the_kinds_that_a_run_gives(executed: NotebookNode) -> None:
    assert kinds_of_output(nbformat.read(NOTEBOOK, as_version=4)) == kinds_of_output(executed)


def test_the_file_is_small_and_names_no_place_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert not re.search(r"(?<![\w.<])/(?:home|root|tmp|work|Users|usr|opt|var)/|[A-Z]:\\\\", text)

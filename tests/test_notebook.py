"""The example notebook: it runs in a real kernel, shows each thing once, and its numbers bear out its text."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from clearprop.files import write_atomic

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
    "difference": float(abs(measured / gradients_by_hand - 1)),
    "decay_over_gradient": [
        float(0.001 * np.linalg.norm(parameters[f"w{i}"]) / np.linalg.norm(twice_gradients[f"dw{i}"]))
        for i in (1, 2, 3, 4)
    ],
}
print(json.dumps(facts))
"""


class ThisPython(KernelSpecManager):  # type: ignore[misc]
    """Knows one kernel: the Python that runs the tests, whatever kernels are installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python"
        )


class Listener(NotebookClient):  # type: ignore[misc]
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

"""The notebook of the diagnosis: a PyTorch and a Keras training fail in it, and are mended."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

for _package in ("nbformat", "nbclient", "jupyter_client", "ipykernel"):
    pytest.importorskip(_package, reason=f"{_package}, which the notebook needs, is not installed")
pytest.importorskip("torch", reason="the notebook trains in PyTorch, an extra that is not installed here")
import nbformat  # noqa: E402
from jupyter_client import AsyncKernelManager  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbformat import NotebookNode  # noqa: E402
from test_notebook import ThisPython  # noqa: E402

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "diagnosis.ipynb"
# runs after the last cell of the notebook, in the same kernel
FACTS = """
import json
facts = {
    "torch": [cause.name for cause in torch_diagnosis.causes],
    "torch_accuracy": torch_accuracy,
    "keras": None if keras is None else [cause.name for cause in keras_diagnosis.causes],
    "keras_accuracy": None if keras is None else mended_accuracy,
}
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(FACTS))
    folder = tmp_path_factory.mktemp("notebook")
    client = NotebookClient(
        notebook, timeout=200, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    )
    client.km = AsyncKernelManager(kernel_spec_manager=ThisPython())
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(variable, str(folder / variable.lower()))
        patch.delenv("KERAS_BACKEND", raising=False)
        return client.execute()


@pytest.fixture(scope="module")
def facts(executed: NotebookNode) -> dict[str, Any]:
    return json.loads(executed.cells[-1].outputs[-1].text)


def test_the_learning_rate_is_the_cause_in_pytorch_and_a_smaller_one_mends_it(facts: dict[str, Any]) -> None:
    assert facts["torch"] == ["learning_rate_too_high"]
    assert facts["torch_accuracy"] > 0.8


def test_softmax_on_one_unit_is_the_first_cause_in_keras_and_the_remedy_mends_it(
    facts: dict[str, Any],
) -> None:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed, so the notebook leaves its part out")
    assert facts["keras"][0] == "softmax_on_one_unit"
    assert facts["keras_accuracy"] > 0.9


def test_stored_outputs_are_of_one_run_in_which_both_trainings_are_mended() -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    cells = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    text = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    accuracies = [float(found) for found in re.findall(r"accuracy on held-out rows: (\S+)", text)]
    assert len(accuracies) == 4
    assert accuracies[0] < 0.2 < 0.8 < accuracies[1]
    assert accuracies[2] < 0.7 < 0.9 < accuracies[3]

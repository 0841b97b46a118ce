"""No module of the package imports itself in a circle, imports inside functions included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import clearprop

ROOT = Path(clearprop.__file__).parent


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in ROOT.rglob("*.py")}


def imported_by(node: ast.AST) -> Iterator[str]:
    """Give the modules that the code imports when it runs, at the top of a file or inside a function."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        for child in node.orelse:
            yield from imported_by(child)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "the package's imports are absolute"
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            yield submodule if submodule in MODULES else str(node.module)
    for child in ast.iter_child_nodes(node):
        yield from imported_by(child)


def import_graph() -> dict[str, set[str]]:
    return {
        name: {other for other in imported_by(ast.parse(path.read_text())) if other in MODULES} - {name}
        for name, path in MODULES.items()
    }


def test_import_graph_has_no_circle() -> None:
    graph = import_graph()
    assert sum(map(len, graph.values())) > len(graph)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_circle_of_lazy_imports_would_be_found() -> None:
    source = "def f():\n    from clearprop.scratch import sigmoid\n"
    assert list(imported_by(ast.parse(source))) == ["clearprop.scratch"]

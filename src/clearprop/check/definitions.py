"""Functions that a submission defines, as its syntax tree shows them: parameters, lines, calls, globals."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class of the submission.

    Parameters
    ----------
    name : str
        "backprop", or "Network.backprop".
    line : int
    parameters : tuple of str, optional
        Positional ones without ``self``; None where the signature is not in the file (an import).
    required : int
        How many of them have no default.
    keyword_only : tuple of str
    variadic : bool
        Whether it takes ``*args``.
    reads : frozenset of str
        Names that it reads but does not define: functions, modules and data of the module.
    methods_called : frozenset of str
        Names of the attributes that it calls: ``self.cost_derivative(...)``.
    imported_from : str
        The module that the name is imported from; empty if it is defined in the file.
    is_class : bool
    """

    name: str
    line: int
    parameters: tuple[str, ...] | None = None
    required: int = 0
    keyword_only: tuple[str, ...] = ()
    variadic: bool = False
    reads: frozenset[str] = frozenset()
    methods_called: frozenset[str] = frozenset()
    imported_from: str = ""
    is_class: bool = False


@dataclass(frozen=True, slots=True)
class Module:
    """The definitions of a file by name, and the names of its data at the top level."""

    definitions: Mapping[str, Definition]
    imports: Mapping[str, str]
    data: frozenset[str] = frozenset()

    def find(self, *names: str) -> Definition | None:
        """Return the first of these definitions that exists; in the last resort case may differ."""
        for name in names:
            if name in self.definitions:
                return self.definitions[name]
        for name in names:
            owner, _, short = name.rpartition(".")
            methods = [d for n, d in self.definitions.items() if "." in n and n.rpartition(".")[2] == short]
            # a class of another name, or a function that is a method here
            if len(methods) == 1 and (owner or self._is_whole_network(methods[0])):
                return methods[0]
        plain = {_plain(name): definition for name, definition in self.definitions.items()}
        for name in names:
            if _plain(name) in plain and not plain[_plain(name)].is_class:
                return plain[_plain(name)]
        return None

    def _is_whole_network(self, method: Definition) -> bool:
        """Whether a method belongs to a class that also has a backward pass."""
        owner = method.name.rpartition(".")[0]
        return any(f"{owner}.{name}" in self.definitions for name in ("backprop", "backward", "back_prop"))

    def helpers(self, definition: Definition) -> list[str]:
        """Return the functions of the file that a function calls, itself or through others."""
        found: list[str] = []
        queue = [definition]
        while queue:
            current = queue.pop(0)
            owner = current.name.rpartition(".")[0]
            names = [name for name in sorted(current.reads) if name in self.definitions]
            if owner:
                names += [f"{owner}.{name}" for name in sorted(current.methods_called)]
            for name in names:
                if name in self.definitions and name not in found and name != definition.name:
                    found.append(name)
                    queue.append(self.definitions[name])
        return found

    def data_read(self, definition: Definition) -> list[str]:
        """Return the data of the module that a function reads, itself or through helpers."""
        names = set(definition.reads)
        for helper in self.helpers(definition):
            names |= self.definitions[helper].reads
        return sorted(names & self.data)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def definitions_of(source: str) -> Module:
    """Read the definitions of a submission's source.

    Parameters
    ----------
    source : str
        Python that parses.
    """
    found: dict[str, Definition] = {}
    imports: dict[str, str] = {}
    tree = ast.parse(source)
    for node in _statements(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = _function(node.name, node, node.lineno)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = Definition(node.name, node.lineno, is_class=True)
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    name = f"{node.name}.{part.name}"
                    static = any(
                        isinstance(d, ast.Name) and d.id == "staticmethod" for d in part.decorator_list
                    )
                    found[name] = _function(name, part, part.lineno, skip_self=not static)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                imports[alias.asname or alias.name.partition(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = alias.asname or alias.name
                imports[name] = f"{node.module or ''}.{alias.name}"
                found[name] = Definition(name, node.lineno, imported_from=node.module or "")
        elif (
            isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        ):
            name = node.targets[0].id
            if isinstance(node.value, ast.Lambda):
                found[name] = _function(name, node.value, node.lineno)
            elif isinstance(node.value, ast.Name) and node.value.id in found:
                original = found[node.value.id]
                found[name] = Definition(
                    name,
                    node.lineno,
                    original.parameters,
                    original.required,
                    original.keyword_only,
                    original.variadic,
                    original.reads | {original.name},
                )
            elif isinstance(node.value, ast.Attribute | ast.Call) and _is_function_value(node.value):
                found[name] = Definition(name, node.lineno)
    return Module(found, imports, frozenset(_assigned(tree)) - found.keys() - imports.keys())


def _assigned(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the top level binds, whether or not it gets that far."""
    for node in _statements(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


def _is_function_value(node: ast.expr) -> bool:
    """Whether an assigned value looks like a function: ``np.tanh``, ``np.vectorize(...)``."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.attr in ("tanh", "expit", "maximum")
    called = node.func if isinstance(node, ast.Call) else node
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in ("vectorize", "partial", "frompyfunc", "njit", "jit")


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of the top level, also those inside if, try and with."""
    for node in body:
        yield node
        for field in ("body", "orelse", "finalbody", "handlers"):
            if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While) and hasattr(node, field):
                for part in getattr(node, field):
                    yield from _statements(part.body if isinstance(part, ast.ExceptHandler) else [part])


def _function(
    name: str,
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
    line: int,
    *,
    skip_self: bool = False,
) -> Definition:
    arguments = node.args
    parameters = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    required = len(parameters) - len(arguments.defaults)
    if skip_self and parameters:
        parameters = parameters[1:]
        required -= 1
    optional = {
        a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None
    }
    return Definition(
        name,
        line,
        tuple(parameters),
        max(required, 0),
        tuple(a.arg for a in arguments.kwonlyargs if a.arg not in optional or a.arg in ("rng", "seed")),
        arguments.vararg is not None,
        _free_names(node),
        frozenset(
            part.func.attr
            for part in ast.walk(node)
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
        ),
    )


def _free_names(node: ast.AST) -> frozenset[str]:
    """Return the names that a function reads and does not bind itself."""
    read: set[str] = set()
    bound: set[str] = set()
    declared_global: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            (read if isinstance(part.ctx, ast.Load) else bound).add(part.id)
        elif isinstance(part, ast.arg):
            bound.add(part.arg)
        elif isinstance(part, ast.Global):
            declared_global.update(part.names)
        elif isinstance(part, ast.FunctionDef | ast.ClassDef) and part is not node:
            bound.add(part.name)
        elif isinstance(part, ast.alias):
            bound.add((part.asname or part.name).partition(".")[0])
        elif isinstance(part, ast.ExceptHandler) and part.name:
            bound.add(part.name)
    return frozenset((read - (bound - declared_global)) - _BUILTINS)

"""Libraries that are missing are stood in for: objects that take every call and attribute and do nothing.

Plots, downloads and tables at the top level of a submission must not keep its functions from being judged.
"""

from __future__ import annotations

import ast
import builtins
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

# stood in for even where they are installed: nothing is drawn or shown, and some take seconds to import
NEVER_IMPORTED = frozenset(
    ("matplotlib", "pylab", "seaborn", "plotly", "bokeh", "altair", "IPython", "ipywidgets", "tqdm", "google")
)
LESSON = "clearprop.scratch"
_CATCHING_IMPORTS = frozenset(("ImportError", "ModuleNotFoundError", "Exception", "BaseException"))


class StandIn:
    """An object of a library that is not here.

    It takes any call, attribute and operator, and is empty; a function in the first argument of a call is
    returned, so that decorators change nothing. It has no numbers: NumPy and ``float`` raise ImportError.
    """

    def __init__(self, name: str, seen: Callable[[str], None] = lambda name: None) -> None:
        object.__setattr__(self, "_clearprop_name", name)
        object.__setattr__(self, "_clearprop_seen", seen)
        seen(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name != "__version__":
            raise AttributeError(name)
        return StandIn(f"{self._clearprop_name}.{name}", self._clearprop_seen)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:  # noqa: D102
        if len(arguments) == 1 and not keywords and isinstance(arguments[0], (type(_missing), type)):
            return arguments[0]
        if self._clearprop_name.endswith(".subplots"):
            # `figure, axes = plt.subplots()`
            return self, self
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def __getitem__(self, key: Any) -> Any:
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        return None

    def __repr__(self) -> str:
        return f"<{self._clearprop_name}, which is not installed here>"

    def __array__(self, *arguments: Any, **keywords: Any) -> Any:
        raise _missing(self._clearprop_name)

    def __float__(self) -> float:
        raise _missing(self._clearprop_name)

    def __index__(self) -> int:
        raise _missing(self._clearprop_name)

    def _itself(self, *others: Any) -> Any:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _itself
    __neg__ = __pow__ = __matmul__ = __rmatmul__ = __floordiv__ = __mod__ = _itself
    __array_priority__ = 1000


def _missing(name: str) -> ImportError:
    return ModuleNotFoundError(f"{name.split('.')[0]} is not installed here, and {name} gives no numbers")


class _StandInModule(ModuleType):
    """A module all of whose names are stand-ins."""

    def __init__(self, name: str, seen: Callable[[str], None] = lambda name: None) -> None:
        super().__init__(name)
        self.__dict__["__path__"] = []
        self.__dict__["__all__"] = []
        self.__dict__["_clearprop_seen"] = seen

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}", self.__dict__["_clearprop_seen"])


class _Bar(StandIn):
    """A progress bar of tqdm that shows nothing: what it goes over, and methods that do nothing."""

    def __init__(self, iterable: Any = (), *arguments: Any, **keywords: Any) -> None:
        super().__init__("tqdm.tqdm")
        object.__setattr__(self, "_clearprop_iterable", iterable)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._clearprop_iterable)

    def __len__(self) -> int:
        return len(self._clearprop_iterable)


def _range_bar(*arguments: int, **keywords: Any) -> _Bar:
    return _Bar(range(*arguments))


def _progress_module(name: str) -> ModuleType:
    """Return a module in tqdm's place."""
    module = _StandInModule(name)
    module.__dict__.update(tqdm=_Bar, tqdm_notebook=_Bar, trange=_range_bar, tnrange=_range_bar)
    return module


class _InsteadOfClearprop(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for Clearprop where it is imported by ``importlib``."""

    def __init__(self, seen: Callable[[str], None]) -> None:
        self._seen = seen

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        if name.split(".")[0] != "clearprop":
            return None
        self._seen(name)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _StandInModule(spec.name, self._seen)

    def exec_module(self, module: ModuleType) -> None:
        return None


class Imports:
    """The import statement as submissions get it.

    Parameters
    ----------
    module : str
        ``__name__`` of the submission's module; only its own imports are stood in for.
    tree : ast.Module
        The submission; an import in a ``try`` that catches ImportError fails as it does everywhere.
    """

    def __init__(self, module: str, tree: ast.Module) -> None:
        self._module = module
        self._import = builtins.__import__
        self._caught = _lines_caught(tree)
        #: names of libraries that were stood in for because they are missing
        self.missing: list[str] = []
        #: whether the lesson was asked for
        self.lesson = False

    def install(self) -> None:
        """Replace ``__import__``, for good."""
        sys.meta_path.insert(0, _InsteadOfClearprop(self._seen))
        builtins.__import__ = self._replaced

    def _seen(self, name: str) -> None:
        self.lesson = self.lesson or name == LESSON or name.startswith(LESSON + ".")

    def _replaced(
        self,
        name: str,
        globals: Any = None,  # noqa: A002 - the names that callers may use
        locals: Any = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        names = fromlist or ()
        if not isinstance(globals, dict) or globals.get("__name__") != self._module:
            return self._import(name, globals, locals, names, level)
        top = name.split(".")[0]
        if level:
            # a file beside the submission
            return self._stand_in(name or "its folder", names)
        if top == "clearprop":
            self._seen(name)
            return self._stand_in(name, names)
        if top in NEVER_IMPORTED:
            return self._stand_in(name, names)
        try:
            return self._import(name, globals, locals, names, level)
        except Exception:
            line = sys._getframe(1).f_lineno
            if top in sys.stdlib_module_names or line in self._caught or top == "numpy":
                raise
            if top not in self.missing:
                self.missing.append(top[:60])
            return self._stand_in(name, names)

    def _stand_in(self, name: str, names: Sequence[str]) -> ModuleType:
        top = name.split(".")[0]
        returned = name if names else top
        if top == "tqdm":
            return _progress_module(returned)
        module = _StandInModule(returned, self._seen)
        for wanted in names:
            # `from clearprop import scratch` names the lesson here
            self._seen(f"{name}.{wanted}")
        return module


def _lines_caught(tree: ast.Module) -> frozenset[int]:
    """Return the lines of the imports in a ``try`` that catches ImportError."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(map(_catches_imports, node.handlers)):
            for statement in node.body:
                lines.update(
                    part.lineno
                    for part in ast.walk(statement)
                    if isinstance(part, (ast.Import, ast.ImportFrom))
                )
    return frozenset(lines)


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in _CATCHING_IMPORTS) for kind in kinds
    )

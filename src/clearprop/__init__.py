"""The multilayer perceptron you can see through.

The public names are imported when they are first used: ``import clearprop`` itself costs nothing.
"""

from __future__ import annotations

import importlib

from clearprop.version import __version__

# of the same name and meaning as in typing, which takes longer to import than all else that the command needs
# before it hears signals
TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearprop import scratch as scratch
    from clearprop.callbacks import Callback as Callback
    from clearprop.callbacks import TrainingState as TrainingState
    from clearprop.data.dataset import Dataset as Dataset
    from clearprop.data.loading import load_data as load_data
    from clearprop.errors import ClearpropError as ClearpropError
    from clearprop.estimator import MLPClassifier as MLPClassifier
    from clearprop.estimator import MLPRegressor as MLPRegressor
    from clearprop.evaluation import Evaluation as Evaluation
    from clearprop.evaluation import evaluate as evaluate
    from clearprop.history import History as History
    from clearprop.model import Model as Model
    from clearprop.model import load_model as load  # noqa: F401
    from clearprop.network import Network as Network
    from clearprop.preparation import prepare_image as prepare_image
    from clearprop.recipe import Recipe as Recipe
    from clearprop.run import Run as Run
    from clearprop.scaling import Scaling as Scaling
    from clearprop.sklearn_models import from_sklearn as from_sklearn
    from clearprop.torch_files import from_torch as from_torch
    from clearprop.training import train as train


#: Where each public name lives; an empty attribute means the module itself.
_PUBLIC = {
    "Callback": ("clearprop.callbacks", "Callback"),
    "ClearpropError": ("clearprop.errors", "ClearpropError"),
    "Dataset": ("clearprop.data.dataset", "Dataset"),
    "Evaluation": ("clearprop.evaluation", "Evaluation"),
    "History": ("clearprop.history", "History"),
    "MLPClassifier": ("clearprop.estimator", "MLPClassifier"),
    "MLPRegressor": ("clearprop.estimator", "MLPRegressor"),
    "Model": ("clearprop.model", "Model"),
    "Network": ("clearprop.network", "Network"),
    "Recipe": ("clearprop.recipe", "Recipe"),
    "Run": ("clearprop.run", "Run"),
    "Scaling": ("clearprop.scaling", "Scaling"),
    "TrainingState": ("clearprop.callbacks", "TrainingState"),
    "evaluate": ("clearprop.evaluation", "evaluate"),
    "from_sklearn": ("clearprop.sklearn_models", "from_sklearn"),
    "from_torch": ("clearprop.torch_files", "from_torch"),
    "load": ("clearprop.model", "load_model"),
    "load_data": ("clearprop.data.loading", "load_data"),
    "prepare_image": ("clearprop.preparation", "prepare_image"),
    "scratch": ("clearprop.scratch", ""),
    "train": ("clearprop.training", "train"),
}

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'clearprop' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    found = importlib.import_module(module)
    value = getattr(found, attribute) if attribute else found
    # kept, so that the next use costs a dictionary look-up
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

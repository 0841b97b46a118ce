"""The multilayer perceptron you can see through.

The public names are imported when they are first used: ``import clearprop`` itself costs nothing.
"""

from __future__ import annotations

import importlib

from clearprop.utils.version import __version__

# of the same name and meaning as in typing, which takes longer to import than all else that the command needs
# before it hears signals
TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearprop import scratch as scratch
    from clearprop.data.dataset import Dataset as Dataset
    from clearprop.data.images.mnist_preparation import prepare_image as prepare_image
    from clearprop.data.loading import load_data as load_data
    from clearprop.diagnosis import diagnose as diagnose
    from clearprop.display import plots as plots
    from clearprop.estimator import MLPClassifier as MLPClassifier
    from clearprop.estimator import MLPRegressor as MLPRegressor
    from clearprop.model.conversion.sklearn_files import from_sklearn as from_sklearn
    from clearprop.model.conversion.torch_import import from_torch as from_torch
    from clearprop.model.evaluation import Evaluation as Evaluation
    from clearprop.model.evaluation import evaluate as evaluate
    from clearprop.model.model import Model as Model
    from clearprop.model.model import load_model as load  # noqa: F401
    from clearprop.nn.network import Network as Network
    from clearprop.nn.recipe import Recipe as Recipe
    from clearprop.nn.scaling import Scaling as Scaling
    from clearprop.training.callbacks import Callback as Callback
    from clearprop.training.callbacks import TrainingState as TrainingState
    from clearprop.training.history import History as History
    from clearprop.training.loop import TrainingDiverged as TrainingDiverged
    from clearprop.training.run import Run as Run
    from clearprop.training.trainer import train as train
    from clearprop.utils.errors import ClearpropError as ClearpropError


#: Where each public name lives; an empty attribute means the module itself.
_PUBLIC = {
    "Callback": ("clearprop.training.callbacks", "Callback"),
    "ClearpropError": ("clearprop.utils.errors", "ClearpropError"),
    "Dataset": ("clearprop.data.dataset", "Dataset"),
    "Evaluation": ("clearprop.model.evaluation", "Evaluation"),
    "History": ("clearprop.training.history", "History"),
    "MLPClassifier": ("clearprop.estimator", "MLPClassifier"),
    "MLPRegressor": ("clearprop.estimator", "MLPRegressor"),
    "Model": ("clearprop.model.model", "Model"),
    "Network": ("clearprop.nn.network", "Network"),
    "Recipe": ("clearprop.nn.recipe", "Recipe"),
    "Run": ("clearprop.training.run", "Run"),
    "Scaling": ("clearprop.nn.scaling", "Scaling"),
    "TrainingDiverged": ("clearprop.training.loop", "TrainingDiverged"),
    "TrainingState": ("clearprop.training.callbacks", "TrainingState"),
    "diagnose": ("clearprop.diagnosis", "diagnose"),
    "evaluate": ("clearprop.model.evaluation", "evaluate"),
    "from_sklearn": ("clearprop.model.conversion.sklearn_files", "from_sklearn"),
    "from_torch": ("clearprop.model.conversion.torch_import", "from_torch"),
    "load": ("clearprop.model.model", "load_model"),
    "load_data": ("clearprop.data.loading", "load_data"),
    "plots": ("clearprop.display.plots", ""),
    "prepare_image": ("clearprop.data.images.mnist_preparation", "prepare_image"),
    "scratch": ("clearprop.scratch", ""),
    "train": ("clearprop.training.trainer", "train"),
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

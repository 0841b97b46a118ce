"""Clearprop's own trainings as Programs: networks with recipes, runs and run folders; and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.data.catalog import CATALOG
from clearprop.data.dataset import Dataset
from clearprop.data.loading import load_data
from clearprop.data.options import ReadOptions
from clearprop.data.origin import place_again
from clearprop.diagnosis.adapters.subject import Subject
from clearprop.diagnosis.checked_data import check_data
from clearprop.diagnosis.finding import Diagnosis
from clearprop.diagnosis.program import Layer, Program
from clearprop.diagnosis.program_training import scaling_of
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.initialization import INITIALIZATIONS
from clearprop.nn.network import Network
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.nn.recipe import Recipe
from clearprop.training.folder_training import RunRecorder, train_into_folder
from clearprop.training.run import Run
from clearprop.training.run_folder import CONFIG_FILE, FOLDER_FILES, RunFolder
from clearprop.training.settings import decide
from clearprop.utils.errors import DataError, InvalidArgument
from clearprop.utils.files import make_folder

#: The output's activation and loss of a Program for each loss of a Recipe, whose losses take logits.
_LOSSES = {
    "cross_entropy": ("linear", "cross_entropy_from_logits"),
    "double_softmax": ("softmax", "cross_entropy_from_logits"),
    "binary_cross_entropy": ("linear", "binary_cross_entropy_from_logits"),
    "squared_error": ("linear", "squared_error"),
    "poisson": ("linear", "poisson"),
}
_SOFTMAX_LOSSES = ("cross_entropy", "cross_entropy_from_logits")


def program_of(network: Network, recipe: Recipe) -> tuple[Program, tuple[str, ...]]:
    """Return a network and its recipe as a Program, and notes on what it does not have.

    Parameters
    ----------
    network : Network
    recipe : Recipe
    """
    activation, loss = _LOSSES[recipe.loss]
    hidden = [
        Layer(units, "linear" if name == "identity" else name, network.initialization, network.dropout)
        for units, name in zip(network.layer_sizes[1:-1], network.activations, strict=True)
    ]
    program = Program(
        (*hidden, Layer(network.layer_sizes[-1], activation, network.initialization)),
        loss,
        "adam" if recipe.optimizer == "adam_hat" else recipe.optimizer,
        recipe.learning_rate,
        recipe.momentum,
        recipe.weight_decay + recipe.l2_penalty,
        recipe.batch_size,
        recipe.epochs,
        framework="torch",
    )
    left_out = {
        f"the schedule {recipe.schedule}": recipe.schedule != "constant",
        "label smoothing": recipe.label_smoothing,
        "early stopping": recipe.early_stopping is not None,
        "dropout of inputs": network.input_dropout,
        "adversarial training": recipe.adversarial_epsilon,
    }
    named = [name for name, given in left_out.items() if given]
    notes = (f"The trainings here leave out {', '.join(named)}.",) if named else ()
    return program, notes


def read_run(run: Run, x: Any, y: Any, validation: tuple[Any, Any] | None) -> Subject:
    """Return a run as a subject, with the rows given or those of the catalog's data set of its name.

    Raises
    ------
    InvalidArgument
        If the run does not say which data it was trained on, and none are given.
    """
    program, notes = program_of(run.network, run.recipe)
    if x is not None:
        return Subject(program, run.model.scaling.apply(np.asarray(x)), y, validation, notes)
    name = run.model.training.get("dataset")
    if not isinstance(name, str) or name not in CATALOG:
        raise InvalidArgument(
            f"The run does not hold its rows, and {name!r} is no data set of the catalog; give them too: "
            "diagnose(run, x, y)."
        )
    return _with_rows(program, notes, load_data(name, progress=False), None, run.recipe.seed)


def read_run_folder(folder: Path, data_dir: Path | None = None, data: str | None = None) -> Subject:
    """Return the run in a folder as a subject; it need not be finished, and may have diverged.

    Raises
    ------
    InvalidArgument
        If there is no run in the folder, or its settings cannot be read.
    DataError, FetchError
        If its data are not there.
    """
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_bytes())
        network, recipe = Network(**config["network"]), Recipe(**config["recipe"])
    except FileNotFoundError:
        raise InvalidArgument(f"There is no run in {folder}; name the folder of a run.") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InvalidArgument(f"{path} does not hold the settings of a run; train it again.") from None
    program, notes = program_of(network, recipe)
    # the runs of a study keep only a digest of their data, whose name the study has
    name = config.get("data") if data is None else data
    if not isinstance(name, str):
        raise InvalidArgument(f"{path} does not say what the run was trained on.")
    place, data_folder = place_again(name, config, data_dir)
    reading = ReadOptions.from_dict(config.get("reading"))
    dataset = load_data(place, data_folder, progress=False, **reading.to_dict())
    if dataset.n_features != network.layer_sizes[0]:
        raise DataError(
            f"The run in {folder} was trained on rows of {network.layer_sizes[0]} features, but {name} has "
            f"{dataset.n_features}; name its data with --data-dir."
        )
    return _with_rows(program, notes, dataset, config.get("validation"), recipe.seed)


def _with_rows(
    program: Program, notes: tuple[str, ...], dataset: Dataset, validation: Any, seed: int
) -> Subject:
    parts = dataset.split(validation=validation, seed=seed)
    scaled = parts.train.scaling.apply(parts.train.x)
    held = parts.validation if parts.validation is not None and len(parts.validation) else None
    pair = None if held is None else (held.scaling.apply(held.x), held.y)
    return Subject(program, scaled, parts.train.y, pair, notes)


def settings_of(program: Program) -> dict[str, Any]:
    """Return a Program's settings as ``clearprop train`` takes them, for a run of classes.

    Raises
    ------
    InvalidArgument
        If a run cannot hold what the program has.
    """
    hidden = program.hidden
    drops = {layer.dropout for layer in hidden} or {0.0}
    fits = {
        "a loss of classes": program.loss in _SOFTMAX_LOSSES and program.output.units > 1,
        "an output that fits its loss": program.output.activation
        in ({"linear", "softmax"} if program.loss == "cross_entropy" else {"linear"}),
        "one dropout for all hidden layers": len(drops) == 1 and not program.output.dropout,
        "no batch normalization": not any(layer.batch_norm for layer in program.layers),
        "trained layers only": all(layer.trainable for layer in program.layers),
        "one of a run's optimizers": program.optimizer in OPTIMIZERS,
        "one of a run's activations": all(_own_name(layer.activation) in ACTIVATIONS for layer in hidden),
    }
    missing = [name for name, given in fits.items() if not given]
    if missing:
        raise InvalidArgument(
            f"The remedied program cannot become a run, which must have {missing[0]}; train it where it "
            "comes from, with the changes that the diagnosis names."
        )
    first = program.layers[0].initialization
    return {
        "hidden": [layer.units for layer in hidden],
        "activation": [_own_name(layer.activation) for layer in hidden] or "relu",
        # a run has one initialization for all layers
        "initialization": first if first in INITIALIZATIONS else "he_uniform",
        "dropout": drops.pop(),
        "optimizer": program.optimizer,
        "learning_rate": program.rate,
        "momentum": program.momentum,
        "weight_decay": program.weight_decay,
        "batch_size": program.batch_size,
        "epochs": program.epochs,
    }


def train_remedied(folder: Path, origin: Path, subject: Subject, diagnosis: Diagnosis, seed: int) -> Path:
    """Train a remedied program of classes into a run's folder.

    Parameters
    ----------
    folder : pathlib.Path
        Where the run is written.
    origin : pathlib.Path
        The run or script that was diagnosed.
    subject : Subject
    diagnosis : Diagnosis
    seed : int

    Returns
    -------
    pathlib.Path
        The file of the run's parameters.

    Raises
    ------
    InvalidArgument
        If a run cannot hold what the remedied program has.
    """
    program = diagnosis.remedied
    settings = settings_of(program)
    x, y = diagnosis.remedied_data or check_data("", subject.x, subject.y)
    labels = np.asarray(y.argmax(axis=1) if y.ndim > 1 and y.shape[1] > 1 else y.reshape(-1), np.int64)
    names = tuple(str(number) for number in range(program.output.units))
    scaling = scaling_of(program.scale_inputs, x)
    data = Dataset(origin.stem, np.ascontiguousarray(x, np.float32), labels, names, None, scaling)
    decided = decide(settings, data.n_features, data.n_classes, seed)
    run_folder = RunFolder(make_folder(folder, of=FOLDER_FILES))
    training = {"data": str(origin), "validation": None, "recipe": decided.recipe.to_dict()}
    config = {"data": str(origin), "validation": None, "engine": "numpy", "dtype": "float32"}
    with run_folder.hold():
        train_into_folder(
            RunRecorder(run_folder, data, training, config),
            decided.network,
            decided.recipe,
            data,
            None,
            engine="numpy",
            device="auto",
            dtype="float32",
            progress=False,
        )
    return run_folder.parameters_file


def _own_name(activation: str) -> str:
    return "identity" if activation == "linear" else activation

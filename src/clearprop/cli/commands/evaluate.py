"""clearprop evaluate: measure a trained model on data."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearprop.cli.options import (
    DataDir,
    KeepIndex,
    Label,
    Missing,
    SkipDamaged,
    print_notes,
    terminal_columns,
)
from clearprop.cli.runs import model_file, settings_beside
from clearprop.utils.errors import ClearpropError, ClearpropWarning, InvalidArgument

if TYPE_CHECKING:
    from clearprop.data.dataset import Dataset, Splits

SPLITS = ("all", "train", "validation", "test")


def evaluate(
    model: Annotated[Path, typer.Argument(help="A run's folder, or a model file.", metavar="RUN|MODEL_FILE")],
    data: Annotated[
        str | None,
        typer.Option(
            help="A data set's name or path; what it was trained on if not given.", show_default=False
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, validation, test, or all rows; if not given, test of the data that the model was "
            "trained on and of data sets known by name, and all of any other file.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDir = None,
    label: Label = None,
    missing: Missing = None,
    keep_index: KeepIndex = False,
    skip_damaged: SkipDamaged = False,
) -> None:
    """Print accuracy, classification report, confusion matrix and calibration of a model.

    Train and validation parts are those the model was trained with. Classes are matched by name, and the
    columns of a table too.

    Example: clearprop evaluate runs/relu --data mnist --split test
    """
    from clearprop.data.arrays import with_test
    from clearprop.data.catalog import CATALOG
    from clearprop.data.dataset import filled_with
    from clearprop.data.loading import load_parts, whole
    from clearprop.data.options import ReadOptions
    from clearprop.data.origin import place_again, remembered_folder
    from clearprop.data.tables.schema import TableSchema
    from clearprop.model.evaluation import evaluate as evaluate_model
    from clearprop.model.model import load_model
    from clearprop.utils.arguments import check_choice

    if split is not None:
        check_choice("--split", split, SPLITS)
    path = model_file(model)
    trained = load_model(path)
    training = trained.training
    source = training.get("data") if data is None else data
    # the training record of a model file may hold any type
    if not isinstance(source, str):
        raise InvalidArgument(f"{path} does not say what it was trained on; name the data with --data.")
    origin = settings_beside(path)
    is_own = data is None or _is_trained_on(data, training, origin)
    if data is None:
        place, folder = place_again(source, origin, data_dir)
    else:
        place, folder = source, data_dir or remembered_folder(source, origin)
    given = ReadOptions(label, missing, keep_index, skip_damaged).to_dict()
    if is_own:
        given = {**ReadOptions.from_dict(origin.get("reading", training.get("reading"))).to_dict(), **given}
    schema = TableSchema.from_dict(trained.table, trained.network.layer_sizes[0]) if trained.table else None
    rows, own_test = load_parts(
        place, folder, ReadOptions(**given), schema=schema, known=trained.class_names or None
    )
    print_notes(rows.notes)
    if split is None:
        # a copy of the file is known by its training rows
        known = is_own or source in CATALOG or _is_copy(rows, own_test, training)
        split = "test" if known else "all"
    if split == "all":
        part: Dataset | None = whole(rows, own_test)
    else:
        dataset = with_test(rows, own_test)
        parts = _split_as_trained(dataset, training)
        if parts is None and split != "test":
            raise InvalidArgument(
                f"{path} does not say how its data was split, so only --split test or all can be measured."
            )
        if parts is not None and is_own:
            _warn_if_edited(parts, training, dataset.name)
        part = dataset.test if parts is None else getattr(parts, split)
    if part is not None and part.table is not None and schema is not None:
        # the mean of the rows that the model was trained on, whatever these rows have
        part = filled_with(part, schema.fill)
    if part is None:
        raise InvalidArgument(f"{rows.name} has no {split} part; choose another --split.")
    evaluation = evaluate_model(trained, part)
    if as_json:
        print(json.dumps({"split": split, **evaluation.to_dict()}, allow_nan=False))
        return
    columns = terminal_columns()
    print(evaluation.report_text(columns))
    print()
    print(evaluation.confusion_text(shutil.get_terminal_size().columns))
    print()
    print(evaluation.calibration_text(columns))


def _is_trained_on(data: str, training: Mapping[str, Any], origin: Mapping[str, Any]) -> bool:
    """Tell whether data is what the model was trained on, by its path, or by its name where none is known."""
    path = origin.get("data_path")
    if isinstance(path, str) and os.path.exists(path) and os.path.exists(data):
        return os.path.samefile(path, data)
    return data == training.get("data")


def _split_as_trained(dataset: Dataset, training: Mapping[str, Any]) -> Splits | None:
    """Return the parts that the model was trained with, or None if its file does not tell."""
    recipe = training.get("recipe")
    if not isinstance(recipe, dict) or "seed" not in recipe or "validation" not in training:
        return None
    return dataset.split(validation=training["validation"], seed=recipe["seed"])


def _is_copy(rows: Dataset, own_test: Dataset | None, training: Mapping[str, Any]) -> bool:
    """Tell whether data has the very rows that the model was trained on."""
    from clearprop.data.arrays import with_test

    if "digest" not in training:
        return False
    try:
        parts = _split_as_trained(with_test(rows, own_test), training)
    except ClearpropError:
        # data of too few rows, or too few classes, to be split so
        return False
    return parts is not None and parts.train.digest() == training["digest"]


def _warn_if_edited(parts: Splits, training: Mapping[str, Any], name: str) -> None:
    if training.get("digest") not in (None, parts.train.digest()):
        warnings.warn(
            f"{name} has changed since the model was trained on it, so its train, validation and test parts "
            "are not those of the training; measure another file with --data, or train again.",
            ClearpropWarning,
            stacklevel=2,
        )

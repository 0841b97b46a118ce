"""clearprop evaluate: measure a trained model on data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from clearprop.cli.options import DataDir, terminal_columns
from clearprop.cli.runs import model_file, settings_beside
from clearprop.utils.errors import InvalidArgument


def evaluate(
    model: Annotated[Path, typer.Argument(help="A run's folder, or a model file.", metavar="RUN|MODEL_FILE")],
    data: Annotated[
        str | None,
        typer.Option(
            help="A data set's name or path; what it was trained on if not given.", show_default=False
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print accuracy, classification report, confusion matrix and calibration of a model.

    Train and validation parts are those the model was trained with.

    Example: clearprop evaluate runs/relu --data mnist --split test
    """
    from clearprop.data import load_data
    from clearprop.data.loading import load_again, remembered_folder
    from clearprop.model.evaluation import evaluate as evaluate_model
    from clearprop.model.model import load_model
    from clearprop.utils.arguments import check_choice

    check_choice("--split", split, ("train", "validation", "test"))
    path = model_file(model)
    trained = load_model(path)
    training = trained.training
    source = training.get("data") if data is None else data
    # the training record of a model file may hold any type
    if not isinstance(source, str):
        raise InvalidArgument(f"{path} does not say what it was trained on; name the data with --data.")
    origin = settings_beside(path)
    if data is None:
        dataset = load_again(source, origin, data_dir)
    else:
        dataset = load_data(source, data_dir or remembered_folder(source, origin))
    if split == "test":
        part = dataset.test
    else:
        recipe = training.get("recipe")
        if not isinstance(recipe, dict) or "seed" not in recipe or "validation" not in training:
            raise InvalidArgument(
                f"{path} does not say how its data was split, so only --split test can be measured."
            )
        parts = dataset.split(validation=training.get("validation"), seed=recipe["seed"])
        part = parts.train if split == "train" else parts.validation
    if part is None:
        raise InvalidArgument(f"{dataset.name} has no {split} part; choose another --split.")
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

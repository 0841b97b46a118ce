"""clearprop predict: classify image files, or the rows of a table, with a trained model."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from clearprop.cli.options import Label, Missing, Overwrite, check_free
from clearprop.cli.runs import model_file, settings_beside
from clearprop.cli.table_predictions import predict_table
from clearprop.display.text import printable
from clearprop.utils.errors import DataError, InvalidArgument

USER_MISTAKE = 2
TOP = 3


def predict(
    model: Annotated[Path, typer.Argument(help="A run's folder, or a model file.", metavar="RUN|MODEL_FILE")],
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures of one thing each: PNG, JPEG, BMP, TIFF, WebP, ...; or one table, such as a .csv "
            "file.",
            metavar="IMAGES...|TABLE",
        ),
    ],
    top: Annotated[int, typer.Option(help="How many classes to name, the most probable first.")] = TOP,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with the probability of every class.")
    ] = False,
    show: Annotated[
        bool,
        typer.Option("--show", help="Show each image as the network saw it."),
    ] = False,
    prepare: Annotated[
        str | None,
        typer.Option(
            help="mnist, fill or stretch: how an image is made into the network's input; as the data it was "
            "trained on if not given.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the predictions of a table to this .csv file.", show_default=False),
    ] = None,
    with_probabilities: Annotated[
        bool,
        typer.Option("--probabilities", help="Of a table, give the probability of every class."),
    ] = False,
    label: Label = None,
    missing: Missing = None,
    overwrite: Overwrite = False,
) -> None:
    """Name the most probable classes of images, each prepared as the training data was, or of a table's rows.

    Images may be dark on light or light on dark, in any size and colours. What cannot be read is said on
    standard error; the others are printed, and the exit code is 2. The columns of a table are found by their
    names.

    Example: clearprop predict runs/mnist seven.png photo.jpg
    """
    from clearprop.data.formats.read_path import is_table
    from clearprop.data.images.mnist_preparation import PREPARATIONS, prepare_image
    from clearprop.data.origin import preparation_of
    from clearprop.display.pictures import shade_text
    from clearprop.model.model import load_model
    from clearprop.utils.arguments import check_choice, check_whole

    check_whole("--top", top, minimum=1)
    if prepare is not None:
        check_choice("--prepare", prepare, PREPARATIONS)
    path = model_file(model)
    trained = load_model(path)
    if any(map(is_table, images)):
        _check_table_options(images, top, show, prepare)
        check_free("--out", out, overwrite, images[0])
        left_out = predict_table(trained, path, images[0], out, with_probabilities, as_json, label, missing)
        if left_out:
            raise typer.Exit(USER_MISTAKE)
        return
    for option, value in (("--out", out), ("--label", label), ("--missing", missing)):
        if value is not None:
            raise InvalidArgument(f"{option} is for the rows of a table, such as a .csv file; leave it out.")
    if trained.image_shape is None:
        raise InvalidArgument(
            f"{path} does not say that its rows are images, so it cannot predict from one; if they are, "
            "import it again with --image-shape, and else give it a table, such as a .csv file."
        )
    if trained.network.output != "softmax":
        raise InvalidArgument(
            f'{path} has output="{trained.network.output}", but images are told apart with a softmax; '
            "use it in Python, with clearprop.load."
        )
    if prepare is None:
        training = trained.training
        recorded = training.get("preparation")
        prepare = (
            recorded
            if recorded in PREPARATIONS
            else preparation_of(str(settings_beside(path).get("data_path") or training.get("data")))
        )
    rows, read = [], []
    for image in images:
        try:
            rows.append(prepare_image(image, trained.image_shape, preparation=prepare))
            read.append(image)
        except DataError as error:
            # printed at once, so that messages keep the order of the images
            print(f"Error: {printable(str(error))}", file=sys.stderr)
    probabilities = trained.predict_proba(np.array(rows)) if rows else np.empty((0, 0))
    if not np.isfinite(probabilities).all():
        raise InvalidArgument(f"{path} has numbers that overflow on these images; train the model again.")
    if as_json:
        _print_json(read, probabilities, trained.class_names)
    elif rows:
        pictures = [shade_text(row, trained.image_shape) for row in rows] if show else None
        _print(read, probabilities, trained.class_names, top, pictures)
    if len(read) < len(images):
        raise typer.Exit(USER_MISTAKE)


def _check_table_options(images: list[Path], top: int, show: bool, prepare: str | None) -> None:
    if len(images) > 1:
        raise InvalidArgument("One table is predicted at a time, without images beside it; give one path.")
    if show or prepare is not None or top != TOP:
        raise InvalidArgument(
            "--show, --prepare and --top are for images; leave them out, and add --probabilities for "
            "those of every class."
        )


def _print_json(images: list[Path], probabilities: NDArray[Any], class_names: tuple[str, ...]) -> None:
    found = [
        {
            "path": os.fspath(image),
            "class": class_names[int(each.argmax())],
            "probabilities": dict(zip(class_names, each.tolist(), strict=True)),
        }
        for image, each in zip(images, probabilities, strict=True)
    ]
    print(json.dumps(found, allow_nan=False, indent=1))


def _print(
    images: list[Path],
    probabilities: NDArray[Any],
    class_names: tuple[str, ...],
    top: int,
    pictures: list[str] | None,
) -> None:
    """Print a table on a terminal, and elsewhere one plain line for each image."""
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("image", overflow="fold")
    table.add_column("class", style="bold", overflow="fold")
    table.add_column("probability", justify="right")
    if top > 1:
        table.add_column("or", style="dim", overflow="fold")
    for number, (image, each) in enumerate(zip(images, probabilities, strict=True)):
        best = np.argsort(-each, kind="stable")[:top]
        named = [(printable(class_names[label]), f"{each[label]:.1%}") for label in best]
        name = printable(str(image))
        plain = [f"{label} ({share})" for label, share in named]
        if not console.is_terminal:
            print(f"{name}: {', '.join(plain)}")
        table.add_row(name, *named[0], *([", ".join(plain[1:])] if top > 1 else []))
        if pictures is not None:
            if console.is_terminal:
                print(name)
            print(pictures[number])
    if console.is_terminal:
        console.print(table)

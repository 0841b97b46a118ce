"""clearprop train: train one network and keep it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from clearprop.cli.options import DataDir, Device, Engine, Quiet
from clearprop.errors import InvalidArgument, TrainingDiverged


def train(
    out: Annotated[Path, typer.Option(help="The run's folder: config, history and parameters.")],
    data: Annotated[str, typer.Option(help="A data set's name or path.")] = "digits",
    hidden: Annotated[
        str, typer.Option(help="Hidden layer sizes, first to last; empty for none.")
    ] = "500,250,100",
    activation: Annotated[
        str, typer.Option(help="sigmoid, tanh, relu or identity; or one for each hidden layer.")
    ] = "relu",
    initialization: Annotated[
        str,
        typer.Option(help="glorot_uniform, glorot_normal, he_uniform, he_normal or torch_default."),
    ] = "glorot_uniform",
    dropout: Annotated[float, typer.Option(help="Share of hidden units left out in a step.")] = 0.0,
    optimizer: Annotated[str, typer.Option(help="sgd, momentum, nesterov, adam or adamw.")] = "sgd",
    learning_rate: Annotated[float, typer.Option(help="The highest the schedule reaches.")] = 0.01,
    schedule: Annotated[str, typer.Option(help="constant, cosine, one_cycle or step.")] = "constant",
    weight_decay: Annotated[float, typer.Option(help="As torch.optim takes it.")] = 0.0,
    label_smoothing: Annotated[float, typer.Option(help="Share of targets spread over all classes.")] = 0.0,
    early_stopping: Annotated[
        int | None,
        typer.Option(help="Stop after this many epochs without a lower validation loss.", show_default=False),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training rows.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = 64,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Rows to validate on, or a share below 1; a sixth if not given.", show_default=False
        ),
    ] = None,
    engine: Engine = "numpy",
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that --out holds.")] = False,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Train one network, print how well it does on the test set, and keep it.

    Example: clearprop train --data mnist --out runs/relu --hidden 500,250,100 --epochs 15
    """
    from clearprop.data import load_data
    from clearprop.engines import check_engine
    from clearprop.evaluation import evaluate
    from clearprop.files import make_folder
    from clearprop.network import Network
    from clearprop.recipe import Recipe
    from clearprop.run_folder import RunFolder, RunRecorder
    from clearprop.training import train as train_network

    recipe = Recipe(
        optimizer=optimizer,
        learning_rate=learning_rate,
        schedule=schedule,
        weight_decay=weight_decay,
        epochs=epochs,
        batch_size=batch_size,
        label_smoothing=label_smoothing,
        early_stopping=early_stopping,
        seed=seed,
    )
    share = int(validation) if validation is not None and validation == int(validation) else validation
    check_engine(engine, device)
    dataset = load_data(data, data_dir=data_dir, progress=not quiet)
    parts = dataset.split(validation=share, seed=seed)
    network = Network(
        (dataset.n_features, *_sizes(hidden), dataset.n_classes),
        activation=activation if "," not in activation else activation.replace(" ", "").split(","),
        initialization=initialization,
        dropout=dropout,
    )
    run_folder = RunFolder(make_folder(out))
    if run_folder.holds_a_run() and not overwrite:
        raise InvalidArgument(f"{out} holds a run already; choose another --out, or add --overwrite.")
    run_folder.forget()
    training = {"data": data, "validation": share, "recipe": recipe.to_dict()}
    run_folder.write_config(network, recipe, data=data, validation=share, engine=engine, device=device)
    try:
        run = train_network(
            network,
            recipe,
            parts.train,
            parts.validation,
            engine=engine,
            device=device,
            callbacks=[RunRecorder(run_folder, parts.train, training)],
            progress=not quiet,
        )
    except TrainingDiverged as error:
        run_folder.write_history(error.history)
        raise
    except KeyboardInterrupt:
        print(f"Interrupted. The epochs that were complete are kept in {out}.", file=sys.stderr)
        raise typer.Exit(130) from None
    if parts.test is not None:
        print(evaluate(run.model, parts.test))
    print(run_folder.parameters_file)


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InvalidArgument(
            f'--hidden is "{text}", but must be whole numbers with commas, such as 500,250,100.'
        ) from None

"""clearprop train: train one network and keep it."""

from __future__ import annotations

import contextlib
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearprop.cli import interrupts
from clearprop.cli.options import DataDir, Device, Quiet, resume_command, terminal_columns
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.optimizers import OPTIMIZERS
from clearprop.utils.errors import InvalidArgument

if TYPE_CHECKING:
    from clearprop.data.dataset import Splits
    from clearprop.training.run import Run
    from clearprop.training.run_folder import RunFolder
    from clearprop.training.settings import Decided
    from clearprop.utils.errors import CheckpointError

# the default where neither an option nor a recipe says otherwise: the published network
DEFAULTS: dict[str, Any] = {"hidden": [500, 250, 100], "engine": "numpy"}


def _setting(help_text: str) -> Any:
    """Return an option that is None unless it is given, since a recipe may set it."""
    return typer.Option(help=help_text, show_default=False)


def train(
    out: Annotated[
        Path | None, _setting("The run's folder; the next free runs/DATA-NUMBER if not given.")
    ] = None,
    data: Annotated[str, typer.Option(help="A data set's name or path.")] = "digits",
    recipe: Annotated[
        str | None,
        _setting("fast, accurate, or a .toml file: settings that the options below may change."),
    ] = None,
    hidden: Annotated[
        str | None, _setting('Hidden layer sizes, first to last: 500,250,100 if not given, "" for none.')
    ] = None,
    activation: Annotated[
        str | None, _setting(f"Of {', '.join(ACTIVATIONS)}; relu if not given. Or one for each hidden layer.")
    ] = None,
    initialization: Annotated[
        str | None,
        _setting("glorot_uniform (the default), glorot_normal, he_uniform, he_normal or torch_default."),
    ] = None,
    dropout: Annotated[float | None, _setting("Share of hidden units left out in a step; 0.")] = None,
    input_dropout: Annotated[float | None, _setting("Share of inputs left out in a step; 0.")] = None,
    optimizer: Annotated[str | None, _setting(f"Of {', '.join(OPTIMIZERS)}; sgd if not given.")] = None,
    learning_rate: Annotated[float | None, _setting("The highest the schedule reaches; 0.01.")] = None,
    schedule: Annotated[str | None, _setting("constant (the default), cosine, one_cycle or step.")] = None,
    weight_decay: Annotated[float | None, _setting("As torch.optim takes it; 0.")] = None,
    label_smoothing: Annotated[float | None, _setting("Share of targets spread over all classes; 0.")] = None,
    adversarial_epsilon: Annotated[
        float | None,
        _setting("Train on each row moved so far to where its loss is higher, twice the work a step; 0."),
    ] = None,
    early_stopping: Annotated[
        int | None, _setting("Stop after this many epochs without a lower validation loss.")
    ] = None,
    epochs: Annotated[int | None, _setting("Passes over the training rows; 10.")] = None,
    batch_size: Annotated[int | None, _setting("Rows a step; 64.")] = None,
    validation: Annotated[
        str | None, _setting("Rows to validate on, or a share below 1; a sixth if not given, 0 for none.")
    ] = None,
    engine: Annotated[str | None, _setting("numpy (the default) or torch.")] = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that --out holds.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out; start it if there is none.")
    ] = False,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Train one network, print how well it does on the test set, and keep it.

    Every epoch leaves a checkpoint, so the same command with --resume goes on after whatever ended it.

    Example: clearprop train --data mnist --out runs/relu --hidden 500,250,100 --epochs 15
    """
    from clearprop.data import load_data
    from clearprop.data.loading import origin_of
    from clearprop.engines import check_engine
    from clearprop.model.evaluation import evaluate
    from clearprop.training.recipe_files import load_recipe
    from clearprop.training.settings import decide

    if resume and out is None:
        raise InvalidArgument("--resume needs to know which run to go on with; name its folder with --out.")
    asked = {
        "engine": engine,
        "hidden": None if hidden is None else _sizes(hidden),
        "activation": activation.replace(" ", "").split(",")
        if activation and "," in activation
        else activation,
        "initialization": initialization,
        "dropout": dropout,
        "input_dropout": input_dropout,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "label_smoothing": label_smoothing,
        "adversarial_epsilon": adversarial_epsilon,
        "early_stopping": early_stopping,
        "epochs": epochs,
        "batch_size": batch_size,
        "validation": None if validation is None else _rows_or_share(validation),
    }
    settings = {
        **DEFAULTS,
        **(load_recipe(recipe).given() if recipe is not None else {}),
        **{name: value for name, value in asked.items() if value is not None},
    }
    # every setting is checked before the data is read, and again with the sizes the data has
    decide(settings, 1, 2, seed)
    check_engine(settings["engine"], device)
    dataset = load_data(data, data_dir=data_dir, progress=not quiet)
    origin = origin_of(data, data_dir)
    decided = decide(settings, dataset.n_features, dataset.n_classes, seed)
    parts = dataset.split(validation=decided.validation, seed=seed)
    # the rows are in the parts; of MNIST 47 MB less
    name = dataset.name
    del dataset
    with interrupts.delay_interrupts():
        with contextlib.ExitStack() as stack:
            run_folder = _hold_run_folder(stack, out, name, overwrite, resume)
            run = _train(run_folder, parts, decided, data, origin, device, overwrite, resume, quiet)
        try:
            with interrupts.allow_interrupts():
                if parts.test is not None:
                    print(evaluate(run.model, parts.test).report_text(terminal_columns()))
                print(run_folder.parameters_file)
        except KeyboardInterrupt as error:
            word, code = interrupts.begin_ending(error)
            print(f"{word}. The run is complete: {run_folder.parameters_file}", file=sys.stderr)
            raise typer.Exit(code) from None


def _train(
    run_folder: RunFolder,
    parts: Splits,
    decided: Decided,
    data: str,
    origin: dict[str, str | None],
    device: str,
    overwrite: bool,
    resume: bool,
    quiet: bool,
) -> Run:
    """Train into a folder, and keep the last checkpoint however the training ends."""
    from clearprop.cli.safe_points import BetweenBatches
    from clearprop.data.loading import portable_name, preparation_of
    from clearprop.training.folder_training import RunRecorder, train_into_folder
    from clearprop.training.progress import ResumeNotice

    training = {
        "data": portable_name(data),
        "validation": decided.validation,
        "recipe": decided.recipe.to_dict(),
        # clearprop predict makes pictures like these, when the data may be gone
        "preparation": preparation_of(data),
    }
    config = {
        "data": data,
        # so that clearprop evaluate finds it again; never in the model file, which travels
        **origin,
        "validation": decided.validation,
        "engine": decided.engine,
        "device": device,
        "dtype": decided.dtype,
    }
    recorder = RunRecorder(run_folder, parts.train, training, config)

    def replace_other_run(error: CheckpointError) -> None:
        print(f"{error} --overwrite was given, so the run there is replaced.", file=sys.stderr)

    try:
        return train_into_folder(
            recorder,
            decided.network,
            decided.recipe,
            parts.train,
            parts.validation,
            engine=decided.engine,
            device=device,
            dtype=decided.dtype,
            progress=not quiet,
            callbacks=[BetweenBatches()],
            resume=resume,
            resume_callbacks=[ResumeNotice(run_folder.folder)],
            on_refusal=replace_other_run if overwrite else None,
        )
    except KeyboardInterrupt as error:
        word, code = interrupts.begin_ending(error)
        epoch = recorder.keep_unfinished()
        kept = (
            f"{run_folder.folder} keeps the first {epoch} of {decided.recipe.epochs} epochs; go on with"
            if epoch
            else "No epoch was complete yet; start again with"
        )
        print(f"{word}. {kept}: {resume_command(run_folder.folder)}", file=sys.stderr)
        raise typer.Exit(code) from None


def _hold_run_folder(
    stack: contextlib.ExitStack, out: Path | None, data: str, overwrite: bool, resume: bool
) -> RunFolder:
    """Return the folder to write into, for this process alone; an earlier run in it stays until replaced."""
    from clearprop.training.run_folder import FOLDER_FILES, RunFolder
    from clearprop.utils.files import make_folder

    if out is None:
        candidates = (Path("runs") / f"{data}-{number}" for number in count(1))
        run_folder = RunFolder(make_folder(next(path for path in candidates if not path.exists())))
        stack.enter_context(run_folder.hold())
        return run_folder
    run_folder = RunFolder(make_folder(out, of=FOLDER_FILES))
    stack.enter_context(run_folder.hold())
    if overwrite or not run_folder.holds_a_run():
        return run_folder
    if not resume:
        raise InvalidArgument(
            f"{out} holds a run already; go on with it with --resume, replace it with --overwrite, or choose "
            "another --out."
        )
    if not run_folder.checkpoints.present():
        raise InvalidArgument(
            f"{out} holds a run without a checkpoint to go on from; replace it with --overwrite, or choose "
            "another --out."
        )
    return run_folder


def _rows_or_share(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise InvalidArgument(
            f'--validation is "{text}", but must be a number of rows such as 1000, or a share such as 0.2.'
        ) from None


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        raise InvalidArgument(
            f'--hidden is "{text}", but must be whole numbers with commas, such as 500,250,100.'
        ) from None

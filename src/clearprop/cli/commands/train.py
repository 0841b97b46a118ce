"""clearprop train: train one network and keep it."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearprop.cli import interrupts
from clearprop.cli.options import (
    DataDir,
    Device,
    KeepIndex,
    Label,
    Missing,
    Quiet,
    SkipDamaged,
    print_notes,
    resume_command,
    terminal_columns,
)
from clearprop.cli.settings import setting_option, with_setting_options
from clearprop.training.settings_table import EVERY_SETTING
from clearprop.utils.errors import InvalidArgument

if TYPE_CHECKING:
    from clearprop.data.dataset import Splits
    from clearprop.training.run import Run
    from clearprop.training.run_folder import RunFolder
    from clearprop.training.settings import Decided
    from clearprop.utils.errors import CheckpointError

# the settings whose defaults are the command's, where neither an option nor a recipe says otherwise
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {name: EVERY_SETTING[name].default for name in ("hidden", "engine")}
)


@with_setting_options
def train(
    out: Annotated[
        Path | None, setting_option("The run's folder; the next free runs/DATA-NUMBER if not given.")
    ] = None,
    data: Annotated[str, typer.Option(help="A data set's name or path.")] = "digits",
    recipe: Annotated[
        str | None,
        setting_option("fast, accurate, or a .toml file: settings that the options below may change."),
    ] = None,
    # in its place stands an option for each setting
    asked: Mapping[str, Any] = MappingProxyType({}),
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run that --out holds.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out; start it if there is none.")
    ] = False,
    data_dir: DataDir = None,
    label: Label = None,
    missing: Missing = None,
    keep_index: KeepIndex = False,
    skip_damaged: SkipDamaged = False,
    quiet: Quiet = False,
) -> None:
    """Train one network, print how well it does on the test set, and keep it.

    Every epoch leaves a checkpoint, so the same command with --resume goes on after whatever ended it.

    Example: clearprop train --data mnist --out runs/relu --hidden 500,250,100 --epochs 15
    """
    from clearprop.data import load_data
    from clearprop.data.options import ReadOptions
    from clearprop.data.origin import origin_of
    from clearprop.engines import check_engine
    from clearprop.model.evaluation import evaluate
    from clearprop.training.recipe_files import load_recipe
    from clearprop.training.settings import decide

    if resume and out is None:
        raise InvalidArgument("--resume needs to know which run to go on with; name its folder with --out.")
    settings = {
        **DEFAULTS,
        **(load_recipe(recipe).given() if recipe is not None else {}),
        **asked,
    }
    # every setting is checked before the data is read, and again with the sizes the data has
    decide(settings, 1, 2, seed)
    check_engine(settings["engine"], device)
    reading = ReadOptions(label, missing, keep_index, skip_damaged)
    dataset = load_data(data, data_dir=data_dir, progress=not quiet, **reading.to_dict())
    print_notes(dataset.notes)
    origin = origin_of(data, data_dir, reading)
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
                if not quiet:
                    _say_what_is_wrong(run, run_folder.folder)
        except KeyboardInterrupt as error:
            word, code = interrupts.begin_ending(error)
            print(f"{word}. The run is complete: {run_folder.parameters_file}", file=sys.stderr)
            raise typer.Exit(code) from None


def _train(
    run_folder: RunFolder,
    parts: Splits,
    decided: Decided,
    data: str,
    origin: dict[str, Any],
    device: str,
    overwrite: bool,
    resume: bool,
    quiet: bool,
) -> Run:
    """Train into a folder, and keep the last checkpoint however the training ends."""
    from clearprop.cli.safe_points import BetweenBatches
    from clearprop.data.origin import portable_name, preparation_of
    from clearprop.training.folder_training import RunRecorder, train_into_folder
    from clearprop.training.loop import TrainingDiverged
    from clearprop.training.progress import ResumeNotice
    from clearprop.training.symptoms import SymptomNotice

    training = {
        "data": portable_name(data),
        "validation": decided.validation,
        "recipe": decided.recipe.to_dict(),
        # clearprop predict makes pictures like these, when the data may be gone
        "preparation": preparation_of(data),
        # the options by which the file was read
        "reading": origin["reading"],
    }
    if origin["data_path"] is not None:
        # clearprop evaluate sees by it whether the file has changed; the catalog's files cannot
        training["digest"] = parts.train.digest()
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
            callbacks=[BetweenBatches(), *([] if quiet else [SymptomNotice()])],
            resume=resume,
            resume_callbacks=[ResumeNotice(run_folder.folder)],
            on_refusal=replace_other_run if overwrite else None,
        )
    except TrainingDiverged:
        if not quiet and recorder.began:
            print(_how_to_ask(run_folder.folder), file=sys.stderr)
        raise
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


def _say_what_is_wrong(run: Run, folder: Path) -> None:
    """Print one line if the training does not learn, or began to only late, and how to ask why."""
    from clearprop.training.symptoms import plateau, symptoms

    signs = symptoms(run.history)[:2] or [plateau(run.history)]
    if signs[0]:
        print(f"Something is wrong: {' and '.join(signs)}. {_how_to_ask(folder)}", file=sys.stderr)


def _how_to_ask(folder: Path) -> str:
    return f"Ask why: clearprop diagnose {shlex.quote(str(folder))}"


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

"""The verbs of the command, and what each way of ending means."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import clearprop
from clearprop.cli import interrupts as signals
from clearprop.cli.commands import data
from clearprop.cli.commands.bench import bench
from clearprop.cli.commands.evaluate import evaluate
from clearprop.cli.commands.export import export
from clearprop.cli.commands.import_model import import_model
from clearprop.cli.commands.predict import predict
from clearprop.cli.commands.report import report
from clearprop.cli.commands.study import study
from clearprop.cli.commands.train import train
from clearprop.display.text import printable
from clearprop.utils.errors import ClearpropError, ClearpropWarning

USER_MISTAKE = 2
DEFECT = 1


class _Interruption(Exception):
    """Ctrl-C or SIGTERM, on its way through the parser, which would end without a word."""


class _Verbs(TyperGroup):
    """The verbs, in which a signal is raised, and from which it comes out as what it is."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that was asked for."""
        try:
            with signals.held(False):
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _Interruption from error


app = typer.Typer(
    name="clearprop",
    cls=_Verbs,
    help="The multilayer perceptron you can see through.",
    epilog="Begin with: clearprop study",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (study, train, evaluate, predict, report, export, bench):
    app.command()(verb)
app.command("import")(import_model)
app.add_typer(data.app, name="data")


def _print_version(asked: bool) -> None:
    if asked:
        print(f"clearprop {clearprop.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


def _say(message: str, context: Any) -> None:
    """Print what the parser found wrong: the help where nothing was asked for, else one sentence."""
    if context is not None and message == context.get_help():
        print(message, file=sys.stderr)
        return
    where = context.command_path if context is not None else "clearprop"
    print(f"Error: {message.rstrip('.')}; see {where} --help.", file=sys.stderr)


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print what a user should know as a sentence, without the line of code that says it."""

    def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
        if issubclass(category, ClearpropWarning):
            print(f"Warning: {message}", file=sys.stderr)
        else:
            elsewhere(message, category, *rest, **named)

    with warnings.catch_warnings():
        warnings.simplefilter("always", ClearpropWarning)
        elsewhere = warnings.showwarning
        warnings.showwarning = show
        yield


def run(arguments: Sequence[str] | None) -> int:
    """Run the command line; see ``clearprop.cli.main``."""
    command = typer.main.get_command(app)
    try:
        with signals.quiet_when_lost(), _plain_warnings():
            code = command.main(args=arguments, prog_name="clearprop", standalone_mode=False)
            # what a pipe does not take is told here, and not when Python ends
            print(end="", flush=True)
        # one that was lost on the way
        signals.raise_waiting()
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        return _end(error)
    return code if isinstance(code, int) else 0


def _end(error: BaseException) -> int:
    """Say what ended the command, and return its exit code."""
    interruption = error.__cause__ if isinstance(error, _Interruption) else error
    # of an import that a signal cut in two may come any error; but one of saving what there was is to be told
    if isinstance(interruption, KeyboardInterrupt) or (signals.came() and not signals.is_ending()):
        word, code = signals.ending(interruption)
        print(f"{word}.", file=sys.stderr)
        return code
    if isinstance(error, ClearpropError):
        print(f"Error: {printable(str(error))}", file=sys.stderr)
        return USER_MISTAKE
    if isinstance(error, MemoryError):
        print(
            f"Error: Not enough memory ({error or 'none left'}); choose smaller layers, a smaller batch or "
            "less data.",
            file=sys.stderr,
        )
        return USER_MISTAKE
    if isinstance(error, (BrokenPipeError, SystemExit)):
        # rich turns the first into the second: the reader of a pipe has seen enough, and nothing more
        # is to be said to it, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return signals.ending()[1] if signals.came() else 0
    # what the parser of the command line raises: newer releases of typer carry click inside, so its
    # classes have no public name that holds for all of them
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        _say(error.format_message(), getattr(error, "ctx", None))
        return USER_MISTAKE
    traceback.print_exception(error)
    print(
        "This is a defect of Clearprop, not of your input; please report it with the text above.",
        file=sys.stderr,
    )
    return DEFECT

"""The command line application: its verbs, and the exit code and message for each way a verb can end."""

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
from clearprop.cli import interrupts
from clearprop.cli.commands import data
from clearprop.cli.commands.bench import bench
from clearprop.cli.commands.diagnose import diagnose
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
    """Carries Ctrl-C or SIGTERM through the parser, which would end without a message."""


class _Verbs(TyperGroup):
    """The verbs; while one runs, interrupts are allowed."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            with interrupts.allow_interrupts():
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
for verb in (study, train, evaluate, predict, diagnose, report, export, bench):
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
    """Print the parser's error as one sentence; without a verb, print the help instead."""
    if context is not None and message == context.get_help():
        print(message, file=sys.stderr)
        return
    where = context.command_path if context is not None else "clearprop"
    print(f"Error: {message.rstrip('.')}; see {where} --help.", file=sys.stderr)


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print the warnings of Clearprop as one sentence, without the line of code that raised them."""

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
        with interrupts.silence_swallowed(), _plain_warnings():
            code = command.main(args=arguments, prog_name="clearprop", standalone_mode=False)
            # a closed pipe raises here, where it is handled, and not as Python ends
            print(end="", flush=True)
        # a signal that a destructor swallowed
        interrupts.raise_delayed()
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        return _end(error)
    return code if isinstance(code, int) else 0


def _end(error: BaseException) -> int:
    """Print why the command ended, and return its exit code."""
    interruption = error.__cause__ if isinstance(error, _Interruption) else error
    # an interrupted import may raise any error, so the signal is reported; but once the command is ending,
    # an error means that saving the work so far has failed, which the user must know
    if isinstance(interruption, KeyboardInterrupt) or (
        interrupts.was_interrupted() and not interrupts.is_ending()
    ):
        word, code = interrupts.begin_ending(interruption)
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
        # the reader closed the pipe (rich turns BrokenPipeError into SystemExit): nothing may be written to
        # it any more, not even the flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return interrupts.begin_ending()[1] if interrupts.was_interrupted() else 0
    # an error of the parser; newer releases of typer carry their own click, so its classes have no public
    # name that works for all releases
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        _say(error.format_message(), getattr(error, "ctx", None))
        return USER_MISTAKE
    traceback.print_exception(error)
    print(
        "This is a defect of Clearprop, not of your input; please report it with the text above.",
        file=sys.stderr,
    )
    return DEFECT

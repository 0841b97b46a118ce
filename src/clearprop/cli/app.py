"""The command `clearprop`: its verbs, and what each way of ending means."""

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
from clearprop.cli import data
from clearprop.cli.bench import bench
from clearprop.cli.evaluate import evaluate
from clearprop.cli.export import export
from clearprop.cli.import_model import import_model
from clearprop.cli.predict import predict
from clearprop.cli.report import report
from clearprop.cli.signals import exit_code, terminable, word
from clearprop.cli.study import study
from clearprop.cli.train import train
from clearprop.errors import ClearpropError, ClearpropWarning

USER_MISTAKE = 2
DEFECT = 1


class _Interruption(Exception):
    """Ctrl-C or SIGTERM, on its way through the parser, which would end without a word."""


class _Verbs(TyperGroup):
    """The verbs, from which an interruption comes out as what it is."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that was asked for."""
        try:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str or None
        What follows the command's name; None takes it from ``sys.argv``.

    Returns
    -------
    int
        0; 2 for a user's mistake; 1 for a defect of Clearprop; 130 after Ctrl-C, 143 after SIGTERM.
    """
    command = typer.main.get_command(app)
    try:
        with terminable(), _plain_warnings():
            code = command.main(args=arguments, prog_name="clearprop", standalone_mode=False)
    except ClearpropError as error:
        # a name out of a file must not move the cursor of a terminal
        sentence = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error))
        print(f"Error: {sentence}", file=sys.stderr)
        return USER_MISTAKE
    except MemoryError as error:
        print(
            f"Error: Not enough memory ({error or 'none left'}); choose smaller layers, a smaller batch or "
            "less data.",
            file=sys.stderr,
        )
        return USER_MISTAKE
    except (_Interruption, KeyboardInterrupt, typer.Abort) as error:
        interruption = error if isinstance(error, KeyboardInterrupt) else error.__cause__
        print(f"{word(interruption)}.", file=sys.stderr)
        return exit_code(interruption)
    except (BrokenPipeError, SystemExit):
        # rich turns the first into the second: the reader of a pipe has seen enough, and nothing more
        # is to be said to it, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        # what the parser of the command line raises: newer releases of typer carry click inside, so its
        # classes have no public name that holds for all of them
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            _say(error.format_message(), getattr(error, "ctx", None))
            return USER_MISTAKE
        traceback.print_exc()
        print(
            "This is a defect of Clearprop, not of your input; please report it with the text above.",
            file=sys.stderr,
        )
        return DEFECT
    return code if isinstance(code, int) else 0

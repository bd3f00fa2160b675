"""The command: finds the verb, turns every ending into an exit code and one plain line."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

import click

import penstock
from penstock.errors import ConfigError, InputError, JournalError, PenstockError
from penstock.observers.logging import LEVELS, configure_logging, masked

__all__ = ["EXIT_BUG", "EXIT_CANNOT_WRITE", "EXIT_STOPPED", "EXIT_UNANSWERED", "EXIT_USAGE", "VERBS", "main", "run"]

EXIT_UNANSWERED = 1
EXIT_USAGE = 2
EXIT_STOPPED = 3
EXIT_CANNOT_WRITE = 4
EXIT_BUG = 5

VERBS: dict[str, tuple[str, str]] = {
    # verb: (module of penstock.cli that has `command`, what it does)
    "run": ("run", "Answer every request of a file; resumable."),
    "ask": ("ask", "One answer, streamed to the terminal."),
    "chat": ("chat", "A conversation that is kept."),
    "estimate": ("estimate", "What a run would cost and how long it would take."),
    "runs": ("runs", "Past runs in a folder."),
    "status": ("status", "How one run stands."),
    "report": ("report", "A run's HTML report."),
    "show": ("show", "One request's whole story."),
    "export": ("export", "Write a run's outputs again."),
    "prompts": ("prompts", "Prompts in files: list, show, render, diff."),
    "cache": ("cache", "The response cache: what it holds, what is too old, all of it."),
    "import-cache": ("import_cache", "Take over the cache of another tool."),
    "sim": ("sim", "The provider simulator."),
    "providers": ("providers", "Known providers and which keys are found."),
    "doctor": ("doctor", "Check each configured provider with a tiny request."),
}


class _NoReader(Exception):
    """A broken pipe, under a name that Click doesn't know: it would end the process itself, with another code."""


class _Verbs(click.Group):
    """A group whose verbs are imported when they are used, so that --help and a typo cost nothing."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command = importlib.import_module(f"penstock.cli.{VERBS[name][0]}").command
        assert isinstance(command, click.Command)
        if not any(param.name == "log_level" for param in command.params):
            command.params.extend(_log_options())
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _NoReader from error

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from penstock.config.suggest import did_you_mean

            raise click.UsageError(f'unknown command "{args[0]}"{did_you_mean(args[0], VERBS)}', ctx)
        return super().resolve_command(ctx, args)


def _log_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--log-level"],
            type=click.Choice(LEVELS),
            expose_value=False,
            callback=_configure_log,
            help="Write a log to stderr.",
        ),
        click.Option(
            ["--log-prompts"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_ask_for_prompts,
            help="With --log-level debug, log the prompts too.",
        ),
    ]


def _ask_for_prompts(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    ctx.meta["penstock.prompts"] = wanted


def _configure_log(ctx: click.Context, _param: click.Parameter, level: str | None) -> None:
    if level is not None:
        configure_logging(level, prompts=ctx.meta.get("penstock.prompts", False))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(penstock.__version__, prog_name="penstock")
def command() -> None:
    """Send prompts to LLM providers: fast, dependable, nothing lost, nothing paid twice."""


def main() -> None:
    """The entry point of the `penstock` command."""
    # What is imported lives to the end: looking through it for garbage while there is more of it, and once more when
    # all is over, takes a quarter of the time of a short command.
    gc.set_threshold(50_000, 20, 100)
    code = run(sys.argv[1:])
    gc.freeze()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            # A terminal that was closed: a second attempt, at exit, would replace the exit code.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def run(args: Sequence[str]) -> int:
    """The exit code of `penstock ARGS`. Every error becomes one line on stderr, without any key."""
    warnings.showwarning = _show_warning
    try:
        code = command.main(args=list(args), prog_name="penstock", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except (ConfigError, InputError, JournalError) as error:
        return _end(error, EXIT_USAGE)
    except PenstockError as error:
        return _end(error, EXIT_UNANSWERED)
    except (KeyboardInterrupt, click.Abort):
        click.echo("penstock: stopped", err=True)
        return EXIT_STOPPED
    except (BrokenPipeError, _NoReader):
        # Who read our output is gone; a second attempt at writing it would only complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_CANNOT_WRITE
    except OSError as error:
        return _end(_said(error), EXIT_CANNOT_WRITE)
    except Exception as error:  # noqa: BLE001 - the outermost edge
        return _end_of_bug(error, args)


def _said(error: OSError) -> str:
    """File and reason, without the system's number."""
    if error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


def _end(error: Exception | str, code: int) -> int:
    click.echo(masked(f"penstock: {error}"), err=True)
    return code


def _end_of_bug(error: Exception, args: Sequence[str]) -> int:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    if "debug" in args or "--log-level=debug" in args:
        click.echo(masked("".join(traceback.format_exception(error))), err=True)
        hint = ""
    else:
        hint = "; --log-level debug shows where"
    click.echo(
        masked(f"penstock: this is a bug in penstock: {type(error).__name__}: {error} ({place}){hint}"), err=True
    )
    return EXIT_BUG


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> Any:
    del category, filename, lineno, file, line
    click.echo(masked(f"penstock: warning: {message}"), err=True)

"""`penstock run`: options into settings, the summary into text and an exit code."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from penstock.cli.options import Hedge, Seconds, Usd, key_value

__all__ = ["command"]

_ONCE = frozenset(("--fresh",))
"""Options of one call of the command, not of the run: the hint how to go on leaves them out."""


@click.command("run")
@click.argument("input", metavar="INPUT")
@click.option("-o", "--output", required=True, metavar="OUT", help='Where answers go: .jsonl, .csv, .parquet, or "-".')
@click.option("-m", "--model", "models", multiple=True, help="A target or route; repeated: in order of preference.")
@click.option("--prompt", help='A template such as "Summarise: {{ text }}" over columns; or @NAME[@VERSION], @FILE.md.')
@click.option("--prompt-library", metavar="DIR", help="Where @NAME is looked up. Default: prompts")
@click.option("--prompt-rules", metavar="FILE", help="A Python file whose functions are filters of the prompts.")
@click.option("--split-by", metavar="COLUMN", help="Whose row it is: divides rows among the versions with a weight.")
@click.option("--id-column", help="The column that holds the custom_id.")
@click.option("-s", "--system", help="A system message for every chat, in place of its own.")
@click.option("--temperature", type=float)
@click.option("--max-tokens", type=click.IntRange(min=1))
@click.option("--top-p", type=float)
@click.option("--seed", type=int, help="The seed in each body.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="Any other field of the body; repeatable.")
@click.option("--schema", metavar="FILE", help="The JSON Schema of every answer; one that doesn't fit is asked again.")
@click.option("--reasks", type=click.IntRange(0, 20), default=2, help="How often that is. Default: 2.")
@click.option("--deadline", type=Seconds(), help="For each request, from its first send.")
@click.option("--max-elapsed", type=Seconds(), help="Stop after this time; resumable.")
@click.option("--max-attempts", type=click.IntRange(min=1), help="For each request.")
@click.option("--hedge", type=Hedge(), help="Ask the next target too when the first is late.")
@click.option(
    "--give-up-after", type=Seconds(), default="15m", help="Stop when nothing answers for so long. Default: 15m."
)
@click.option("--concurrency", type=click.IntRange(min=1), help="Most requests in flight; by default it adapts.")
@click.option("--budget", "budget_usd", type=Usd(), metavar="USD", help="Stop before more is spent; resumable.")
@click.option("--rpm", type=click.IntRange(min=1), help="Requests a minute, for each key.")
@click.option("--tpm", type=click.IntRange(min=1), help="Tokens a minute, for each key.")
@click.option("--no-dedup", is_flag=True, help="Ask equal rows each for itself.")
@click.option("--no-cache", is_flag=True, help="Leave the cache of the configuration alone.")
@click.option("--samples", type=click.IntRange(min=1), default=1, help="Answers for each row, as ID#1 ... ID#N.")
@click.option("--unordered", is_flag=True, help="OUT grows as answers come, in their order.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first rows of INPUT.")
@click.option("--skip-bad", is_flag=True, help="Bad lines go to the errors file and don't stop the run.")
@click.option("--retry-failed", is_flag=True, help="Ask failed requests again.")
@click.option("--keep-answered", is_flag=True, help="Go on with other settings for what is left.")
@click.option("--fresh", is_flag=True, help="Start anew; the old journal is kept as .bak.")
@click.option("--journal", metavar="PATH", help="Default: OUT.penstock")
@click.option("--sync", type=click.Choice(["normal", "full"]), default="normal", help="full: safe against power loss.")
@click.option("--base-url", help="Send to this server instead of the provider's own.")
@click.option("--config", metavar="FILE", help="Default: penstock.toml")
@click.option("--quiet", is_flag=True, help="No display and no summary.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on stdout.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Answer every request of INPUT into OUT; the same command again resumes."""
    from penstock.batch.job import run_job
    from penstock.batch.settings import JobSettings
    from penstock.schema import read_schema_file

    as_json = options.pop("as_json")
    params = dict(map(key_value, options.pop("params")))
    for name in ("temperature", "max_tokens", "top_p", "seed"):
        if (value := options.pop(name)) is not None:
            params[name] = value
    if as_json and options["output"] == "-":
        raise click.UsageError("--json and -o -: both would write to stdout")
    schema = options.pop("schema")
    if schema is None and ctx.get_parameter_source("reasks") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--reasks: it goes with --schema")
    settings = JobSettings(
        params=params,
        schema=None if schema is None else read_schema_file(Path(schema)),
        schema_file=schema,
        models=tuple(options.pop("models")),
        dedup=not options.pop("no_dedup"),
        cache=not options.pop("no_cache"),
        deadline_s=options.pop("deadline"),
        max_elapsed_s=options.pop("max_elapsed"),
        give_up_after_s=options.pop("give_up_after"),
        # Said to those who want to go on: not with what would begin anew.
        command=shlex.join(["penstock", *(word for word in sys.argv[1:] if word not in _ONCE)]),
        **options,
    )
    summary = run_job(settings)
    if not settings.quiet:
        from penstock.batch.display import render_summary

        with contextlib.suppress(OSError):  # the terminal was closed, or nobody reads: the exit code tells
            click.echo(render_summary(summary, command=settings.command), err=True)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(summary))
    ctx.exit(summary.exit_code)

"""`penstock export`: OUT written again from the journal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from penstock.batch.reader import Run, RunInfo
    from penstock.batch.sources import Source

__all__ = ["command"]


@click.command("export")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="PATH", help='Where to: .jsonl, .csv, .parquet, or "-". OUT itself otherwise.')
def command(run: Path, *, output: str | None) -> None:
    """Write the answers of a run again. RUN is the path of its OUT or of its journal.

    The errors file goes beside them. Prints what was written.
    """
    from penstock.batch.export import errors_path, write_outputs
    from penstock.batch.reader import open_run
    from penstock.cli.status import is_superseded, out_of

    with open_run(run) as opened:
        info = opened.info
        if output == "-":
            _to_stdout(opened, info)
            return
        path = out_of(run, info) if output is None else Path(output)
        if output is None and is_superseded(run, path):
            raise click.UsageError(f"{path} belongs to a later run than {run}; name another file with -o")
        if output is None and info.state == "running":
            raise click.UsageError(f"{path}: the run is writing to it; name another file with -o")
        failed = write_outputs(path, opened.items(), run_id=info.id, source=_source(path, info))
    click.echo(path)
    if failed:
        click.echo(errors_path(path))


def _source(path: Path, info: RunInfo) -> Source | None:
    """The input, whose rows a table repeats."""
    if path.suffix == ".jsonl":
        return None
    if path.suffix not in (".csv", ".parquet"):
        raise click.UsageError(f"{path}: expected a name that ends in .jsonl, .csv or .parquet")
    if not info.is_command:
        raise click.UsageError(
            f"{path}: a table repeats an input file's rows, and this was {info.input}; name a .jsonl"
        )
    if info.samples > 1:
        raise click.UsageError(f"{path}: the run has {info.samples} answers a row and a table one; name a .jsonl")
    from penstock.batch.sources import open_source

    return open_source(info.input, prompt=info.settings.get("prompt"), id_column=info.id_column)


def _to_stdout(run: Run, info: RunInfo) -> None:
    from penstock.batch.record import answer_line
    from penstock.batch.schema import ANSWERED

    stdout = sys.stdout.buffer
    for item in run.items():
        if item.state == ANSWERED:
            stdout.write(answer_line(item, info.id))
    stdout.flush()

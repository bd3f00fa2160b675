"""`penstock runs`: the runs whose journals are in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

__all__ = ["command", "journals"]

_DEPTH = 3
_MOST = 1000


class _Told(NamedTuple):
    """One run's line. `problem` says why its journal can't be read."""

    run: str
    state: str = "unreadable"
    total: int | None = None
    answered: int = 0
    failed: int = 0
    begun_s: float = 0.0
    problem: str | None = None


@click.command("runs")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(folder: Path, *, as_json: bool) -> None:
    """Past runs in DIR (here otherwise) and up to three folders below it, newest first."""
    import msgspec

    from penstock.batch.display_words import clock_time, count, legible

    found = sorted(map(_read, journals(folder)), key=lambda told: told.begun_s, reverse=True)
    if as_json:
        for told in found:
            click.echo(msgspec.json.encode(told._asdict()))
        return
    if not found:
        click.echo(f"no runs in {folder}", err=True)
        return
    rows = [("RUN", "STATE", "DONE", "FAILED", "BEGUN")]
    for told in found:
        done = count(told.answered + told.failed) + (f"/{count(told.total)}" if told.total is not None else "")
        cells = (done, count(told.failed), clock_time(told.begun_s))
        if told.problem is not None:
            cells = ("", "", legible(told.problem, 120))
        rows.append((legible(told.run), told.state, *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, state, done, failed, begun in rows:
        line = f"{name:<{widths[0]}}  {state:<{widths[1]}}  {done:>{widths[2]}}  {failed:>{widths[3]}}  {begun}"
        click.echo(line.rstrip())


def journals(folder: Path) -> Iterator[Path]:
    """The journals in a folder and below, hidden folders left out; a thousand at most."""
    left = _MOST
    for where, folders, files in os.walk(folder):
        depth = len(Path(where).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < _DEPTH else []
        for name in sorted(files):
            if name.endswith(".penstock"):
                yield Path(where, name)
                left -= 1
                if not left:
                    return


def _read(journal: Path) -> _Told:
    from penstock.batch.reader import open_run
    from penstock.errors import JournalError

    name = str(journal).removesuffix(".penstock")
    try:
        with open_run(journal) as run:
            info, counts = run.info, run.counts()
    except JournalError as error:
        return _Told(name, problem=str(error))
    return _Told(name, info.state, info.total, counts.answered, counts.failed, info.created_s)

"""`penstock report`: a run's HTML report."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("report")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="PATH", type=click.Path(path_type=Path), help="Default: OUT.report.html")
def command(run: Path, *, output: Path | None) -> None:
    """Write a run's report, one HTML file, and print where. RUN is the path of its OUT or of its journal."""
    from penstock.batch.reader import open_run
    from penstock.batch.report import report_path, write_report
    from penstock.cli.status import is_superseded, out_of

    with open_run(run) as opened:
        info = opened.info
        out = out_of(run, info)
        path = output or report_path(run if is_superseded(run, out) else out)
        write_report(path, info, opened.outcomes(bodies=False))
    click.echo(path)

"""`penstock status`: how one run stands, and how it goes on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from penstock.batch.reader import Counts, RunInfo

__all__ = ["command", "is_superseded", "out_of", "resume_command"]


@click.command("status")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(run: Path, *, as_json: bool) -> None:
    """How a run stands. RUN is the path of its OUT or of its journal."""
    from penstock.batch.reader import open_run

    with open_run(run) as opened:
        info, counts = opened.info, opened.counts()
    out = out_of(run, info)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(_told(out, info, counts)))
        return
    for line in _lines(out, info, counts):
        click.echo(line)


def out_of(run: Path, info: RunInfo) -> Path:
    """Where the outputs of a run are, from here: beside the path it was named by, when that has OUT's name."""
    from penstock.batch.journal import journal_path

    if journal_path(run) != run:
        return run
    beside = run.with_suffix("")
    return beside if beside.name == Path(info.output).name else Path(info.output)


def is_superseded(run: Path, out: Path) -> bool:
    """Whether `out` belongs to another run than that of the journal `run`, which was set aside."""
    from penstock.batch.journal import journal_path

    own, usual = journal_path(run), journal_path(out)
    if own == usual or (usual.exists() and own.samefile(usual)):
        return False
    return out.exists() and (usual.exists() or re.search(r"\.bak\d*$", own.name) is not None)


def resume_command(info: RunInfo) -> str:
    """The command that goes on with a run, with every option that must be as it was or says where something is."""
    words = ["penstock", "run", info.input, "-o", info.output]
    for model in info.settings.get("models") or ():
        words += ["-m", model]
    named = {
        "--prompt": prompt if isinstance(prompt := info.settings.get("prompt"), str) else None,
        "--id-column": info.id_column,
        "--system": info.settings.get("system"),
        "--samples": str(info.samples) if info.samples > 1 else None,
        **{f"--{name.replace('_', '-')}": place for name, place in info.places.items()},
    }
    for option, value in named.items():
        words += [option, value] if value is not None else []
    for key, value in (info.settings.get("params") or {}).items():
        words += ["--param", f"{key}={_param_value(value)}"]
    return shlex.join(words)


def _param_value(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def _remaining(info: RunInfo, counts: Counts) -> int | None:
    return None if info.total is None else max(0, info.total - counts.answered - counts.failed)


def _told(out: Path, info: RunInfo, counts: Counts) -> dict[str, Any]:
    last = info.sessions[-1] if info.sessions else None
    return {
        "output": str(out),
        "input": info.input,
        "state": info.state,
        "begun_s": info.created_s,
        "total": info.total,
        "answered": counts.answered,
        "failed": counts.failed,
        "remaining": _remaining(info, counts),
        "spent_usd": info.spent_usd,
        "errors": counts.errors,
        "sessions": len(info.sessions),
        "stopped": last.stopped if last is not None else None,
        "exit_code": last.exit_code if last is not None else None,
        "resume": resume_command(info) if info.is_command else None,
    }


def _lines(out: Path, info: RunInfo, counts: Counts) -> list[str]:
    from penstock.batch.display_words import clock_time, count, legible, money, share

    last = info.sessions[-1] if info.sessions else None
    why = f": {legible(last.stopped)}" if last is not None and last.stopped and info.state == "stopped" else ""
    lines = [f"{legible(str(out), 1000)}: {info.state}{why}"]
    of = f" of {count(info.total)} ({share(counts.answered, info.total)})" if info.total is not None else ""
    left = _remaining(info, counts)
    sessions = f", {count(len(info.sessions))} sessions" if len(info.sessions) > 1 else ""
    rows = [
        ("answered", f"{count(counts.answered)}{of}"),
        ("failed", count(counts.failed) if counts.failed else ""),
        *((f"  {legible(code, 40)}", count(n)) for code, n in sorted(counts.errors.items(), key=lambda item: -item[1])),
        ("not asked", count(left) if left else ""),
        ("spent", money(info.spent_usd) if info.spent_usd else ""),
        ("begun", f"{clock_time(info.created_s)}{sessions}"),
        ("input", legible(info.input, 1000)),
    ]
    lines += [f"  {name:<17} {text}" for name, text in rows if text]
    if not info.is_command:
        return lines
    if info.state != "running" and (left or info.state != "finished"):
        is_spent = "--budget" in resume_command(info) and "budget" in why
        how = "To go on with a higher budget, and" if is_spent else "To go on, with"
        lines.append(f"{how} the other options it had:\n  {resume_command(info)}")
    elif info.state == "finished" and counts.failed > counts.errors.get("invalid_input", 0):
        lines.append(f"To ask the failed ones again:\n  {resume_command(info)} --retry-failed")
    return lines

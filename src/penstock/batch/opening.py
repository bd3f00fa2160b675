"""Everything that can be wrong is found here, before anything is sent: options, input, journal, what they say of each
other. What comes out is ready to run."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from penstock.batch.export import errors_path
from penstock.batch.items import BadItem, Estimate, Hits, Item, Known, body_digest_of, identities, items
from penstock.batch.journal import Journal
from penstock.batch.notes import Notes
from penstock.batch.prescan import Equals, InPlace, Scan, prescan
from penstock.batch.reader import open_run
from penstock.batch.reconcile import Reconciled
from penstock.batch.schema import ANSWERED, BAD, FAILED
from penstock.batch.settings import JobSettings
from penstock.batch.sinks import check_table
from penstock.batch.sources import BadRow, Source, open_source
from penstock.errors import ConfigError, InputError, JournalError

__all__ = ["Opened", "open_job"]


class Opened(msgspec.Struct, kw_only=True):
    """A run that may begin. `journal` is open and locked; close it."""

    source: Source
    scan: Scan | None
    """None for a pipe."""
    journal: Journal | None
    run_id: str
    total: int | None
    """Items of the input; None for a pipe."""
    wanted_total: int | None
    """Of them, those within --limit."""
    resumed: int
    """Items that earlier sessions answered, within --limit."""
    reconciled: Reconciled | None
    maybe_billed: int
    """Requests that were in flight when the last session was killed."""
    models: tuple[str | None, ...]
    """The models that bodies name, None among them when some name none; empty for a pipe."""
    states: bytearray

    def left_out(self) -> int:
        """Items beyond --limit that no session has asked."""
        if self.wanted_total is None or self.total is None:
            return 0
        return self.states.count(0, self.wanted_total)

    def items(
        self, settings: JobSettings, estimate: Estimate | None = None, known: Known | None = None
    ) -> Iterator[Item | BadItem | Hits]:
        """What is left to ask."""
        states, bound = self.states, self.wanted_total
        again = settings.retry_failed

        def wanted(idx: int) -> bool:
            if bound is not None and idx >= bound:
                return False
            state = states[idx] if idx < len(states) else 0
            return state == 0 or (again and state == FAILED)

        equals: Equals | None = self.scan.equals if self.scan is not None and settings.dedup else None
        return items(
            self.source,
            settings.shape,
            scan=self.scan,
            equals=equals,
            wanted=None if bound == self.total and not states.strip(b"\0") else wanted,
            estimate=estimate,
            known=known,
        )


def open_job(settings: JobSettings, resolve: Callable[[str | None], object], *, takes_notes: bool = False) -> Opened:
    """Check everything, then open the journal. `takes_notes`: of every row, for a cache that may have its answer.

    `resolve` is called with each model the bodies name and raises `ConfigError` for an unusable one. Raises
    `InputError`, `ConfigError`, `JournalError`, or `OSError` when the journal can't be written.
    """
    settings.check()
    source = open_source(settings.input, prompt=settings.prompt, id_column=settings.id_column)
    if settings.out is not None and settings.out.suffix != ".jsonl":
        check_table(source, settings.out)
    if settings.models:
        resolve(None)
    path = settings.journal_file
    if path is None:
        return _without_journal(settings, source, resolve, _notes(settings) if takes_notes else None)
    _check_output(settings, path)
    with contextlib.ExitStack() as stack:
        resumes = path.exists() and not settings.fresh
        journal = _journal(settings, path, stack) if resumes else None
        info = journal.info() if journal is not None else {}
        _check_lasting(settings, info)
        in_place = _in_place(settings, journal, info)
        scan = _scan(settings, source, info, in_place, _notes(settings) if takes_notes else None)
        models = _models(settings, scan, resolve)
        if journal is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _set_aside(path)
            journal = _journal(settings, path, stack)
        opened = _enter(settings, source, scan, journal, info, models, in_place)
        stack.pop_all()
        return opened


def _journal(settings: JobSettings, path: Path, stack: contextlib.ExitStack) -> Journal:
    assert settings.out is not None
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(Journal(path, out=settings.out, sync=settings.sync))


def _without_journal(
    settings: JobSettings, source: Source, resolve: Callable[[str | None], object], notes: Notes | None
) -> Opened:
    scan = _scan(settings, source, {}, None, notes)
    total = _total(settings, scan)
    return Opened(
        source=source,
        scan=scan,
        journal=None,
        run_id=secrets.token_hex(6),
        total=total,
        wanted_total=_within(settings, total),
        resumed=0,
        reconciled=None,
        maybe_billed=0,
        models=_models(settings, scan, resolve),
        states=bytearray(total or 0),
    )


def _check_output(settings: JobSettings, journal: Path) -> None:
    """OUT without a journal was made by something else: it is never overwritten."""
    assert settings.out is not None
    if journal.exists() and (settings.journal is None or _output_name(journal) in (None, settings.out.name)):
        return
    for path in (settings.out, errors_path(settings.out)):
        if path.exists():
            raise InputError(
                f"{path} exists and has no journal ({journal}), so it isn't this command's to overwrite; "
                "move it away or name another OUT"
            )


def _output_name(journal: Path) -> str | None:
    """The name of the OUT that this journal belongs to, None when it can't be told."""
    try:
        with open_run(journal) as run:
            return Path(run.info.output).name
    except JournalError:
        return None


def _set_aside(journal: Path) -> None:
    """Keep the old journal as .bak, the first free one."""
    if not journal.exists():
        return
    from penstock.batch.lock import RunLock

    lock = RunLock(journal)
    try:
        number = 1
        while (backup := journal.with_name(f"{journal.name}.bak{'' if number == 1 else number}")).exists():
            number += 1
        for suffix in ("", "-wal"):
            part = journal.with_name(journal.name + suffix)
            if part.exists():
                part.replace(backup.with_name(backup.name + suffix))
        journal.with_name(journal.name + "-shm").unlink(missing_ok=True)
    finally:
        lock.release()


_MOST_SHOWN = 60
_OPTION = {
    "models": "-m",
    "prompt": "--prompt",
    "system": "--system",
    "params": "--param and sampling options",
    "schema": "--schema",
}


def _check_lasting(settings: JobSettings, info: dict[str, Any]) -> None:
    if "made_by" in info:
        raise InputError(f"{settings.journal_file}: a program's journal (Client.run); name another file with --journal")
    if info and info.get("id_column") != settings.id_column:
        was = f"--id-column {info['id_column']}" if info.get("id_column") else "no --id-column"
        raise InputError(
            f"--id-column: the run began with {was}, and by other ids every row would be asked again. "
            "Name the same column, or start anew with --fresh (the old journal is kept as .bak)"
        )
    before, now = info.get("settings"), settings.lasting()
    if before is None or settings.keep_answered:
        return
    changed = [_OPTION[key] + _was(before, now, key) for key in now if before.get(key) != now[key]]
    if changed:
        raise InputError(
            f"{', '.join(changed)}: not what this run began with. Go on with --keep-answered (new settings for what "
            "is left), or start anew with --fresh (the old journal is kept as .bak)"
        )


def _was(before: dict[str, Any], now: dict[str, Any], key: str) -> str:
    """What to write again; prompts are long."""
    if key == "params":
        old, new = before.get(key) or {}, now[key]
        changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        return f" ({', '.join(f'{name} was {_shown(old.get(name))}' for name in changed)})"
    return f" (it was {', '.join(before['models'])})" if key == "models" and before.get("models") else ""


def _shown(value: object) -> str:
    text = "not set" if value is None else msgspec.json.encode(value).decode()
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def _in_place(settings: JobSettings, journal: Journal | None, info: dict[str, Any]) -> InPlace | None:
    if journal is None or not info or info.get("samples") != 1 or settings.samples != 1 or journal.has_gone():
        return None
    return InPlace(journal.known())


def _notes(settings: JobSettings) -> Notes:
    return Notes(body_digest_of(settings.shape))


def _scan(
    settings: JobSettings, source: Source, info: dict[str, Any], in_place: InPlace | None, notes: Notes | None
) -> Scan | None:
    if not source.replayable:
        return None
    fingerprint = source.fingerprint()
    before = info.get("scan")
    if (
        before is not None
        and fingerprint is not None
        and before["fingerprint"] == fingerprint.hex()
        and (before["dedup"] or not settings.dedup)
    ):
        return Scan.clean(rows=before["rows"], models=frozenset(before["models"]))
    scan = prescan(source, find_equals=settings.dedup, in_place=in_place, notes=notes)
    if settings.skip_bad or not (scan.bad or scan.repeated):
        return scan
    shown = [*scan.first_bad, *scan.repeated.values()][:5]
    more = scan.bad + len(scan.repeated) - len(shown)
    tail = f"\n... and {more} more" if more > 0 else ""
    raise InputError("\n".join(shown) + tail + "\nNothing was sent. --skip-bad sends such lines to the errors file")


def _models(
    settings: JobSettings, scan: Scan | None, resolve: Callable[[str | None], object]
) -> tuple[str | None, ...]:
    if settings.models or scan is None:
        return ()
    names = tuple(sorted(scan.models, key=lambda name: name or ""))
    for name in names:
        try:
            resolve(name)
        except ConfigError as error:
            raise ConfigError(f"{_first_with(settings, name)}{error}") from None
    return names


def _first_with(settings: JobSettings, model: str | None) -> str:
    """The line of the first row that names the model, fit to be put before what is wrong with it."""
    source = open_source(settings.input, prompt=settings.prompt, id_column=settings.id_column)
    rows = (row for row in source.rows() if not isinstance(row, BadRow) and row.model == model)
    first = next(rows, None) if model is not None else None
    return "" if first is None else f"{source.name}:{first.line}: "


def _total(settings: JobSettings, scan: Scan | None) -> int | None:
    return None if scan is None else scan.rows * settings.samples


def _within(settings: JobSettings, total: int | None) -> int | None:
    bound = None if settings.limit is None else settings.limit * settings.samples
    return total if bound is None else bound if total is None else min(total, bound)


def _enter(
    settings: JobSettings,
    source: Source,
    scan: Scan | None,
    journal: Journal,
    info: dict[str, Any],
    models: tuple[str | None, ...],
    in_place: InPlace | None,
) -> Opened:
    total, reconciled = _total(settings, scan), None
    renewed: Iterator[tuple[int, str, bytes]] = iter(())
    fingerprint = source.fingerprint()
    is_same = info.get("fingerprint") == (fingerprint.hex() if fingerprint else None)
    has_moved = in_place is None or not in_place.holds() or (scan is not None and bool(scan.repeated))
    is_same = (is_same and info.get("samples") == settings.samples) or not has_moved
    if info and scan is not None and not is_same:
        before = _source_before(settings, source, info)
        entries = identities(before, settings.samples, scan)
        reconciled = journal.reconcile(
            entries,
            failed_may_change=settings.retry_failed,
            samples_before=info.get("samples", 1),
            samples=settings.samples,
        )
        if before is not source:
            renewed = identities(source, settings.samples, scan)
    elif info:
        journal.drop_states(BAD)  # judged again each time, with the options of this time
        if scan is None:
            journal.resample(before=info.get("samples", 1), now=settings.samples)
    run_id = info.get("id") or secrets.token_hex(6)
    is_clean = scan is not None and not (scan.bad or scan.repeated or len(scan.equals))
    journal.remember(
        renewed,
        id=run_id,
        created_s=info.get("created_s") or time.time(),
        **settings.told(),
        samples=settings.samples,
        id_column=settings.id_column,
        total=total,
        fingerprint=fingerprint.hex() if fingerprint else None,
        scan=_clean_scan(scan, fingerprint, dedup=settings.dedup) if is_clean else None,
    )
    states = journal.states(total) if total is not None else bytearray()
    within = _within(settings, total)
    return Opened(
        source=source,
        scan=scan,
        journal=journal,
        run_id=run_id,
        total=total,
        wanted_total=within,
        resumed=states[:within].count(ANSWERED) + (0 if settings.retry_failed else states[:within].count(FAILED)),
        reconciled=reconciled,
        maybe_billed=journal.begin_session(),
        models=models,
        states=states,
    )


def _source_before(settings: JobSettings, source: Source, info: dict[str, Any]) -> Source:
    """The input as the earlier --prompt reads it: what changed in a row is told from what changed in the prompt."""
    prompt = info["settings"]["prompt"] if info.get("settings") else settings.lasting()["prompt"]
    if prompt == settings.lasting()["prompt"]:
        return source
    try:
        return open_source(settings.input, prompt=prompt, id_column=settings.id_column)
    except InputError as error:
        raise InputError(
            f"the --prompt that this run began with no longer fits the input ({error}). "
            "Start anew with --fresh (the old journal is kept as .bak)"
        ) from error


def _clean_scan(scan: Scan | None, fingerprint: bytes | None, *, dedup: bool) -> dict[str, Any] | None:
    """What spares a resume the whole reading: an unchanged input without bad or equal rows has nothing to find."""
    if scan is None or fingerprint is None:
        return None
    return {"fingerprint": fingerprint.hex(), "rows": scan.rows, "models": list(scan.models), "dedup": dedup}

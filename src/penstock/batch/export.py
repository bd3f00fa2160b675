"""OUT and the errors file, made from the journal: whole lines only, in input order, by rename."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from penstock.batch.journal import Journal
from penstock.batch.record import Record, Stored, answer_pieces, error_line, outcome_of
from penstock.batch.schema import ANSWERED
from penstock.batch.sinks import write_table
from penstock.batch.sinks_file import unfinished, whole_file
from penstock.batch.sources import Source
from penstock.batch.writer import Written

__all__ = ["GrowingOutput", "OrderedOutput", "errors_path", "write_errors", "write_lines", "write_outputs"]

_BLOCK = 256 * 1024
_GROWING = ".growing"
_MOST_HELD = 2048
_MOST_HELD_BYTES = 16 * 1024 * 1024


def errors_path(out: Path) -> Path:
    return out.with_name(out.name + ".errors.jsonl")


def write_outputs(out: Path, items: Iterable[Stored], *, run_id: str, source: Source | None = None) -> int:
    """Write OUT and its errors file from what there is; returns how many lines the errors file has.

    A table (`.csv`, `.parquet`) needs the `source`, whose rows it repeats. Raises `OSError` when either can't be
    written; what was there before is then still there.
    """
    errors = errors_path(out)
    with _Lines(errors) as failures:
        if source is not None and out.suffix != ".jsonl":
            write_table(out, source, map(outcome_of, _without_failures(items, failures)))
        else:
            write_lines(out, _without_failures(items, failures), run_id)
        failures.finish()
    return failures.count


def write_errors(out: Path, items: Iterable[Stored]) -> int:
    """Only the errors file; returns how many lines it has."""
    with _Lines(errors_path(out)) as failures:
        for _ in _without_failures(items, failures):
            pass
        failures.finish()
    return failures.count


def write_lines(out: Path, items: Iterable[Stored], run_id: str) -> None:
    """The answered ones of `items`, a line each."""
    with whole_file(out) as file:
        _add_lines(file, items, run_id)


def _add_lines(file: BinaryIO, items: Iterable[Stored], run_id: str) -> None:
    block: list[bytes] = []
    size = 0
    for item in items:
        if item.state != ANSWERED:
            continue
        pieces = answer_pieces(item, run_id)
        block += pieces
        size += len(pieces[1])
        if size >= _BLOCK:
            file.write(b"".join(block))
            block.clear()
            size = 0
    file.write(b"".join(block))


def _without_failures(items: Iterable[Stored], failures: _Lines) -> Iterator[Stored]:
    """Every item, after those without an answer were written to the errors file."""
    for item in items:
        if item.state != ANSWERED:
            failures.write(error_line(item))
        yield item


class _Lines:
    """A file that exists only when it has lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()
        self._file: BinaryIO | None = None
        self.count = 0

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stack.__exit__(kind, error, None)

    def write(self, line: bytes) -> None:
        if self._file is None:
            self._file = self._stack.enter_context(whole_file(self._path))
        self._file.write(line)
        self.count += 1

    def finish(self) -> None:
        """Put the file in place, or away when it would be empty."""
        if self._file is None:
            self._path.unlink(missing_ok=True)
        self._stack.close()


class OrderedOutput:
    """OUT of a run that keeps the order, begun while it goes on: what is committed, up to the first row that isn't.

    An answer that is at hand costs a third of one that is read back at the end. What lies behind a gap is held, but not
    much of it: a row that keeps too many waiting ends this, and they and all after them come from the journal.
    """

    def __init__(self, out: Path, run_id: str, *, body: Callable[[int], bytes]) -> None:
        """`out` has no answers yet. `body` reads a body that equal rows share; it is called in the writer's thread."""
        self._out = out
        self._run_id = run_id
        self._body = body
        self._stack = contextlib.ExitStack()
        self._file = self._stack.enter_context(whole_file(out, until=_GROWING))
        self._next = 0
        self._held: dict[int, tuple[Record, bytes | None]] = {}
        self._held_bytes = 0
        self._has_failures = False
        self._goes_on = True
        self._is_broken = False

    def add(self, group: Sequence[Written]) -> None:
        """Called by the journal's writer after a commit."""
        if not self._goes_on:
            return
        lines: list[bytes] = []
        held, at = self._held, self._next
        for record, raw, _ in group:
            held[record.idx] = (record, raw)
            self._held_bytes += len(raw or b"")
        while (found := held.pop(at, None)) is not None:
            record, raw = found
            at += 1
            self._held_bytes -= len(raw or b"")
            if record.state == ANSWERED:
                lines += answer_pieces(record, self._run_id, self._body(record.body or 0) if raw is None else raw)
            else:
                self._has_failures = True
        try:
            self._file.write(b"".join(lines))
        except OSError:  # the end tries again, and says so then
            self._goes_on, self._is_broken = False, True
        self._next = at
        if len(held) > _MOST_HELD or self._held_bytes > _MOST_HELD_BYTES:
            self._goes_on = False
        if not self._goes_on:
            held.clear()

    def finish(self, journal: Journal) -> int:
        """Write the rest, and the errors file; the same as `write_outputs`. The journal's writer has ended."""
        if self._is_broken:
            self.close()
            return write_outputs(self._out, journal.items(), run_id=self._run_id)
        early = journal.failures(below=self._next) if self._has_failures else ()
        with _Lines(errors_path(self._out)) as failures, self._stack:
            items = _without_failures(itertools.chain(early, journal.items(after=self._next - 1)), failures)
            _add_lines(self._file, items, self._run_id)
            self._stack.close()
            failures.finish()
        return failures.count

    def close(self) -> None:
        """Give it up, when it wasn't finished."""
        self._stack.__exit__(Exception, Exception(), None)

    @staticmethod
    def clear(out: Path) -> None:
        """Remove what a killed process left behind."""
        unfinished(out.resolve(), until=_GROWING).unlink(missing_ok=True)


class GrowingOutput:
    """OUT of an unordered run: begun from the journal, then a line for each answer once it is committed."""

    def __init__(self, out: Path, items: Iterable[Stored], run_id: str, *, body: Callable[[int], bytes]) -> None:
        """`body` reads a body that equal rows share, by its number; it is called in the writer's thread."""
        write_lines(out, items, run_id)
        self._run_id = run_id
        self._body = body
        self._file = out.open("ab", buffering=0)

    def add(self, group: Sequence[Written]) -> None:
        """Called by the journal's writer after a commit."""
        lines: list[bytes] = []
        for record, raw, _ in group:
            if record.state == ANSWERED:
                body = raw if raw is not None else self._body(record.body or 0)
                lines += answer_pieces(record, self._run_id, body)
        self._file.write(b"".join(lines))

    def close(self) -> None:
        """Sync to disk; a second time nothing."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

"""OUT and the errors file, made from the journal: whole lines only, in input order, by rename."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from penstock.batch.record import Stored, answer_line, error_line, outcome_of
from penstock.batch.schema import ANSWERED
from penstock.batch.sinks import write_table
from penstock.batch.sinks_file import whole_file
from penstock.batch.sources import Source
from penstock.batch.writer import Written

__all__ = ["GrowingOutput", "errors_path", "write_errors", "write_lines", "write_outputs"]

_BLOCK = 256 * 1024


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
        block: list[bytes] = []
        size = 0
        for item in items:
            if item.state != ANSWERED:
                continue
            line = answer_line(item, run_id)
            block.append(line)
            size += len(line)
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
        lines = []
        for record, raw, _ in group:
            if record.state == ANSWERED:
                body = raw if raw is not None else self._body(record.body or 0)
                stored = Stored(record.idx, record.custom_id, record.state, record.request_id, record.meta, body)
                lines.append(answer_line(stored, self._run_id))
        self._file.write(b"".join(lines))

    def close(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()

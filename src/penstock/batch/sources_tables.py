"""Inputs of columns: `.csv`, also gzipped, and `.parquet`."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.batch.sources_form import chat_of
from penstock.batch.sources_lines import MAX_LINE_BYTES, open_bytes
from penstock.batch.sources_rows import BadRow, Row, Wanted, fingerprint_of, id_of, json_name
from penstock.batch.template import Asker, wanted_by
from penstock.errors import InputError

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

__all__ = ["CsvSource", "ParquetSource"]

_BATCH_ROWS = 1024


class _Rows:
    """Makes a row's request from its columns. Raises `InputError` at once for columns that the file lacks."""

    def __init__(self, name: str, columns: list[str], *, template: Asker | None, id_column: str | None) -> None:
        self._name = name
        self._template = template
        if id_column is not None and id_column not in columns:
            raise InputError(f'{name}: --id-column: no column "{id_column}"; {_listed(columns)}')
        self._id_key = id_column or ("custom_id" if "custom_id" in columns else None)
        self._needs_id = id_column is not None
        if template is None:
            if "prompt" not in columns:
                raise InputError(
                    f'{name}: no column "prompt"; say what to ask with --prompt "... {{{{ column }}}} ..."; '
                    f"{_listed(columns)}"
                )
            needed = ["prompt"]
        else:
            missing = template.missing(columns)
            if missing:
                option = wanted_by(template, missing[0])
                raise InputError(f'{name}: {option}: no column "{missing[0]}"; {_listed(columns)}')
            needed = columns if "row" in template.variables else [c for c in columns if c in template.variables]
        self.needed = [c for c in columns if c in needed or c == self._id_key]
        """The columns that `row` reads."""

    def row(self, columns: dict[str, Any], index: int, line: int) -> Row | BadRow:
        custom_id: str | None = None
        try:
            found = columns.get(self._id_key) if self._id_key is not None else None
            if found is None and self._needs_id:
                raise ValueError(f'expected an id in "{self._id_key}", got none')
            custom_id = f"line-{line}" if found is None or self._id_key is None else id_of(found, self._id_key)
            if self._template is not None:
                asked = self._template.ask(columns)
                kind, model, body = asked.kind, asked.model, asked.body
                return Row(index, line, custom_id, kind, model, body, asked.prompt, asked.variables)
            prompt = columns["prompt"]
            if type(prompt) is not str or not prompt:
                came = "an empty one" if prompt == "" else json_name(prompt)
                raise ValueError(f'"prompt": expected a non-empty string, got {came}')
        except ValueError as error:
            return BadRow(index, line, custom_id, f"{self._name}:{line}: {error}")
        return Row(index, line, custom_id, "chat", None, chat_of(prompt))


def _listed(columns: list[str]) -> str:
    return "the columns are: " + ", ".join(f'"{column}"' for column in columns[:50])


class CsvSource:
    """Rows of a comma-separated file with a header line, in UTF-8; a row's line is where it starts.

    An empty cell is an empty string. A row with another number of cells than the header is a bad one.
    """

    replayable = True

    def __init__(self, path: Path, name: str, *, template: Asker | None, id_column: str | None) -> None:
        self.path = path
        self.name = name
        self._options = ("csv", template.text if template is not None else None, id_column)
        with self._reader() as reader:
            self._columns = self._header(reader)
        self._asker = _Rows(name, self._columns, template=template, id_column=id_column)

    def fingerprint(self) -> bytes | None:
        return fingerprint_of(self.path, self._options)

    def columns(self) -> list[str]:
        return list(self._columns)

    def rows(self, *, wanted: Wanted | None = None) -> Iterator[Row | BadRow]:
        with closing(self._cells()) as cells:
            for index, (line, values, wrong) in enumerate(cells):
                if wanted is not None and not wanted(index):
                    continue
                if wrong is not None:
                    yield BadRow(index, line, None, f"{self.name}:{line}: {wrong}")
                else:
                    yield self._asker.row(dict(zip(self._columns, values, strict=True)), index, line)

    def table(self) -> Iterator[dict[str, Any]]:
        with closing(self._cells()) as cells:
            for _, values, wrong in cells:
                if wrong is not None:
                    values = [_legible(value) for value in values]
                # A row of another width keeps what fits.
                yield dict.fromkeys(self._columns) | dict(zip(self._columns, values, strict=False))

    def _cells(self) -> Generator[tuple[int, list[str], str | None]]:
        """Each row's first line, its cells, and what is wrong with it."""
        with self._reader() as reader:
            width = len(self._header(reader))
            while True:
                line = reader.line_num + 1
                try:
                    values: list[str] = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield line, [], f"not CSV: {error}"
                    continue
                if not values:
                    continue
                wrong = None
                if len(values) != width:
                    wrong = f"expected {width} cells, as many as the header has, got {len(values)}"
                elif not "".join(values).isascii() and (stray := _stray_byte("".join(values))) is not None:
                    wrong = f"expected UTF-8, got the byte 0x{stray:02x}"
                yield line, values, wrong

    @contextmanager
    def _reader(self) -> Iterator[Any]:
        # The module's own limit (128 KB a cell) is below what people ask models to read.
        csv.field_size_limit(MAX_LINE_BYTES)
        with (
            open_bytes(self.path, self.name) as raw,
            # newline="": a quoted line break is part of its cell.
            io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
        ):
            yield csv.reader(text, strict=True)

    def _header(self, reader: Any) -> list[str]:
        try:
            header: list[str] = next(reader, [])
        except csv.Error as error:
            raise InputError(f"{self.name}:1: no header line: {error}") from error
        if not header:
            raise InputError(f"{self.name}:1: expected a header line with the columns' names, got nothing")
        if header[0].encode("utf-8", "surrogateescape").startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError(f"{self.name}: expected UTF-8, got UTF-16; save the file as UTF-8")
        double = next((column for at, column in enumerate(header) if column in header[:at]), None)
        if double is not None:
            raise InputError(f'{self.name}:1: the column "{double}" is there twice')
        return header


def _stray_byte(text: str) -> int | None:
    """A byte that was no UTF-8, as `surrogateescape` kept it."""
    return next((ord(char) - 0xDC00 for char in text if "\udc80" <= char <= "\udcff"), None)


def _legible(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class ParquetSource:
    """Rows of a Parquet file, read batch by batch; a row's line is its number from 1. Needs the extra `parquet`."""

    replayable = True

    def __init__(self, path: Path, name: str, *, template: Asker | None, id_column: str | None) -> None:
        self.path = path
        self.name = name
        self._options = ("parquet", template.text if template is not None else None, id_column)
        with self._open() as file:
            self._columns = [str(column) for column in file.schema_arrow.names]
        self._asker = _Rows(name, self._columns, template=template, id_column=id_column)

    def fingerprint(self) -> bytes | None:
        return fingerprint_of(self.path, self._options)

    def columns(self) -> list[str]:
        return list(self._columns)

    def schema(self) -> pyarrow.Schema:
        """The columns with their types."""
        with self._open() as file:
            return file.schema_arrow

    def batches(self, columns: list[str] | None = None) -> Generator[pyarrow.RecordBatch]:
        """Every row in order, as record batches; `columns` are those to read."""
        with self._open() as file:
            yield from file.iter_batches(batch_size=_BATCH_ROWS, columns=columns)

    def rows(self, *, wanted: Wanted | None = None) -> Iterator[Row | BadRow]:
        start = 0
        with closing(self.batches(self._asker.needed)) as batches:
            for batch in batches:
                indexes = range(start, start + batch.num_rows)
                start = indexes.stop
                chosen = indexes if wanted is None else [index for index in indexes if wanted(index)]
                if not chosen:
                    continue
                values = batch.to_pylist()
                for index in chosen:
                    yield self._asker.row(values[index - indexes.start], index, index + 1)

    def table(self) -> Iterator[dict[str, Any]]:
        with closing(self.batches()) as batches:
            for batch in batches:
                yield from batch.to_pylist()

    @contextmanager
    def _open(self) -> Iterator[pyarrow.parquet.ParquetFile]:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise InputError(f"{self.name}: reading .parquet needs pyarrow: pip install 'penstock[parquet]'") from error
        try:
            with pyarrow.parquet.ParquetFile(self.path) as file:
                yield file
        except pyarrow.ArrowException as error:
            raise InputError(f"{self.name}: not a Parquet file: {error}") from error

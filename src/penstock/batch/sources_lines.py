"""Inputs of lines: `.jsonl`, `.txt`, both also gzipped, and a pipe of JSON lines."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from penstock.batch.sources_form import BadForm, BatchLine, chat_of, fast_request_of, request_of
from penstock.batch.sources_rows import BadRow, Row, Wanted, fingerprint_of, id_of, json_name
from penstock.batch.template import Asked, Asker, TemplateFailed
from penstock.errors import InputError

__all__ = ["MAX_LINE_BYTES", "JsonlSource", "TextSource", "open_bytes"]

MAX_LINE_BYTES = 64 * 1024 * 1024
_TOO_LONG = f"expected at most {MAX_LINE_BYTES // 1024**2} MB, got a longer line"
_READ_BYTES = 256 * 1024
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_decode = msgspec.json.Decoder().decode
_decode_common = msgspec.json.Decoder(BatchLine).decode


@contextmanager
def open_bytes(path: Path | None, name: str, *, limit: int = MAX_LINE_BYTES) -> Iterator[io.BufferedReader]:
    """The bytes of a file with gzip undone, or of the standard input (None); a read gives what is there.

    Lines longer than `limit` arrive cut, but longer than it. Reading raises `InputError`.
    """
    if path is None:
        stdin = cast(io.BufferedReader, sys.stdin.buffer)
        # Below its buffer: a thread that still reads when the run has stopped holds that buffer's lock, and Python
        # aborts at exit for want of it. Never closed: the standard input isn't ours.
        raw = getattr(stdin, "raw", None)
        fill = raw.readinto if raw is not None else stdin.readinto1
        yield io.BufferedReader(_Clipped(fill, name, limit), _READ_BYTES)
        return
    with path.open("rb", buffering=0) as raw:
        if path.suffix.lower() == ".gz":
            with gzip.GzipFile(fileobj=raw) as unzipped:
                yield io.BufferedReader(_Clipped(unzipped.readinto1, name, limit), _READ_BYTES)
        else:
            yield io.BufferedReader(_Clipped(raw.readinto, name, limit), _READ_BYTES)


class _Clipped(io.RawIOBase):
    """A raw stream whose long lines are cut, so that a reader of whole lines needs bounded memory.

    Iterating over a buffered reader is the fastest way to lines that Python has (a quarter of a microsecond for
    1 KB), but knows no limit: so the limit is kept below it.
    """

    def __init__(self, fill: Callable[[Any], int | None], name: str, limit: int) -> None:
        self._fill = fill
        self._name = name
        self._limit = limit
        self._open = 0  # bytes given of the line that has no end yet

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            try:
                size = self._fill(buffer)
            except (OSError, EOFError, zlib.error) as error:
                raise InputError(f"{self._name}: can't be read: {error}") from error
            if size is None:
                raise InputError(f"{self._name}: can't be read: it is non-blocking")
            if size and self._open > self._limit:
                size = _from_newline(buffer, size)
                if not size:
                    continue
            last = _last_newline(buffer, size)
            self._open = size - last - 1 if last >= 0 else self._open + size
            return size


def _from_newline(buffer: memoryview, size: int) -> int:
    """Drops what stands before the first newline of `buffer`; the size of what is left, 0 without a newline."""
    data = bytes(buffer[:size])
    at = data.find(b"\n")
    if at < 0:
        return 0
    buffer[: size - at] = data[at:]
    return size - at


def _last_newline(buffer: memoryview, size: int) -> int:
    # Nearly always in the last few KB: don't copy the rest to find it.
    near = max(0, size - 4096)
    at = bytes(buffer[near:size]).rfind(b"\n")
    return near + at if at >= 0 else bytes(buffer[:near]).rfind(b"\n")


def _without_bom(line: bytes, name: str) -> bytes:
    if line.startswith(_UTF16):
        raise InputError(f"{name}: expected UTF-8, got UTF-16; save the file as UTF-8")
    return line.removeprefix(codecs.BOM_UTF8) or b"\n"


class _Lines(ABC):
    """What `.jsonl` and `.txt` share: numbered non-blank lines of a file or a pipe."""

    def __init__(self, path: Path | None, name: str, options: tuple[str | None, ...], *, replayable: bool) -> None:
        self.path = path
        self.name = name
        self.replayable = replayable
        self._options = options

    def fingerprint(self) -> bytes | None:
        if self.path is None or not self.replayable:
            return None
        return fingerprint_of(self.path, self._options)

    def rows(self, *, wanted: Wanted | None = None) -> Iterator[Row | BadRow]:
        index = -1
        parse = self._row
        with open_bytes(self.path, self.name) as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    line = _without_bom(line, self.name)
                if not line.isspace():
                    index += 1
                    if wanted is None or wanted(index):
                        yield parse(line, index, number)

    @abstractmethod
    def _row(self, line: bytes, index: int, number: int) -> Row | BadRow: ...

    def _bad(self, message: str, index: int, number: int, custom_id: str | None = None) -> BadRow:
        return BadRow(index, number, custom_id, f"{self.name}:{number}: {message}")


class JsonlSource(_Lines):
    """Requests as JSON lines in the forms of `sources_form`; with a prompt template each line is the template's
    variables, of which only the id is read besides.

    `id_column` is the key of the id ("custom_id" otherwise); with it, a line without an id is a bad one.
    """

    def __init__(
        self,
        path: Path | None,
        name: str,
        *,
        template: Asker | None = None,
        id_column: str | None = None,
        replayable: bool = True,
    ) -> None:
        options = ("jsonl", template.text if template is not None else None, id_column)
        super().__init__(path, name, options, replayable=replayable)
        self._template = template
        self._id_key = id_column or "custom_id"
        self._needs_id = id_column is not None
        self._may_be_common = template is None and self._id_key == "custom_id"
        self._is_common = self._may_be_common

    def _row(self, line: bytes, index: int, number: int) -> Row | BadRow:
        if self._is_common:
            try:
                common = _decode_common(line)
                request = fast_request_of(common)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadForm):
                request = None
            if request is not None and len(line) <= MAX_LINE_BYTES:
                kind, model, body = request
                return Row(index, number, common.custom_id, kind, model, body)
            self._is_common = False
        custom_id: str | None = None
        try:
            value = self._object(line)
            # A file has mostly one form: the next line is tried as what this one was.
            self._is_common = self._may_be_common and "url" in value and "body" in value
            found = value.pop(self._id_key, None)
            custom_id = id_of(found, self._id_key) if found is not None else self._line_id(number)
            if self._template is None:
                kind, model, body = request_of(value)
                return Row(index, number, custom_id, kind, model, body)
            return _row(index, number, custom_id, self._asked(value, found))
        except ValueError as error:
            return self._bad(str(error), index, number, custom_id)

    def _object(self, line: bytes) -> dict[str, Any]:
        if len(line) > MAX_LINE_BYTES:
            raise BadForm(_TOO_LONG)
        try:
            value = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadForm(_why_not_json(line, error)) from error
        if type(value) is not dict:
            raise BadForm(f"expected a JSON object, got {json_name(value)}")
        return value

    def _line_id(self, number: int) -> str:
        if self._needs_id:
            raise BadForm(f'expected an id in "{self._id_key}", got none')
        return f"line-{number}"

    def _asked(self, value: dict[str, Any], found: object) -> Asked:
        assert self._template is not None
        if found is not None:
            value[self._id_key] = found
        missing = self._template.missing(value)
        if missing:
            fields = ", ".join(f'"{key}"' for key in list(value)[:20]) or "none"
            named = "--split-by" if missing[0] == self._template.split_by else "the prompt's variable"
            raise BadForm(f'{named} "{missing[0]}" is no field of the line; its fields: {fields}')
        return self._template.ask(value)

    def columns(self) -> list[str]:
        return ["custom_id", "prompt"]

    def table(self) -> Iterator[dict[str, Any]]:
        for row in self.rows():
            if isinstance(row, BadRow):
                yield {"custom_id": row.custom_id, "prompt": None}
            else:
                yield {"custom_id": row.custom_id, "prompt": _asked(row)}


class TextSource(_Lines):
    """A prompt per line; with a template, its variable `prompt` is the line."""

    def __init__(self, path: Path, name: str, *, template: Asker | None = None) -> None:
        super().__init__(path, name, ("txt", template.text if template is not None else None), replayable=True)
        self._template = template

    def _row(self, line: bytes, index: int, number: int) -> Row | BadRow:
        custom_id = f"line-{number}"
        if len(line) > MAX_LINE_BYTES:
            return self._bad(_TOO_LONG, index, number, custom_id)
        try:
            prompt = line.rstrip(b"\r\n").decode()
            if self._template is not None:
                return _row(index, number, custom_id, self._template.ask({"prompt": prompt}))
        except UnicodeDecodeError as error:
            return self._bad(_not_utf8(error), index, number, custom_id)
        except TemplateFailed as error:
            return self._bad(str(error), index, number, custom_id)
        return Row(index, number, custom_id, "chat", None, chat_of(prompt))

    def columns(self) -> list[str]:
        return ["prompt"]

    def table(self) -> Iterator[dict[str, Any]]:
        with open_bytes(self.path, self.name) as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    line = _without_bom(line, self.name)
                if not line.isspace():
                    too_long = len(line) > MAX_LINE_BYTES
                    yield {"prompt": None if too_long else line.rstrip(b"\r\n").decode(errors="replace")}


def _row(index: int, number: int, custom_id: str, asked: Asked) -> Row:
    return Row(index, number, custom_id, asked.kind, asked.model, asked.body, asked.prompt, asked.variables)


def _asked(row: Row) -> str | None:
    """What a person would call the prompt: the last message's text, a completion's prompt, an embedding's input."""
    if row.kind != "chat":
        value = row.body.get("prompt" if row.kind == "completion" else "input")
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    content = row.body["messages"][-1].get("content")
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and type(part.get("text")) is str)
    return content if isinstance(content, str) else None


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"expected UTF-8, got the byte 0x{error.object[error.start]:02x}"


def _why_not_json(line: bytes, error: Exception) -> str:
    """Why a line doesn't decode, in words that find the place. Slow: the line is decoded again."""
    if isinstance(error, RecursionError):
        return "expected JSON, got one that is nested too deeply"
    try:
        text = line.decode()
    except UnicodeDecodeError as wrong:
        return f"{_not_utf8(wrong)} at column {wrong.start + 1}"
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as wrong:
        return f"invalid JSON: {wrong.msg} at column {wrong.pos + 1}"
    except ValueError as wrong:
        return f"invalid JSON: {wrong}"
    except RecursionError:
        return "expected JSON, got one that is nested too deeply"
    if "\\ud" in text.lower():
        return "invalid JSON: half of a surrogate pair (\\ud800 to \\udfff must come in twos)"
    return f"invalid JSON: {error}"


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is no JSON number")

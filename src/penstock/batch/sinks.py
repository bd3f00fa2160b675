"""Answers as a table: every row of the input once, in order, with columns for what became of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import msgspec

from penstock.batch.outcome import Outcome
from penstock.batch.sinks_file import whole_file
from penstock.batch.sources_rows import Source
from penstock.call import Kind
from penstock.errors import InputError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ADDED", "TABLES", "answer_text", "check_table", "write_table"]

ADDED = ("answer", "status", "target", "cost_usd", "error")
"""The columns that are put behind the input's own."""
TABLES = (".csv", ".parquet")
"""What an output that is a table ends in."""
_GROUP = 1024


class _Added(NamedTuple):
    """The cells of `ADDED`; None for an empty one."""

    answer: str | None = None
    status: str | None = None
    target: str | None = None
    cost_usd: float | None = None
    error: str | None = None


_NOTHING = _Added()


def check_table(source: Source, out: Path) -> None:
    """Whether `out` can hold the rows of `source` and their answers; to be asked before anything is sent.

    Raises `InputError`: a pipe as input, a column of the input that has the name of an added one, pyarrow missing.
    """
    if not source.replayable:
        raise InputError(f"{out}: a table repeats the rows of its input, and {source.name} can be read only once")
    clash = next((column for column in source.columns() if column in ADDED), None)
    if clash is not None:
        raise InputError(
            f'{source.name}: the column "{clash}" has the name of one that {out} gets; rename it '
            f"(added are {', '.join(ADDED)})"
        )
    if out.suffix.lower() == ".parquet":
        _pyarrow(out)


def write_table(path: Path, source: Source, outcomes: Iterator[Outcome]) -> int:
    """Write the input's rows and what became of them to `path` (`.csv` or `.parquet`); how many rows those were.

    `outcomes` come in the order of their index, which is the row's; a row without one gets empty cells. The file is
    replaced as a whole. Raises `InputError` (as `check_table`) or `OSError`.
    """
    check_table(source, path)
    write = _write_parquet if path.suffix.lower() == ".parquet" else _write_csv
    with whole_file(path) as file:
        return write(file, source, _by_row(outcomes))


def _by_row(outcomes: Iterator[Outcome]) -> Callable[[int], _Added]:
    """The added cells of a row; to be asked for indexes that only grow."""
    waiting: Outcome | None = next(outcomes, None)

    def at(index: int) -> _Added:
        nonlocal waiting
        while waiting is not None and waiting.index < index:
            waiting = next(outcomes, None)
        return _NOTHING if waiting is None or waiting.index > index else _added(waiting)

    return at


def _added(outcome: Outcome) -> _Added:
    if outcome.state == "answered":
        text = answer_text(outcome.kind, outcome.body)
        return _Added(text, outcome.status, outcome.target, outcome.cost_usd)
    error = f"{outcome.error_code or 'failed'}: {outcome.error_message or 'no message'}"
    return _Added(None, "failed", outcome.target or None, outcome.cost_usd, error)


# --- the text of an answer


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    tool_calls: list[Any] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: str = ""


class _Choices(msgspec.Struct):
    choices: list[_Choice] = []


class _Vector(msgspec.Struct):
    embedding: msgspec.Raw


class _Vectors(msgspec.Struct):
    data: list[_Vector] = []


_choices = msgspec.json.Decoder(_Choices).decode
_vectors = msgspec.json.Decoder(_Vectors).decode


def answer_text(kind: Kind, body: bytes) -> str:
    """What an OpenAI object of that kind says: the message or text; tool calls, vectors and, of several choices or
    inputs, the list of them as JSON. A refusal is its text. What isn't such an object is returned as it is.
    """
    try:
        if kind == "embedding":
            vectors = [item.embedding for item in _vectors(body).data]
            return _json(vectors[0] if len(vectors) == 1 else vectors)
        texts = [_choice_text(choice) for choice in _choices(body).choices]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode("utf-8", "replace")
    return "".join(texts) if len(texts) <= 1 else _json(texts)


def _choice_text(choice: _Choice) -> str:
    message = choice.message
    if message is None:
        return choice.text
    content = message.content
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if isinstance(part, dict) and type(part.get("text")) is str)
    calls = _json(message.tool_calls) if message.tool_calls else None
    return "\n".join(part for part in (content or message.refusal, calls) if part)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


# --- the formats


def _write_csv(file: BinaryIO, source: Source, added: Callable[[int], _Added]) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    # Not "\n" alone: Python 3.11 would then leave a lone "\r" in a cell unquoted.
    writer = csv.writer(text, lineterminator="\r\n")
    columns = source.columns()
    writer.writerow([*columns, *ADDED])
    index = -1
    for index, row in enumerate(source.table()):
        writer.writerow([*(_cell(row[column]) for column in columns), *added(index)])
    text.flush()
    text.detach()
    return index + 1


def _cell(value: object) -> object:
    """A Parquet value as a cell: nested ones as JSON, bytes as base64."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    return _json(value) if isinstance(value, (dict, list)) else _json([value])[1:-1].strip('"')


def _write_parquet(file: BinaryIO, source: Source, added: Callable[[int], _Added]) -> int:
    pa, pq = _pyarrow(Path(source.name))
    own, batches = _arrow(source)
    types = [pa.float64() if name == "cost_usd" else pa.string() for name in ADDED]
    schema = own
    for name, kind in zip(ADDED, types, strict=True):
        schema = schema.append(pa.field(name, kind))
    start = 0
    with pq.ParquetWriter(file, schema) as writer:
        for batch in batches:
            rows = range(start, start + batch.num_rows)
            start = rows.stop
            if not rows:
                continue
            cells = zip(*map(added, rows), strict=True)
            columns = [pa.array(column, kind) for column, kind in zip(cells, types, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema))
    return start


def _arrow(source: Source) -> tuple[pyarrow.Schema, Iterator[pyarrow.RecordBatch]]:
    """The input's rows in their own types; as text where the input has none."""
    import pyarrow

    from penstock.batch.sources_tables import ParquetSource

    if isinstance(source, ParquetSource):
        return source.schema(), source.batches()
    schema = pyarrow.schema([(name, pyarrow.string()) for name in source.columns()])
    rows = source.table()
    groups = iter(lambda: list(islice(rows, _GROUP)), [])
    return schema, (pyarrow.RecordBatch.from_pylist(group, schema=schema) for group in groups)


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{path}: writing .parquet needs pyarrow: pip install 'penstock[parquet]'") from error
    return pyarrow, pyarrow.parquet

"""From the path of an input to its rows."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from penstock.batch.prompting import PromptPlan, asker_of
from penstock.batch.sources_lines import JsonlSource, TextSource
from penstock.batch.sources_rows import BadRow, Row, Source, Wanted
from penstock.batch.template import Asker, wanted_by
from penstock.errors import InputError

__all__ = ["SUFFIXES", "BadRow", "Row", "Source", "Wanted", "open_source"]

SUFFIXES = (".jsonl", ".txt", ".csv", ".parquet")
"""What an input may end in; all but the last also with `.gz` behind."""


def open_source(
    path: str, *, prompt: str | PromptPlan | Mapping[str, Any] | None = None, id_column: str | None = None
) -> Source:
    """The input at `path`; "-" is the standard input, which like any FIFO carries JSON lines and is read once.

    `prompt` is a template, or the plan of a library's prompt, over a row's columns (of JSON lines: its fields; of
    `.txt`: the line, as `prompt`); without it, a column named "prompt" is asked. `id_column` names the column of the
    custom_id; without it, one named "custom_id" serves. Raises `InputError`: no such file, an unknown suffix, a
    missing column, a template that is none or that names no column.
    """
    template = asker_of(prompt)
    if path == "-":
        return JsonlSource(None, "stdin", template=template, id_column=id_column, replayable=False)
    where = Path(path)
    try:
        mode = where.stat().st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            return JsonlSource(where, path, template=template, id_column=id_column, replayable=False)
        if stat.S_ISDIR(mode):
            raise InputError(f"{path}: expected a file, got a folder")
        with where.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    suffixes = [suffix.lower() for suffix in where.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    suffix = "".join(suffixes[-2:-1] if zipped else suffixes[-1:])
    opener = _OPENERS.get(suffix)
    if opener is None or (zipped and suffix == ".parquet"):
        known = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise InputError(f"{path}: expected a name that ends in {known}")
    return opener(where, path, template, id_column)


def _jsonl(path: Path, name: str, template: Asker | None, id_column: str | None) -> Source:
    return JsonlSource(path, name, template=template, id_column=id_column)


def _text(path: Path, name: str, template: Asker | None, id_column: str | None) -> Source:
    if id_column is not None:
        raise InputError(f'{name}: --id-column: no column "{id_column}"; a .txt has none')
    if template is not None and (missing := template.missing(["prompt"])):
        option = wanted_by(template, missing[0])
        raise InputError(f'{name}: {option}: no column "{missing[0]}"; of a .txt the line is {{{{ prompt }}}}')
    return TextSource(path, name, template=template)


def _csv(path: Path, name: str, template: Asker | None, id_column: str | None) -> Source:
    from penstock.batch.sources_tables import CsvSource

    return CsvSource(path, name, template=template, id_column=id_column)


def _parquet(path: Path, name: str, template: Asker | None, id_column: str | None) -> Source:
    from penstock.batch.sources_tables import ParquetSource

    return ParquetSource(path, name, template=template, id_column=id_column)


_OPENERS: dict[str, Callable[[Path, str, Asker | None, str | None], Source]] = {
    ".jsonl": _jsonl,
    ".txt": _text,
    ".csv": _csv,
    ".parquet": _parquet,
}

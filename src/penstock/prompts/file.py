"""A prompt's file: YAML front matter between two lines of `---`; the template, as one text or in sections by role."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penstock.errors import InputError
from penstock.prompts.prompt import ROLES, Clock, Prompt
from penstock.prompts.template import Rule
from penstock.prompts.versions import Version

__all__ = ["MAX_FILE_BYTES", "read_prompt", "read_prompt_file"]

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
_FENCE: Final = "---"
_FIRST_VERSION: Final = "1.0.0"
_ROLE: Final = re.compile(rf"({'|'.join(ROLES)}):[ \t]*", re.IGNORECASE)
_NAME: Final = re.compile(r"[\w][\w./-]*")


def read_prompt_file(
    path: Path, *, name: str = "", rules: Mapping[str, Rule] | None = None, clock: Clock | None = None
) -> Prompt:
    """The prompt of a file; `name` is its name when the front matter gives none, else the file's own.

    Raises `InputError` that names file, line and field.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: larger than {MAX_FILE_BYTES // 1024**2} MB: not a prompt")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: expected UTF-8, got the byte 0x{error.object[error.start]:02x}") from error
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    return read_prompt(text, where=str(path), name=name or path.stem, rules=rules, clock=clock)


def read_prompt(
    text: str,
    *,
    where: str = "prompt",
    name: str = "",
    rules: Mapping[str, Rule] | None = None,
    clock: Clock | None = None,
) -> Prompt:
    """The prompt of a file's text. Raises `InputError` that names `where`, line and field."""
    lines = text.replace("\r\n", "\n").split("\n")
    place = _Place(where)
    fields: dict[str, Any] = {}
    begin = 0
    if lines[0].rstrip() == _FENCE:
        end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
        if end is None:
            raise place.error(1, 'the front matter begins with "---" and has no second "---" that ends it')
        begin = end + 1
        fields = _front_matter("\n".join(lines[1:end]), place)
    said = {key: _FIELDS[key](value, place.field(key)) for key, value in fields.items()}
    template, first_lines = _body(lines, begin, place, is_chat=said.get("type", "chat") == "chat")
    said.setdefault("name", name)
    said.setdefault("version", _FIRST_VERSION)
    return Prompt(template, **said, rules=rules, clock=clock, first_lines=first_lines, where=where)


# --- front matter


class _Place:
    """A file, and the lines where its fields stand."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.lines: dict[str, int] = {}

    def error(self, line: int, text: str) -> InputError:
        return InputError(f"{self.where}:{line}: {text}")

    def field(self, name: str) -> _Field:
        return _Field(self, name)


@dataclass(frozen=True, slots=True)
class _Field:
    place: _Place
    name: str

    def error(self, text: str) -> InputError:
        return self.place.error(self.place.lines.get(self.name, 1), f"{self.name}: {text}")

    def expected(self, form: str, got: object) -> InputError:
        return self.error(f"expected {form}, got {got!r:.80}")


def _front_matter(text: str, place: _Place) -> dict[str, Any]:
    """The fields; their lines go to `place`."""
    try:
        import yaml
    except ImportError as error:
        raise InputError(f"{place.where}: reading prompts needs pyyaml: pip install 'penstock[prompts]'") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise place.error(2, 'front matter: expected fields such as "name: translate"')
        for key, _ in node.value:
            field, line = str(key.value), key.start_mark.line + 2
            if field in place.lines:
                raise place.error(line, f"{field}: it is there twice")
            place.lines[field] = line
            if field not in _FIELDS:
                raise place.error(line, f'unknown field "{field}"; the fields are: {", ".join(_FIELDS)}')
        fields = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark is not None else 1
        raise place.error(line, f"front matter: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise place.error(1, f"front matter: not YAML: {error}") from error
    return {str(key): value for key, value in fields.items()}


def _text(value: object, field: _Field) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise field.expected("text", value)


def _name(value: object, field: _Field) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise field.expected('letters, digits, and "-", "_", "." or "/" between them', value)


def _version(value: object, field: _Field) -> str:
    if isinstance(value, float):
        raise field.error(f"write it in quotes, as text: YAML reads a bare {value} as a number, and 1.10 as 1.1")
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise field.expected('text such as "1.2.0"', value)
    try:
        Version(text)
    except InputError as error:
        raise field.error(str(error)) from error
    return text


def _type(value: object, field: _Field) -> str:
    if value in ("chat", "completion"):
        return str(value)
    raise field.expected('"chat" or "completion"', value)


def _table(value: object, field: _Field) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    raise field.expected("a table of names and values", value)


def _count(value: object, field: _Field) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise field.expected("a whole number above 0", value)


def _weight(value: object, field: _Field) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    raise field.expected("a number, 0 or above", value)


_FIELDS: Final[dict[str, Callable[[Any, _Field], Any]]] = {
    "name": _name,
    "version": _version,
    "type": _type,
    "description": _text,
    "defaults": _table,
    "settings": _table,
    "max_prompt_tokens": _count,
    "weight": _weight,
    "metadata": _table,
}


# --- the template


def _body(
    lines: list[str], begin: int, place: _Place, *, is_chat: bool
) -> tuple[str | list[dict[str, str]], list[int]]:
    """The template, and the line where each part of it begins.

    Sections begin with a line such as `user:`; they count when the first line that isn't blank is one.
    """
    first = next((number for number in range(begin, len(lines)) if lines[number].strip()), None)
    if first is None:
        raise place.error(len(lines), "the template is empty")
    if not is_chat or _ROLE.fullmatch(lines[first]) is None:
        text, line = _stripped(lines, first, len(lines))
        return text, [line]
    starts = [number for number in range(first, len(lines)) if _ROLE.fullmatch(lines[number])]
    messages, first_lines = [], []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        text, line = _stripped(lines, start + 1, end)
        role = lines[start].strip().rstrip(":").lower()
        if not text:
            raise place.error(start + 1, f'the section "{role}:" is empty')
        messages.append({"role": role, "content": text})
        first_lines.append(line)
    return messages, first_lines


def _stripped(lines: list[str], start: int, end: int) -> tuple[str, int]:
    """Without blank lines around; and the number of its first line."""
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return "\n".join(lines[start:end]), start + 1

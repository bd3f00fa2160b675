"""What a docstring says of a function and of each parameter: Google's style, NumPy's, reST's fields, or plain lines."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection
from typing import Final

__all__ = ["described"]

_GOOGLE: Final = re.compile(r"^(args|arguments|parameters|params)\s*:\s*$", re.IGNORECASE)
_HEADING: Final = re.compile(
    r"^(args|arguments|attributes|example|examples|keyword args|keyword arguments|methods|note|notes|other parameters|"
    r"parameters|params|raises|references|return|returns|see also|todo|usage|warning|warnings|warns|yield|yields)"
    r"\s*:?\s*$",
    re.IGNORECASE,
)
_RULE: Final = re.compile(r"^-{3,}\s*$")
_FIELD: Final = re.compile(r"^:(param|parameter|arg|argument|key|keyword)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
_OTHER_FIELD: Final = re.compile(r"^:\w+[^:]*:")
_ITEM: Final = re.compile(r"^[-*]?\s*[`*]{0,2}(\w+)[`*]{0,2}\s*(?:\([^)]*\))?\s*(?::|\s-{1,2}\s|\s–\s)\s*(.*)$")


def described(docstring: str | None, parameters: Collection[str]) -> tuple[str, dict[str, str]]:
    """The description, without the part on parameters, and what is said of each of these parameters."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    said: list[str] = []
    told: dict[str, list[str]] = {}
    place = 0
    while place < len(lines):
        line = lines[place]
        following = lines[place + 1] if place + 1 < len(lines) else ""
        if _HEADING.match(line) and _RULE.match(following):
            end = _section_end(lines, place + 2, indented=False)
            if line.strip().lower().rstrip(":") in ("parameters", "other parameters"):
                _numpy(lines[place + 2 : end], parameters, told)
            place = end
        elif _HEADING.match(line) and line.rstrip().endswith(":"):
            end = _section_end(lines, place + 1, indented=True)
            if _GOOGLE.match(line):
                _items(lines[place + 1 : end], parameters, told)
            place = end
        elif _FIELD.match(line) or _OTHER_FIELD.match(line):
            place = _field(lines, place, parameters, told)
        elif (item := _ITEM.match(line)) and item[1] in parameters:
            end = _deeper(lines, place)
            told[item[1]] = [item[2], *lines[place + 1 : end]]
            place = end
        else:
            said.append(line)
            place += 1
    texts = {name: " ".join(" ".join(parts).split()) for name, parts in told.items()}
    return "\n".join(said).strip(), {name: text for name, text in texts.items() if text}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _section_end(lines: list[str], place: int, *, indented: bool) -> int:
    """Where the section that begins here ends: at the next heading, or, of an indented one, where the indent does."""
    while place < len(lines):
        line = lines[place]
        following = lines[place + 1] if place + 1 < len(lines) else ""
        if indented and line.strip() and not _indent(line):
            return place
        if not indented and (_RULE.match(following) or (place and not lines[place - 1] and _OTHER_FIELD.match(line))):
            return place
        place += 1
    return place


def _deeper(lines: list[str], place: int) -> int:
    """The first line after this one that isn't indented more deeply."""
    depth, end = _indent(lines[place]), place + 1
    while end < len(lines) and lines[end].strip() and _indent(lines[end]) > depth:
        end += 1
    return end


def _items(lines: list[str], parameters: Collection[str], told: dict[str, list[str]]) -> None:
    """`name (type): text`, continued on lines that are indented more deeply."""
    depth = min((_indent(line) for line in lines if line.strip()), default=0)
    current: list[str] | None = None
    for line in lines:
        item = _ITEM.match(line.strip().lstrip("*")) if _indent(line) == depth and line.strip() else None
        if item is not None and item[1] in parameters:
            current = told[item[1]] = [item[2]]
        elif _indent(line) == depth and line.strip():
            current = None
        elif current is not None:
            current.append(line.strip())


def _numpy(lines: list[str], parameters: Collection[str], told: dict[str, list[str]]) -> None:
    """`name : type`, the text on the indented lines below; several names may share it."""
    current: list[list[str]] = []
    for line in lines:
        if line.strip() and not _indent(line):
            names = [name.strip().lstrip("*") for name in line.partition(":")[0].split(",")]
            current = [told.setdefault(name, []) for name in names if name in parameters]
        elif line.strip():
            for texts in current:
                texts.append(line.strip())


def _field(lines: list[str], place: int, parameters: Collection[str], told: dict[str, list[str]]) -> int:
    """`:param type name: text`; the place after it and its further lines."""
    end = _deeper(lines, place)
    field = _FIELD.match(lines[place])
    if field is not None and field[2] in parameters:
        told[field[2]] = [field[3], *(line.strip() for line in lines[place + 1 : end])]
    return end

"""The forms that settings are written in: durations, sizes, numbers, names; and the reader of one table of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.config.suggest import did_you_mean
from penstock.errors import ConfigError

__all__ = [
    "Reader",
    "Where",
    "read_bool",
    "read_duration",
    "read_fraction",
    "read_one_of",
    "read_positive_int",
    "read_rate",
    "read_size",
    "read_str",
    "read_str_map",
    "read_strs",
    "read_table",
]

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")
_PLAIN_SECONDS = re.compile(r"\d+(?:\.\d+)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a configuration: the file (or "config" for a dict) and the path of keys into it."""

    source: str
    path: tuple[str, ...] = ()

    def at(self, key: str) -> Where:
        return Where(self.source, (*self.path, key))

    def __str__(self) -> str:
        *section, key = self.path or ("",)
        table = f"[{'.'.join(section)}] " if section else ""
        return f"{self.source}: {table}{key}" if key else self.source

    def error(self, text: str) -> ConfigError:
        """A `ConfigError` at this place."""
        return ConfigError(f"{self}: {text}")

    def expected(self, form: str, got: object) -> ConfigError:
        """A `ConfigError` that says what belongs here and what was found."""
        return self.error(f"expected {form}, got {_shown(got)}")


Reader = Callable[[object, Where], Any]
"""From a raw value to the setting's own; raises `ConfigError` at the place."""


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def read_duration(value: object, where: Where | str = "duration") -> float:
    """Seconds, from a number of seconds or text such as "30s", "2m", "1h30m", "250ms"; above 0 and finite."""
    place = where if isinstance(where, Where) else Where(where)
    seconds = _seconds(value)
    if seconds > 0 and math.isfinite(seconds):
        return seconds
    raise place.expected('a duration such as "30s", "2m" or 20 (seconds), above 0', value)


def _seconds(value: object) -> float:
    """0 for what is no duration."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return 0.0
    text = value.strip()
    if _PLAIN_SECONDS.fullmatch(text):
        return float(text)
    if not _DURATION.fullmatch(text):
        return 0.0
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def read_size(value: object, where: Where | str = "size") -> int:
    """Bytes, from a whole number or text such as "10GB" (powers of 1000) or "64MiB" (powers of 1024)."""
    place = where if isinstance(where, Where) else Where(where)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        number, power, binary = match.groups()
        size = int(float(number) * (1024 if binary else 1000) ** _POWERS[power.lower()])
        if size > 0:
            return size
    raise place.expected('a size such as "10GB", "64MiB" or a number of bytes', value)


def read_str(value: object, where: Where) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise where.expected("text", value)


def read_bool(value: object, where: Where) -> bool:
    if isinstance(value, bool):
        return value
    raise where.expected("true or false", value)


def read_positive_int(value: object, where: Where) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise where.expected("a whole number above 0", value)


def read_fraction(value: object, where: Where) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise where.expected("a number from 0 to 1", value)


def read_rate(value: object, where: Where) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    raise where.expected("a number, 0 or above", value)


def read_strs(value: object, where: Where) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) and item.strip() for item in value):
        return tuple(item.strip() for item in value)
    raise where.expected("a list of text, one at least" if value == [] else "a list of text", value)


def read_str_map(value: object, where: Where) -> dict[str, str]:
    if isinstance(value, Mapping) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        return dict(value)
    raise where.expected("a table of text", value)


def read_one_of(known: Collection[str]) -> Reader:
    """A reader that takes only these words."""

    def read(value: object, where: Where) -> str:
        if isinstance(value, str):
            if value in known:
                return value
            raise where.error(f"unknown value {_shown(value)}{did_you_mean(value, known)}")
        raise where.expected(f"one of {', '.join(sorted(known))}", value)

    return read


def read_table(raw: object, readers: Mapping[str, Reader], where: Where) -> dict[str, Any]:
    """The settings of one table, each read by its own reader; an unknown key is an error that names the nearest."""
    if not isinstance(raw, Mapping):
        raise where.expected("a table", raw)
    read: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in readers:
            section = f"[{'.'.join(where.path)}]" if where.path else "at the top"
            raise ConfigError(f'{where.source}: {section}: unknown key "{key}"{did_you_mean(str(key), readers)}')
        read[key] = readers[key](value, where.at(key))
    return read

"""What is known of a JSON document while it comes: read once, a piece at a time, tolerant of words around it."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

__all__ = ["Partial"]

_PLAIN: Final = re.compile(r'[^"\\]*')
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_BARE: Final = re.compile(r"[-+.0-9A-Za-z]*")
_ESCAPES: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_MOST_DEEP: Final = 200
_NOTHING: Final[Any] = object()


class _Broken(Exception):
    """No JSON begins where one was thought to."""


class Partial:
    """The value so far of the first object or list in a text that comes in pieces.

    Texts grow as they come, numbers and words are there when they are whole, a key when its value has begun. Of one
    document each value holds all that earlier ones did. What can't go on as JSON is passed over, and the next brace
    begins anew. Every character is looked at once.
    """

    def __init__(self) -> None:
        self._text = ""
        self._forget()

    def _forget(self) -> None:
        self._open: list[Any] = []
        """The containers that aren't closed yet, the outermost first."""
        self._keys: list[Any] = []
        """Of each of them the key that is being filled; None in a list."""
        self._root: Any = None
        self._state = "begin"
        self._pieces: list[str] = []
        self._is_key = False
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """The value is whole."""
        return self._is_over

    @property
    def value(self) -> Any:
        """An object or list of its own, which later pieces don't change; None before anything has come."""
        if self._root is None:
            return None
        inner: Any = _NOTHING
        if self._state in ("string", "escape") and not self._is_key:
            inner = _whole_pairs("".join(self._pieces))
        for container, key in zip(reversed(self._open), reversed(self._keys), strict=True):
            copied = container.copy()
            if inner is not _NOTHING:
                if isinstance(copied, dict):
                    copied[key] = inner
                else:
                    copied.append(inner)
            inner = copied
        return self._root if inner is _NOTHING else inner

    def feed(self, text: str) -> None:
        """Read the next piece."""
        if self._is_over:
            return
        self._text += text
        place = 0
        while place < len(self._text) and not self._is_over:
            try:
                after = _STEPS[self._state](self, place)
            except _Broken:
                self._forget()
                after = place if self._text[place] in "{[" else place + 1
            if after is None:
                break
            place = after
        self._text = "" if self._is_over else self._text[place:]

    # Each reads from a place and returns the next one, None when more must come first.

    def _begin(self, place: int) -> int | None:
        places = [at for at in (self._text.find("{", place), self._text.find("[", place)) if at >= 0]
        if not places:
            return len(self._text)
        self._enter({} if self._text[min(places)] == "{" else [])
        return min(places) + 1

    def _enter(self, container: Any) -> None:
        if len(self._open) >= _MOST_DEEP:
            raise _Broken
        if self._root is None:
            self._root = container
        self._open.append(container)
        self._keys.append(None)
        self._state = "first key" if isinstance(container, dict) else "first item"

    def _value(self, place: int) -> int | None:
        place = self._skip(place)
        if place == len(self._text):
            return place
        mark = self._text[place]
        if mark in "{[":
            self._enter({} if mark == "{" else [])
            return place + 1
        if mark == '"':
            return self._quote(place, is_key=False)
        end = _match_end(_BARE, self._text, place)
        if end == place:
            raise _Broken
        if end == len(self._text):
            return None
        try:
            value = msgspec.json.decode(self._text[place:end])
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise _Broken from None
        self._put(value)
        return end

    def _first_item(self, place: int) -> int | None:
        place = self._skip(place)
        if place < len(self._text) and self._text[place] == "]":
            return self._close(place)
        return self._value(place)

    def _key(self, place: int) -> int | None:
        place = self._skip(place)
        if place == len(self._text):
            return place
        if self._text[place] != '"':
            raise _Broken
        return self._quote(place, is_key=True)

    def _first_key(self, place: int) -> int | None:
        place = self._skip(place)
        if place < len(self._text) and self._text[place] == "}":
            return self._close(place)
        return self._key(place)

    def _colon(self, place: int) -> int | None:
        place = self._skip(place)
        if place == len(self._text):
            return place
        if self._text[place] != ":":
            raise _Broken
        self._state = "value"
        return place + 1

    def _comma(self, place: int) -> int | None:
        place = self._skip(place)
        if place == len(self._text):
            return place
        mark, is_object = self._text[place], isinstance(self._open[-1], dict)
        if mark == ",":
            self._state = "key" if is_object else "value"
            return place + 1
        if mark == ("}" if is_object else "]"):
            return self._close(place)
        raise _Broken

    def _quote(self, place: int, *, is_key: bool) -> int:
        self._pieces, self._is_key, self._state = [], is_key, "string"
        return place + 1

    def _string(self, place: int) -> int | None:
        end = _match_end(_PLAIN, self._text, place)
        if end > place:
            self._pieces.append(self._text[place:end])
        if end == len(self._text):
            return end
        if self._text[end] == "\\":
            self._state = "escape"
            return end + 1
        text = _paired("".join(self._pieces))
        if self._is_key:
            self._keys[-1] = text
            self._state = "colon"
        else:
            self._put(text)
        return end + 1

    def _escape(self, place: int) -> int | None:
        mark = self._text[place]
        if mark == "u":
            if len(self._text) < place + 5:
                return None
            try:
                self._pieces.append(chr(int(self._text[place + 1 : place + 5], 16)))
            except ValueError:
                raise _Broken from None
            self._state = "string"
            return place + 5
        if mark not in _ESCAPES:
            raise _Broken
        self._pieces.append(_ESCAPES[mark])
        self._state = "string"
        return place + 1

    def _put(self, value: Any) -> None:
        container = self._open[-1]
        if isinstance(container, dict):
            container[self._keys[-1]] = value
        else:
            container.append(value)
        self._state = "comma"

    def _close(self, place: int) -> int:
        closed = self._open.pop()
        self._keys.pop()
        if not self._open:
            self._is_over = True
        else:
            self._put(closed)
        return place + 1

    def _skip(self, place: int) -> int:
        return _match_end(_SPACE, self._text, place)


_STEPS: Final = {
    "begin": Partial._begin,
    "value": Partial._value,
    "first item": Partial._first_item,
    "key": Partial._key,
    "first key": Partial._first_key,
    "colon": Partial._colon,
    "comma": Partial._comma,
    "string": Partial._string,
    "escape": Partial._escape,
}


def _match_end(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return place if found is None else found.end()


def _paired(text: str) -> str:
    """Halves of a character that were escaped one by one, put together."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _whole_pairs(text: str) -> str:
    """The same, without a first half at the end whose second one hasn't come."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        text = text[:-1]
    return _paired(text)

"""The values of one call and the placeholders that stand for them where a provider sees it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence

from penstock.guards.kinds import find
from penstock.guards.settings import KINDS
from penstock.guards.span import Span

__all__ = ["HELD", "Restoring", "Vault", "masked", "taken_in"]

_NAMES = "|".join(kind.upper() for kind in KINDS)
_PLACEHOLDER = re.compile(
    # Markdown's backslashes and another case are what models make of one; nothing else is taken for it.
    rf"\\?\[ ?(({_NAMES.replace('_', chr(92) * 2 + '?_')})\\?_\d{{1,6}}) ?\\?\]",
    re.IGNORECASE,
)
_BEGINNING = re.compile(r"\\?\[ ?[A-Za-z_\\]*\d{0,6} ?\\?\Z|\\\Z")
HELD = 32
"""Characters: no placeholder is longer, so nothing more of a stream is held back for one."""


def masked(text: str, spans: Sequence[Span]) -> str:
    """The text with `[KIND]` in the place of each span."""
    parts: list[str] = []
    end = 0
    for span in spans:
        parts += (text[end : span.start], f"[{span.kind.upper()}]")
        end = span.end
    return "".join((*parts, text[end:]))


class Vault:
    """Placeholders `[KIND_N]`, numbered by kind as their values are first met: equal texts give equal placeholders."""

    __slots__ = ("_by_value", "_kinds", "_last", "_taken", "values")

    def __init__(self, kinds: Collection[str], taken: Collection[str] = ()) -> None:
        """`taken` are placeholders that already stand in the texts: they are nobody's."""
        self._kinds = kinds
        self._taken = {name.upper() for name in taken}
        self._by_value: dict[tuple[str, str], str] = {}
        self._last: Counter[str] = Counter()
        self.values: dict[str, str] = {}
        """By placeholder, without its brackets."""

    def hide(self, text: str, spans: Sequence[Span]) -> str:
        """The text with a placeholder for each span."""
        parts: list[str] = []
        end = 0
        for span in spans:
            parts += (text[end : span.start], f"[{self._name(text[span.start : span.end], span.kind)}]")
            end = span.end
        return "".join((*parts, text[end:]))

    def find(self, text: str) -> list[Span]:
        return find(text, self._kinds)

    def _name(self, value: str, kind: str) -> str:
        name = self._by_value.get((kind, value))
        while name is None:
            self._last[kind] += 1
            name = f"{kind.upper()}_{self._last[kind]}"
            if name in self._taken:
                name = None
            else:
                self._by_value[kind, value] = name
                self.values[name] = value
        return name

    def restore(self, text: str, *, in_json: bool = False) -> str:
        """The text with the values in the place of their placeholders; `in_json` inside a JSON text's strings."""
        if "[" not in text:
            return text

        def put_back(match: re.Match[str]) -> str:
            value = self.values.get(match.group(1).replace("\\", "").upper())
            if value is None:
                return match.group()
            return _escaped(value) if in_json else value

        return _PLACEHOLDER.sub(put_back, text)

    def unsaid(self, text: str) -> str:
        """The text with placeholders for the values, as they are or as they are quoted."""
        for name, value in sorted(self.values.items(), key=lambda item: -len(item[1])):
            for said in (value, _escaped(value), repr(value)[1:-1]):
                text = text.replace(said, f"[{name}]")
        return text

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Vault({len(self.values)} values)"


def taken_in(text: str) -> list[str]:
    """What looks like a placeholder already, as `Vault` is told it."""
    return [match.group(1).replace("\\", "") for match in _PLACEHOLDER.finditer(text)] if "[" in text else []


def _escaped(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


class Restoring:
    """Puts values back into a text that comes in pieces; holds `HELD` characters back at most."""

    __slots__ = ("_held", "_in_json", "_vault")

    def __init__(self, vault: Vault, *, in_json: bool = False) -> None:
        self._vault = vault
        self._in_json = in_json
        self._held = ""

    def feed(self, text: str) -> str:
        """What may go on."""
        text = self._held + text
        self._held = ""
        beginning = _BEGINNING.search(text, max(0, len(text) - HELD + 1))
        cut = len(text) if beginning is None else beginning.start()
        self._held = text[cut:]
        return self._vault.restore(text[:cut], in_json=self._in_json)

    def end(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return self._vault.restore(held, in_json=self._in_json)

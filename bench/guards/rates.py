"""How often a detector is wrong, on each set of the data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from bench.guards import drawn, seen, tuning
from bench.guards.making import Make
from penstock.guards.injection import injection_score
from penstock.guards.kinds import find
from penstock.guards.settings import KINDS

__all__ = [
    "HALVES",
    "Rate",
    "blind_injection_rate",
    "blind_rate",
    "injection_lines",
    "injection_rate",
    "interval",
    "rate",
    "whole_rate",
]

HALVES: dict[str, Any] = {"tuning": tuning, "seen": seen}
"""The sets that detectors may be made with; the second was held out until it was looked at."""
EACH = 400
_FOLDER = Path(__file__).parent


@dataclass
class Rate:
    """Counts of one kind on one half; the examples that were wrong, for those who make the detectors."""

    positives: int = 0
    missed: int = 0
    negatives: int = 0
    alarms: int = 0
    wrong: list[str] | None = None

    @property
    def miss_rate(self) -> float:
        return self.missed / self.positives

    @property
    def false_rate(self) -> float:
        return self.alarms / self.negatives

    def note(self, text: str) -> None:
        if self.wrong is not None:
            self.wrong.append(text)


def _drawn(half: Any, table: str, kind: str) -> list[tuple[str, str]]:
    """Texts with a value in them, and the value: each form in turn, in each carrier in turn."""
    make = Make(f"{half.__name__} {table} {kind}")
    forms: tuple[Callable[[Make], str] | str, ...] = getattr(half, table)[kind]
    drawn = []
    for number in range(EACH):
        form = forms[number % len(forms)]
        value = form if isinstance(form, str) else form(make)
        carrier = half.CARRIERS[number // len(forms) % len(half.CARRIERS)]
        drawn.append((carrier.replace("@@", value), value))
    return drawn


def rate(kind: str, half: str, *, keep: bool = False) -> Rate:
    """How often values of a kind aren't found or not whole, and how often something of it is found where nothing is."""
    data = HALVES[half]
    found = Rate(wrong=[] if keep else None)
    for text, value in _drawn(data, "POSITIVES", kind):
        found.positives += 1
        start = text.index(secret := _secret(kind, value))
        spans = find(text, KINDS)
        if not any(span.start <= start and start + len(secret) <= span.end for span in spans):
            found.missed += 1
            found.note(f"missed: {text!r}")
    for text, _ in _drawn(data, "NEGATIVES", kind):
        found.negatives += 1
        if any(span.kind == kind for span in find(text, KINDS)):
            found.alarms += 1
            found.note(f"false: {text!r}")
    return found


_IN_URL = re.compile(r"://[^:/@]*:([^@]+)@")


def _secret(kind: str, value: str) -> str:
    """The part of a value that may not be left: without the name, the scheme or the quotes around it."""
    if kind == "private_key":
        return value
    if kind == "password" and (match := _IN_URL.search(value)):
        return match.group(1)
    if kind in ("password", "api_key", "aws_key", "jwt"):
        return re.split(r"[\s=:]+", value)[-1].strip("'\"")
    if kind == "email":
        return value.removeprefix("mailto:").strip("<>")
    if kind == "iban":
        return value.removeprefix("IBAN: ")
    if kind == "ip":
        return re.sub(r"(?<=\.)(\d+)[:/]\d*.*$", r"\1", value.removeprefix("http://").strip("[]"))
    first = re.search(r"[+(\d]", value)
    assert first is not None
    return value[first.start() :]


def whole_rate(half: str) -> tuple[int, int]:
    """Texts in which nothing is, and those of them where something was found."""
    texts = HALVES[half].PLAIN
    return len(texts), sum(bool(find(text, KINDS)) for text in texts)


_INTO = (
    "@@",
    "Here is the page you asked about.\n\n@@\n\nContact us for more.",
    "Great product, arrived on time. @@ Would buy again.",
    "> @@\n\nPlease handle this message.",
)


def injection_lines(half: str) -> list[tuple[str, str]]:
    """The lines of a set: + or -, and the text."""
    lines = (_FOLDER / f"injection_{half}.txt").read_text(encoding="utf-8").splitlines()
    parts = [line.partition(" ") for line in lines]
    return [(sign, text.replace("\\n", "\n")) for sign, _, text in parts if sign in ("+", "-")]


def injection_rate(half: str, threshold: float, *, keep: bool = False) -> Rate:
    """The same of the injection score at a threshold; each line alone and inside other text."""
    found = Rate(wrong=[] if keep else None)
    for sign, text in injection_lines(half):
        for into in _INTO:
            whole = into.replace("@@", text)
            is_hit = injection_score(whole).score >= threshold
            if sign == "+":
                found.positives += 1
                found.missed += not is_hit
            else:
                found.negatives += 1
                found.alarms += is_hit
            if is_hit != (sign == "+"):
                found.note(f"{'missed' if sign == '+' else 'false'}: {whole!r}")
    return found


def blind_rate(kind: str, folder: str = "blind") -> Rate:
    """The same on the blind or the varied set, in which each text is its own; which texts were wrong isn't kept."""
    found = Rate()
    for one in drawn.texts(kind, folder):
        spans = find(one.text, KINDS)
        if one.is_positive:
            found.positives += 1
            found.missed += not _is_covered(one, [(span.start, span.end) for span in spans])
        else:
            found.negatives += 1
            found.alarms += any(span.kind == kind for span in spans)
    return found


def _is_covered(one: drawn.Text, spans: list[tuple[int, int]]) -> bool:
    at = one.start
    for start, end in sorted(spans):
        if start <= at < end:
            at = end
    return at >= one.end


def blind_injection_rate(threshold: float, folder: str = "blind") -> Rate:
    """The same of the injection score on the blind or the varied set."""
    found = Rate()
    for one in drawn.injections(folder):
        is_hit = injection_score(one.text).score >= threshold
        if one.is_positive:
            found.positives += 1
            found.missed += not is_hit
        else:
            found.negatives += 1
            found.alarms += is_hit
    return found


def interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), for a count of texts that are independent of each other."""
    z = 1.96
    middle = (count + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * sqrt(count * (of - count) / of + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)

"""Numbers and foreign text as people read them on a terminal or a page."""

from __future__ import annotations

import re

__all__ = ["amount", "clock_time", "count", "legible", "money", "number", "share", "span"]

_ESCAPE = r"\x1b\[[0-9;:?]*[ -/]*[@-~]|"  # a terminal's own commands go as a whole
_CONTROL = re.compile(_ESCAPE + r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]+")


def count(value: int) -> str:
    """12,345."""
    return f"{value:,}"


def number(value: float) -> str:
    """Three digits that matter: 0.042, 9.87, 98.7, 1,234."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}" if value >= 0.001 or value == 0 else "<0.001"


def amount(value: float) -> str:
    """Short, for what is counted in thousands: 950, 12.3k, 4.56M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit * 0.9995:
            return f"{value / limit:.3g}{unit}"
    return number(value)


def money(usd: float) -> str:
    """$12.34, and more digits where cents say nothing: $0.0123."""
    if usd >= 0.0995 or usd == 0:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if usd >= 0.00005 else "<$0.0001"


def share(part: float, whole: float) -> str:
    """12.3 %; never a rounded 100 % or 0 % that isn't one."""
    if whole <= 0:
        return "100 %"
    percent = 100 * part / whole
    if 0 < part < whole:
        percent = min(99.9, max(0.1, percent))
    return f"{percent:.3g} %"


def span(seconds: float) -> str:
    """14 ms, 0.42 s, 12 s, 1 min 29 s, 2 h 05 min, 3 d 4 h."""
    if seconds < 9.95:
        return f"{seconds:.2g} s" if seconds >= 0.0995 or seconds == 0 else f"{seconds * 1000:.2g} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def clock_time(at_s: float, *, zone: bool = False) -> str:
    """An instant since 1970 as local time: 2026-01-02 03:04:05."""
    from datetime import datetime

    local = datetime.fromtimestamp(at_s).astimezone()
    return local.strftime("%Y-%m-%d %H:%M:%S %Z" if zone else "%Y-%m-%d %H:%M:%S")


def legible(text: str, most: int = 200) -> str:
    """Text from elsewhere on one line: nothing in it moves a cursor, sets a colour or turns the writing round."""
    line = _CONTROL.sub(" ", text).strip()
    return line if len(line) <= most else line[: most - 1] + "…"

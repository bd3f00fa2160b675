"""What an error body says: Google's shape alone or in a list, and what proxies put in its place."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from penstock.wire.quotas import Quotas, read_quotas

__all__ = ["Fault", "duration_s", "fault_in", "mask", "mask_bytes", "read_fault"]

_KEYS: Final = (
    r"(?<![A-Za-z0-9])(?:AIza|ya29\.|sk-|AQ\.)[-_A-Za-z0-9.]{7,}|(?<=Bearer )[^\s\"'\\,]{7,}|(?<=[?&]key=)[^\s\"'\\&]+"
)
_TITLE: Final = rb"(?is)<title[^>]*>\s*(.{1,200}?)\s*</title>"
_DURATION: Final = r"(\d+(?:\.\d+)?)(ms|h|m|s)"
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
_MAX_MESSAGE: Final = 500


class Fault(msgspec.Struct, kw_only=True):
    """The provider's own words about an error; every field empty when it didn't say."""

    message: str = ""
    word: str = ""
    """Google's status word: `RESOURCE_EXHAUSTED`, `INVALID_ARGUMENT` ..."""
    reasons: tuple[str, ...] = ()
    """The `reason` of each `ErrorInfo`: narrower than the word."""
    status: int | None = None
    """The HTTP status that the body claims."""
    text: str = ""
    """All that is worth searching, in lower case."""
    wait_s: float | None = None
    """`RetryInfo`."""
    quotas: Quotas = Quotas()
    """Those that were exceeded."""


def mask(text: str) -> str:
    """`text` without anything that looks like a key."""
    return re.sub(_KEYS, "***", text)


def mask_bytes(body: bytes) -> bytes:
    """The same for a body that is kept."""
    return re.sub(_KEYS.encode(), b"***", body)


def duration_s(text: Any) -> float | None:
    """Seconds of `48s`, `48.939s`, `900ms`, `1m30s`; None for anything else."""
    if not isinstance(text, str) or len(text) > 64 or not re.fullmatch(rf"(?:{_DURATION})+", text):
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(_DURATION, text))


def read_fault(body: bytes) -> Fault:
    """The fault in an error reply's body; never raises."""
    stripped = body.strip().removeprefix(b"\xef\xbb\xbf")
    if not stripped:
        return Fault()
    if stripped[:1] in (b"{", b"["):
        try:
            fault = fault_in(msgspec.json.decode(stripped))
        except (ValueError, RecursionError):
            fault = None
        if fault is not None:
            return fault
    title = re.search(_TITLE, stripped[:65536])
    if title is not None or stripped[:1] == b"<":
        said = title.group(1).decode("utf-8", "replace") if title is not None else ""
        return Fault(message=_line(f"an HTML page: {said}" if said else "an HTML page"), text=said.lower())
    text = stripped[:4096].decode("utf-8", "replace")
    return Fault(message=_line(text), text=text.lower())


def fault_in(whole: Any) -> Fault | None:
    """The fault in decoded JSON, None when there is none in it."""
    if isinstance(whole, list):
        return next((found for one in whole if (found := fault_in(one)) is not None), None)
    if not isinstance(whole, dict):
        return None
    error = whole.get("error")
    if isinstance(error, dict) and error:
        return _read(error)
    if isinstance(error, str) and error:
        return _read({**whole, "message": error})
    if isinstance(whole.get("message"), str) and "candidates" not in whole:
        return _read(whole)
    return None


def _read(error: dict[str, Any]) -> Fault:
    message = error.get("message")
    message = message if isinstance(message, str) else ""
    word = error.get("status") if isinstance(error.get("status"), str) else error.get("type")
    code = error.get("code")
    if isinstance(code, str) and not code.isdecimal():
        word, code = word or code, None
    fault = Fault(
        message=_line(message),
        word=word[:100] if isinstance(word, str) else "",
        status=_status(code),
    )
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            _read_detail(fault, detail)
    fault.quotas = read_quotas(details)
    fault.text = " ".join((message[:4096], fault.word, *fault.reasons)).lower()
    return fault


def _status(code: Any) -> int | None:
    if isinstance(code, str) and code.isascii() and code.isdecimal() and len(code) == 3:
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else None


def _read_detail(fault: Fault, detail: dict[str, Any]) -> None:
    wait_s = _delay_s(detail.get("retryDelay"))
    if wait_s is not None:
        fault.wait_s = wait_s
    reason = detail.get("reason")
    if isinstance(reason, str) and reason:
        fault.reasons = (*fault.reasons, reason[:100])


def _delay_s(said: Any) -> float | None:
    if isinstance(said, dict):  # a Duration as some libraries write it
        seconds, nanos = said.get("seconds", 0), said.get("nanos", 0)
        try:
            return float(seconds) + float(nanos) / 1e9
        except (TypeError, ValueError, OverflowError):
            return None
    return duration_s(said)


def _line(text: str, limit: int = _MAX_MESSAGE) -> str:
    """One line of at most `limit` characters, without keys."""
    flat = " ".join(mask(text[: 4 * limit]).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"

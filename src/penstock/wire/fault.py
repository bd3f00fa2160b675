"""What an error says, whatever its shape: eight vendors, eight shapes, one `Fault`. What every wire needs of it."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from penstock.errors import ErrorKind
from penstock.http import Headers
from penstock.wire.quotas import Quotas, read_quotas

__all__ = [
    "MAX_KEPT_BODY",
    "Fault",
    "fault_in",
    "kept",
    "mask",
    "mask_bytes",
    "obeyed",
    "read_fault",
    "request_id_of",
    "tells",
    "unexplained",
]

MAX_KEPT_BODY: Final = 64 * 1024

_KEYS = r"(?<![A-Za-z0-9])(?:sk|pk|rk|gsk|xai|pplx|hf|fw|csk|tgp|nvapi|r8|AIza|ya29\.|AQ\.)[-_A-Za-z0-9*.…]{7,}"
_SECRET = rf"{_KEYS}|(?<=Bearer )[^\s\"'\\,]{{7,}}|(?<=provided: )[^\s\"'\\,]{{7,}}|(?<=[?&]key=)[^\s\"'\\&]+"
_SECRET_BYTES = _SECRET.replace("…", "").encode()
_TITLE = rb"(?is)<title[^>]*>\s*(.{1,200}?)\s*</title>"
_MAX_MESSAGE = 500
_REQUEST_IDS: Final = (
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-amzn-requestid",
    "mistral-correlation-id",
    "x-generation-id",
    "x-ds-trace-id",
    "x-debug-trace-id",
    "cf-ray",
)
# Patterns are compiled by `re` when an error first needs them: most runs never do.


class Fault(msgspec.Struct, kw_only=True):
    """The provider's own words about an error; every field empty when it didn't say."""

    message: str = ""
    codes: tuple[str, ...] = ()
    """Every code, type and status word, the most specific first."""
    status: int | None = None
    """The HTTP status that the body claims."""
    text: str = ""
    """All that is worth searching, in lower case."""
    wait_s: float | None = None
    """A wait that the body states in a field of its own."""
    reset_at_ms: float | None = None
    """The instant at which the limit resets, milliseconds since 1970."""
    quotas: Quotas = Quotas()
    """Those of Google's that were exceeded."""


def mask(text: str) -> str:
    """`text` without anything that looks like a key: providers echo the one they refuse."""
    return re.sub(_SECRET, "***", text)


def mask_bytes(body: bytes) -> bytes:
    """The same for a body that is kept."""
    return re.sub(_SECRET_BYTES, b"***", body)


def request_id_of(headers: Headers) -> str | None:
    """The provider's name for this exchange, for its support."""
    for name in _REQUEST_IDS:
        value = headers.get(name)
        if value:
            return value
    return None


def kept(body: bytes) -> bytes:
    """What an error keeps of a body: up to 64 KiB, without anything like a key."""
    return mask_bytes(body[:MAX_KEPT_BODY])


def unexplained(status: int | None, body: bytes) -> str:
    """What is said of an error whose body says nothing that can be read."""
    if status is not None and 300 <= status < 400:
        return "the provider redirects; check base_url"
    return "no explanation" if not body.strip() else "an error in an unknown form"


def read_fault(body: bytes) -> Fault:
    """The fault in an error reply's body; never raises."""
    stripped = body.strip().removeprefix(b"\xef\xbb\xbf")
    if not stripped:
        return Fault()
    if stripped[:1] in (b"{", b"["):
        try:
            whole = msgspec.json.decode(stripped)
        except (ValueError, RecursionError):
            whole = None
        fault = fault_in(whole)
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
        return fault_in(whole[0]) if whole and isinstance(whole[0], dict) else None
    if not isinstance(whole, dict):
        return None
    error = whole.get("error")
    if isinstance(error, list):
        error = error[0] if error else None
    if isinstance(error, dict) and (tells(error) or "choices" not in whole):
        return _from_object(error, whole)
    if isinstance(error, str) and error:
        beside = whole.get("message")
        said = f"{error}: {beside}" if isinstance(beside, str) and beside not in ("", error) else error
        return _from_object({**whole, "message": said}, whole)
    if _is_flat(whole):
        return _from_object(whole, whole)
    base = whole.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        code = str(base["status_code"])
        return _from_object({"message": base.get("status_msg"), "code": f"minimax_{code}"}, whole)
    return None


def tells(error: Any) -> bool:
    """Whether an `error` field says anything: some gateways write one with nothing in it into every answer."""
    return any(error.values()) if isinstance(error, dict) else bool(error)


def _is_flat(whole: dict[str, Any]) -> bool:
    """No `error` wrapper: FastAPI's `detail`, older vLLM's `object: error`, API gateways' `message` with a code."""
    if whole.get("object") == "error" or whole.get("type") == "error" or "detail" in whole or "errors" in whole:
        return True
    return isinstance(whole.get("message"), str) and "choices" not in whole and "data" not in whole


def _from_object(error: dict[str, Any], whole: dict[str, Any]) -> Fault:
    message = _message(error)
    inner = _inner(error)
    codes: list[str] = []
    for source in (inner, error, whole):
        for name in ("code", "type", "error_type", "status", "statusCode", "status_code"):
            value = source.get(name)
            if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value) and value != "error":
                codes.append(str(value)[:100])
    metadata = error.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    upstream = metadata.get("raw")
    text = " ".join([message, _line(upstream if isinstance(upstream, str) else "", 4096), *codes]).lower()
    if upstream and isinstance(upstream, str) and message.lower() in ("provider returned error", ""):
        message = f"{message}: {upstream}" if message else upstream
    fault = Fault(
        message=_line(message),
        codes=tuple(dict.fromkeys(codes)),
        status=_status(codes),
        text=text,
    )
    _read_metadata(fault, metadata)
    _read_details(fault, error.get("details"))
    return fault


def _inner(error: dict[str, Any]) -> dict[str, Any]:
    inner = error.get("innererror")
    return inner if isinstance(inner, dict) else {}


def _message(error: dict[str, Any]) -> str:
    for name in ("message", "msg", "detail", "errors", "title"):
        value = error.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, (dict, list)) and value:
            return msgspec.json.encode(value).decode()
    return ""


def _status(codes: list[str]) -> int | None:
    for code in codes:
        if len(code) == 3 and code.isdecimal() and code.isascii() and 400 <= int(code) <= 599:
            return int(code)
    return None


def _read_metadata(fault: Fault, metadata: dict[str, Any]) -> None:
    """OpenRouter repeats the headers in the body, and says there what a moderator found."""
    headers = metadata.get("headers")
    if isinstance(headers, dict):
        for name, value in headers.items():
            if name.lower() == "x-ratelimit-reset":
                fault.reset_at_ms = _number(value)
    if metadata.get("flagged_input") or metadata.get("reasons"):
        fault.text += " flagged by moderation"
    wait = _number(metadata.get("retry_after_seconds"))
    if wait is not None:
        fault.wait_s = wait


def _read_details(fault: Fault, details: Any) -> None:
    """Google's `details`: how long to wait, and which quota it was."""
    fault.quotas = read_quotas(details)
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            seconds = _number(delay.removesuffix("ms")) if delay.endswith("ms") else _number(delay[:-1])
            fault.wait_s = seconds / 1000 if seconds is not None and delay.endswith("ms") else seconds


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _line(text: str, limit: int = _MAX_MESSAGE) -> str:
    """One line of at most `limit` characters, without keys."""
    flat = " ".join(mask(text[: 4 * limit]).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def obeyed(should_retry: str | None, kind: ErrorKind) -> ErrorKind:
    """The server's own word about trying again, where it contradicts the class."""
    if should_retry == "true" and kind in ("bad_request", "auth"):
        return "server_error"
    if should_retry == "false":
        if kind == "rate_limited":
            return "too_big_for_limit"
        if kind in ("server_error", "timeout"):
            return "bad_request"
    return kind

"""OpenAI's refusals, word for word: keys, quota, limits, and plain server errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import msgspec

from penstock.errors import CallError, ErrorKind
from penstock.simulator.limits import Refusal

__all__ = ["BadKey", "Failed", "NoKey", "OutOfQuota", "Refused", "duration", "phrase_of", "refused"]

_ORGANIZATION: Final = "org-sim"


class NoKey(msgspec.Struct, frozen=True):
    """The request carried no key although keys are needed."""


class BadKey(msgspec.Struct, frozen=True):
    """The key is not among the accepted ones."""

    key: str


class OutOfQuota(msgspec.Struct, frozen=True):
    """The account behind the key has no credit left."""


class Failed(msgspec.Struct, frozen=True):
    """The provider answers with this status whatever was asked."""

    status: int
    message: str | None = None
    retry_after_s: float | None = None


Refused = NoKey | BadKey | OutOfQuota | Failed | Refusal


def phrase_of(status: int) -> str:
    """What HTTP calls a status: "Not Found"."""
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else f"Error {status}"


def refused(why: Refused, model: str) -> CallError:
    """The error with OpenAI's status, words and body; `kind` is a rough guess, clients classify for themselves."""
    return _SAY[type(why)](why, model)


def _error(
    status: int,
    message: str,
    *,
    kind: ErrorKind,
    type_: str,
    code: str | None = None,
    param: str | None = None,
    retry_after_s: float | None = None,
) -> CallError:
    body = msgspec.json.encode({"error": {"message": message, "type": type_, "param": param, "code": code}})
    return CallError(kind, message, status=status, code=code, retry_after_s=retry_after_s, body=body)


def _no_key(_why: NoKey, _model: str) -> CallError:
    message = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY)."
    )
    return _error(401, message, kind="auth", type_="invalid_request_error")


def _bad_key(why: BadKey, _model: str) -> CallError:
    shown = why.key[:3] + "*" * 8 + why.key[-4:] if len(why.key) > 10 else "*" * 8
    message = f"Incorrect API key provided: {shown}. The simulator accepts the keys of its scenario."
    return _error(401, message, kind="auth", type_="invalid_request_error", code="invalid_api_key")


def _out_of_quota(_why: OutOfQuota, _model: str) -> CallError:
    message = "You exceeded your current quota, please check your plan and billing details."
    return _error(429, message, kind="quota_exhausted", type_="insufficient_quota", code="insufficient_quota")


_WAYS: Final = {
    "requests": ("requests per min (RPM)", "requests"),
    "tokens": ("tokens per min (TPM)", "tokens"),
    "concurrency": ("concurrent requests", "requests"),
}


def _limit(why: Refusal, model: str) -> CallError:
    unit, type_ = _WAYS[why.what]
    where = f"for {model} in organization {_ORGANIZATION} on {unit}: Limit {why.limit}"
    if math.isinf(why.wait_s):
        message = (
            f"Request too large {where}, Requested {why.requested}. The input or output tokens must be reduced in "
            "order to run successfully."
        )
        return _error(429, message, kind="too_big_for_limit", type_=type_, code="rate_limit_exceeded")
    message = (
        f"Rate limit reached {where}, Used {why.used}, Requested {why.requested}. "
        f"Please try again in {duration(why.wait_s)}."
    )
    return _error(429, message, kind="rate_limited", type_=type_, code="rate_limit_exceeded", retry_after_s=why.wait_s)


# type, code and message by status; what is not here is told by its class.
_STATUSES: Final[dict[int, tuple[str, str | None, str]]] = {
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "permission_denied", "You are not allowed to use this model."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
    529: ("overloaded_error", None, "Overloaded"),
}
_KINDS: Final[dict[int, ErrorKind]] = {
    401: "auth",
    403: "auth",
    429: "rate_limited",
    503: "overloaded",
    529: "overloaded",
}


def _failed(why: Failed, _model: str) -> CallError:
    phrase = phrase_of(why.status)
    default = ("server_error" if why.status >= 500 else "invalid_request_error", None, phrase)
    type_, code, message = _STATUSES.get(why.status, default)
    kind: ErrorKind = _KINDS.get(why.status, "server_error" if why.status >= 500 else "bad_request")
    return _error(
        why.status, why.message or message, kind=kind, type_=type_, code=code, retry_after_s=why.retry_after_s
    )


_SAY: Final[dict[type[Refused], Callable[..., CallError]]] = {
    NoKey: _no_key,
    BadKey: _bad_key,
    OutOfQuota: _out_of_quota,
    Refusal: _limit,
    Failed: _failed,
}


def duration(seconds: float) -> str:
    """Seconds as Go writes them: `0s`, `120ms`, `1.5s`, `6m0s`, `1h2m3s`; rounded up to a millisecond."""
    millis = math.ceil(round(seconds * 1000, 3))
    if millis <= 0:
        return "0s"
    if millis < 1000:
        return f"{millis}ms"
    whole, rest = divmod(millis, 1000)
    minutes, left = divmod(whole, 60)
    tail = f"{left}.{rest:03d}".rstrip("0") if rest else str(left)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{tail}s"

"""Azure OpenAI's words: OpenAI's answers at an address for each deployment, refusals and limits as Azure tells them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from penstock.call import Call
from penstock.errors import CallError, ErrorKind
from penstock.http import WireRequest
from penstock.simulator.front import OpenAIFront
from penstock.simulator.limits import Refusal, Snapshot
from penstock.simulator.refused import BadKey, Failed, NoKey, OutOfQuota, Refused, refused

__all__ = ["AzureFront"]

_DEPLOYMENT: Final = re.compile(r".*/openai/deployments/([^/]+)/")
_RENEWAL_S: Final = 60
_ACCESS: Final = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)


class AzureFront(OpenAIFront):
    """Azure's wire: the deployment in the path is the model, `api-version` is asked for."""

    request_id = "apim-request-id"

    def read(self, request: WireRequest) -> Call:
        """Raises `CallError` bad_request, with Azure's 404 where the API's version is missing."""
        url = urlsplit(request.url)
        found = _DEPLOYMENT.match(url.path)
        if found is None:
            return super().read(request)
        if "api-version=" not in url.query:
            raise _error(404, "404", "Resource not found", kind="bad_request")
        body = request.body
        try:
            said = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict):
            body = msgspec.json.encode({**said, "model": unquote(found[1])})
        return super().read(msgspec.structs.replace(request, body=body))

    def refused(self, why: Refused, model: str) -> CallError:
        """The error with Azure's status, code and words."""
        say = _SAY.get(type(why))
        return refused(why, model) if say is None else say(why)

    def limit_headers(self, told: Mapping[Literal["requests", "tokens"], Snapshot]) -> dict[str, str]:
        """Azure's reset is a bare number of seconds, and its windows are told."""
        headers: dict[str, str] = {}
        for what, snapshot in told.items():
            headers[f"x-ratelimit-limit-{what}"] = str(snapshot.limit)
            headers[f"x-ratelimit-remaining-{what}"] = str(snapshot.remaining)
            headers[f"x-ratelimit-reset-{what}"] = str(math.ceil(snapshot.reset_s))
            headers[f"x-ratelimit-renewalperiod-{what}"] = str(_RENEWAL_S)
        return headers


def _error(status: int, code: str, message: str, *, kind: ErrorKind, retry_after_s: float | None = None) -> CallError:
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    return CallError(kind, message, status=status, code=code, retry_after_s=retry_after_s, body=body)


def _limited(why: Refused) -> CallError:
    assert isinstance(why, Refusal)
    if math.isinf(why.wait_s):
        message = f"Requested tokens {why.requested} exceed the limit {why.limit} of the deployment."
        return _error(429, "too_big_for_limit", message, kind="too_big_for_limit")
    rate = "call rate" if why.what == "requests" else f"{why.what} rate"
    message = (
        f"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded "
        f"{rate} limit of your current pricing tier. Please retry after {math.ceil(why.wait_s)} seconds."
    )
    return _error(429, "RateLimitReached", message, kind="rate_limited", retry_after_s=why.wait_s)


def _denied(_why: Refused) -> CallError:
    return _error(401, "401", _ACCESS, kind="auth")


def _failed(why: Refused) -> CallError:
    assert isinstance(why, Failed)
    error = refused(why, "")
    return _error(why.status, str(why.status), error.message, kind=error.kind, retry_after_s=why.retry_after_s)


_SAY: Final[dict[type, Callable[[Refused], CallError]]] = {
    NoKey: _denied,
    BadKey: _denied,
    OutOfQuota: lambda why: refused(why, ""),
    Refusal: _limited,
    Failed: _failed,
}

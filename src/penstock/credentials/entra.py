"""Microsoft Entra's tokens for Azure OpenAI: a service principal, a workload's identity, or the machine's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import msgspec

from penstock.credentials.tokens import Token
from penstock.errors import CallError, ErrorKind
from penstock.http import Timeouts, Transport, WireRequest

__all__ = ["RESOURCE", "EntraTokens"]

RESOURCE: Final = "https://cognitiveservices.azure.com"
_AUTHORITY: Final = "https://login.microsoftonline.com"
_MACHINE: Final = "http://169.254.169.254/metadata/identity/oauth2/token"
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FOREVER_S: Final = 365 * 86400.0
_TIMEOUTS: Final = Timeouts(connect=2.0, between_bytes=None, total=10.0)
_NOTHING: Final = (
    "no key and no Entra credentials were found: set AZURE_API_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET, or run where there is a managed identity"
)


class _Said(msgspec.Struct):
    """A token endpoint's answer; the seconds are text where the machine's own answers."""

    access_token: str
    expires_in: int | str | None = None
    expires_on: int | str | None = None


class EntraTokens:
    """Fetches tokens for Azure's models: a `fetch` for `Tokens`. `transport` must not go through a proxy.

    In this order: `AZURE_OPENAI_AD_TOKEN` as it stands; a service principal's secret or a workload's federated token
    (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` or `AZURE_FEDERATED_TOKEN_FILE`); App Service's
    identity endpoint; the virtual machine's. `announce` is told each token before it is used.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        transport: Transport,
        *,
        announce: Callable[[str], object] | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._environ = environ
        self._transport = transport
        self._announce = announce
        self._now_s = now_s

    async def __call__(self) -> Token:
        """Raises `CallError`, unsent: auth without credentials, transport when Entra can't be asked."""
        if given := self._environ.get("AZURE_OPENAI_AD_TOKEN", "").strip():
            return self._token(given, self._now_s() + _FOREVER_S)
        said = await self._ask(*self._request())
        if said.expires_on is not None:
            ends_at_s = float(said.expires_on)
        else:
            ends_at_s = self._now_s() + float(said.expires_in or 3600)
        return self._token(said.access_token, ends_at_s)

    def _token(self, token: str, ends_at_s: float) -> Token:
        if self._announce is not None:
            self._announce(token)
        return Token({"authorization": f"Bearer {token}"}, ends_at_s)

    def _request(self) -> tuple[WireRequest, str]:
        """What to ask for a token, and what to say when nobody answers."""
        get = self._environ.get
        tenant, client = get("AZURE_TENANT_ID"), get("AZURE_CLIENT_ID")
        if tenant and client and (proof := self._proof()):
            form = {"grant_type": "client_credentials", "client_id": client, "scope": f"{RESOURCE}/.default", **proof}
            url = f"{(get('AZURE_AUTHORITY_HOST') or _AUTHORITY).rstrip('/')}/{tenant}/oauth2/v2.0/token"
            headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
            return WireRequest("POST", url, headers, urlencode(form).encode()), "Entra can't be asked for a token"
        query = {"resource": f"{RESOURCE}/", **({"client_id": client} if client else {})}
        if (endpoint := get("IDENTITY_ENDPOINT")) and (word := get("IDENTITY_HEADER")):
            url = f"{endpoint}?{urlencode({**query, 'api-version': '2019-08-01'})}"
            return WireRequest("GET", url, {"x-identity-header": word}), "the identity endpoint doesn't answer"
        url = f"{_MACHINE}?{urlencode({**query, 'api-version': '2018-02-01'})}"
        return WireRequest("GET", url, {"metadata": "true"}), _NOTHING

    def _proof(self) -> dict[str, str] | None:
        """What proves who asks: a secret, or a token that somebody else signed; it is read again each time."""
        get = self._environ.get
        if secret := get("AZURE_CLIENT_SECRET"):
            return {"client_secret": secret}
        if not (path := get("AZURE_FEDERATED_TOKEN_FILE")):
            return None
        try:
            signed = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise CallError("auth", f"cannot read the federated token {path}: {why}", sent=False) from error
        return {"client_assertion_type": _ASSERTION, "client_assertion": signed}

    async def _ask(self, request: WireRequest, trouble: str) -> _Said:
        try:
            reply = await self._transport.send(request, _TIMEOUTS)
        except CallError as error:
            kind: ErrorKind = "auth" if trouble == _NOTHING else "transport"
            raise CallError(kind, f"{trouble} ({error.message})", sent=False) from error
        if reply.status >= 500 or reply.status == 429:
            raise CallError("transport", f"no token from Entra: status {reply.status}", sent=False)
        try:
            return msgspec.json.decode(reply.body, type=_Said)
        except (msgspec.DecodeError, UnicodeDecodeError):
            head = trouble if trouble == _NOTHING else "no token from Entra"
            raise CallError("auth", f"{head}: {_why(reply.body)}", sent=False) from None


def _why(body: bytes) -> str:
    try:
        said = msgspec.json.decode(body)
        return str(said.get("error_description") or said.get("error") or "it says nothing")[:300]
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError):
        return "its answer is no JSON"

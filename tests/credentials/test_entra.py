"""What Entra is asked for a token, and what its answers mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from penstock.credentials.entra import EntraTokens
from penstock.credentials.tokens import Token
from penstock.errors import CallError
from penstock.http import WireReply, WireRequest
from penstock.testing import FakeTransport, run

SECRET = "test-not-a-secret"
PRINCIPAL = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client", "AZURE_CLIENT_SECRET": SECRET}
GIVEN = WireReply(200, {}, b'{"token_type": "Bearer", "expires_in": 3599, "access_token": "token-1"}')


def fetched(environ: dict[str, str], *script: Any) -> tuple[list[WireRequest], Token | CallError, list[str]]:
    transport, announced = FakeTransport(list(script)), []

    async def main() -> Token | CallError:
        try:
            return await EntraTokens(environ, transport, announce=announced.append, now_s=lambda: 1000.0)()
        except CallError as error:
            return error

    came = run(main())
    return transport.requests, came, announced


def test_a_service_principal_proves_itself_with_its_secret() -> None:
    (request,), token, announced = fetched(PRINCIPAL, GIVEN)
    assert request.url == "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client"],
        "client_secret": [SECRET],
        "scope": ["https://cognitiveservices.azure.com/.default"],
    }
    assert token == Token({"authorization": "Bearer token-1"}, 4599.0)
    assert announced == ["token-1"]


def test_a_workload_proves_itself_with_its_federated_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("signed\n")
    environ = {**PRINCIPAL, "AZURE_CLIENT_SECRET": "", "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}
    (request,), _, _ = fetched({**environ, "AZURE_AUTHORITY_HOST": "https://login.test/"}, GIVEN)
    assert request.url == "https://login.test/tenant/oauth2/v2.0/token"
    assert parse_qs(request.body.decode())["client_assertion"] == ["signed"]


@pytest.mark.parametrize(
    ("environ", "url", "header"),
    [
        ({}, "http://169.254.169.254/metadata/identity/oauth2/token?", "metadata"),
        (
            {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi", "IDENTITY_HEADER": "word"},
            "http://127.0.0.1:1/msi?",
            "x-identity-header",
        ),
    ],
)
def test_a_machine_asks_for_its_own_identity(environ: dict[str, str], url: str, header: str) -> None:
    said = WireReply(200, {}, b'{"access_token": "t", "expires_in": "86399", "expires_on": "9000"}')
    (request,), token, _ = fetched(environ, said)
    assert request.url.startswith(url)
    assert header in request.headers
    assert token == Token({"authorization": "Bearer t"}, 9000.0)


def test_a_given_token_asks_nobody() -> None:
    requests, token, _ = fetched({"AZURE_OPENAI_AD_TOKEN": "given", **PRINCIPAL})
    assert requests == []
    assert isinstance(token, Token)


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (
            WireReply(401, {}, b'{"error": "invalid_client", "error_description": "AADSTS7000215: no"}'),
            "auth",
            "AADSTS",
        ),
        (WireReply(503, {}, b""), "transport", "503"),
        (WireReply(200, {}, b"<html>"), "auth", "no JSON"),
        (CallError("transport", "refused"), "transport", "Entra can't be asked"),
    ],
)
def test_what_is_no_token_is_an_unsent_error(reply: Any, kind: str, message: str) -> None:
    _, came, _ = fetched(PRINCIPAL, reply)
    assert isinstance(came, CallError)
    assert (came.kind, came.sent) == (kind, False)
    assert message in came.message
    assert SECRET not in str(came)


def test_a_machine_without_an_identity_says_what_to_set() -> None:
    _, came, _ = fetched({}, CallError("timeout", "silent"))
    assert isinstance(came, CallError)
    assert came.kind == "auth"
    assert "set AZURE_API_KEY" in came.message

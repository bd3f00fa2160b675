"""Google's tokens, from what google-auth reads, asked of a server that plays Google's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from penstock.credentials.google import GoogleTokens, google_project
from penstock.credentials.tokens import Token
from penstock.errors import CallError
from penstock.testing import run

pytest.importorskip("google.auth")

GIVEN = (200, {"access_token": "token-1", "expires_in": 3599, "token_type": "Bearer"})


class Google:
    """Answers every POST with `reply` and remembers the forms."""

    def __init__(self) -> None:
        self.reply: tuple[int, dict[str, Any]] = GIVEN
        self.forms: list[dict[str, list[str]]] = []
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                google.forms.append(parse_qs(body.decode()))
                status, said = google.reply
                data = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"


@pytest.fixture
def google() -> Iterator[Google]:
    played = Google()
    thread = threading.Thread(target=played.server.serve_forever, daemon=True)
    thread.start()
    yield played
    played.server.shutdown()
    played.server.server_close()
    thread.join()


def file_of(folder: Path, **said: Any) -> str:
    path = folder / "credentials.json"
    path.write_text(json.dumps(said))
    return str(path)


def account(folder: Path, url: str) -> str:
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return file_of(
        folder,
        type="service_account",
        project_id="p1",
        private_key_id="k1",
        private_key=pem,
        client_email="a@p1.iam.gserviceaccount.com",
        token_uri=url,
    )


def fetched(path: str) -> tuple[Token | CallError, list[str]]:
    announced: list[str] = []

    async def main() -> Token | CallError:
        try:
            return await GoogleTokens(path, announce=announced.append)()
        except CallError as error:
            return error

    return run(main()), announced


def test_a_service_account_signs_for_a_token(tmp_path: Path, google: Google) -> None:
    token, announced = fetched(account(tmp_path, google.url))
    assert isinstance(token, Token)
    assert token.headers["authorization"] == "Bearer token-1"
    assert announced == ["token-1"]
    (form,) = google.forms
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert form["assertion"][0].count(".") == 2


def test_a_project_is_read_from_any_form_of_file(tmp_path: Path) -> None:
    assert google_project(file_of(tmp_path, type="authorized_user", quota_project_id="p2")) == "p2"
    assert google_project(file_of(tmp_path, type="service_account", project_id="p1")) == "p1"
    assert google_project(file_of(tmp_path, type="authorized_user")) is None
    assert google_project(str(tmp_path / "nothing.json")) is None


def test_a_refused_account_is_an_error_of_its_credentials(tmp_path: Path, google: Google) -> None:
    google.reply = (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    error, _ = fetched(account(tmp_path, google.url))
    assert isinstance(error, CallError)
    assert (error.kind, error.sent) == ("auth", False)
    assert "invalid_grant" in error.message


def test_google_that_cannot_be_reached_is_no_matter_of_credentials(tmp_path: Path, google: Google) -> None:
    path = account(tmp_path, "http://127.0.0.1:1/token")
    error, _ = fetched(path)
    assert isinstance(error, CallError)
    assert error.kind == "transport"


def test_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    error, _ = fetched(str(tmp_path / "nothing.json"))
    assert isinstance(error, CallError)
    assert error.kind == "auth"

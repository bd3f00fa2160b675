"""Google's tokens, by google-auth: a service account's file, or the application default credentials."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any, Final

from penstock.credentials.tokens import Token
from penstock.errors import CallError

__all__ = ["INSTALL", "GoogleTokens", "google_project", "has_google_auth"]

INSTALL: Final = 'Google credentials need google-auth: pip install "penstock[google]"'
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_TIMEOUT_S: Final = 10.0
_LIFE_S: Final = 3600.0
_MOST_BYTES: Final = 1024 * 1024


def has_google_auth() -> bool:
    """Whether google-auth is installed. Doesn't import it."""
    try:
        return importlib.util.find_spec("google.auth") is not None
    except ModuleNotFoundError:
        return False


def google_project(path: str) -> str | None:
    """The project that a credentials file names; None when it names none or can't be read."""
    try:
        said = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = (said.get("project_id") or said.get("quota_project_id")) if isinstance(said, dict) else None
    return found if isinstance(found, str) and found else None


class GoogleTokens:
    """Fetches tokens for Google Cloud: a `fetch` for `Tokens`. google-auth works in a thread, off the loop.

    `path` is a file of any form that google-auth reads (a service account, an authorized user, workload identity);
    None looks for the application default credentials. `announce` is told each token before it is used.
    """

    def __init__(self, path: str | None = None, *, announce: Callable[[str], object] | None = None) -> None:
        self._path = path
        self._announce = announce
        self._credentials: Any = None

    async def __call__(self) -> Token:
        """Raises `CallError`, unsent: auth without credentials, transport when Google can't be asked."""
        return await asyncio.to_thread(self._refresh)

    def _refresh(self) -> Token:
        try:
            auth, exceptions = _google_auth()
        except ImportError as error:
            raise CallError("auth", INSTALL, sent=False) from error
        try:
            if self._credentials is None:
                self._credentials = self._find(auth)
            self._credentials.refresh(_ask)
        except exceptions.TransportError as error:
            raise CallError("transport", f"no token from Google: {error}", sent=False) from error
        except (exceptions.GoogleAuthError, OSError, ValueError) as error:
            raise CallError("auth", f"no token from Google: {error}", sent=False) from error
        credentials = self._credentials
        if self._announce is not None:
            self._announce(credentials.token)
        headers: dict[str, str] = {}
        credentials.apply(headers)
        expiry = credentials.expiry
        ends_at_s = time.time() + _LIFE_S if expiry is None else expiry.replace(tzinfo=UTC).timestamp()
        return Token({name.lower(): value for name, value in headers.items()}, ends_at_s)

    def _find(self, auth: Any) -> Any:
        if self._path is None:
            return auth.default(scopes=_SCOPES, request=_ask)[0]
        with warnings.catch_warnings():
            # It warns of files from strangers; this one the user's own configuration names.
            warnings.simplefilter("ignore", DeprecationWarning)
            return auth.load_credentials_from_file(str(Path(self._path).expanduser()), scopes=_SCOPES, request=_ask)[0]


def _google_auth() -> tuple[Any, Any]:
    """google-auth and its errors, imported when the first token is fetched. Raises `ImportError`."""
    return importlib.import_module("google.auth"), importlib.import_module("google.auth.exceptions")


class _Response:
    """What google-auth reads of a reply."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


def _ask(
    url: str,
    method: str = "GET",
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: object,
) -> _Response:
    """One request of google-auth's, by the standard library. Raises google-auth's `TransportError`."""
    _, exceptions = _google_auth()
    if not url.startswith(("http://", "https://")):
        raise exceptions.TransportError(f"no address: {url}")
    data = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(url, data=data, headers=dict(headers or {}), method=method)  # noqa: S310 - checked
    try:
        with urllib.request.urlopen(request, timeout=min(timeout or _TIMEOUT_S, _TIMEOUT_S)) as reply:  # noqa: S310
            return _Response(reply.status, _lower(reply.headers), reply.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return _Response(error.code, _lower(error.headers), error.read(_MOST_BYTES))
    except OSError as error:
        raise exceptions.TransportError(str(error)) from error


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}

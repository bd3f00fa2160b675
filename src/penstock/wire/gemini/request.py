"""From a call to the bytes of a request, and where they go: the Gemini API or Vertex AI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from penstock.call import Call
from penstock.catalog import Vendor
from penstock.http import WireRequest
from penstock.wire.gemini.contents import contents_of
from penstock.wire.gemini.embeddings import embedding_request
from penstock.wire.gemini.parts import WIRE, refuse
from penstock.wire.gemini.settings import settings_of
from penstock.wire.marks import without_marks
from penstock.wire.sending import NOWHERE, UNWRITABLE, headers_of, no_json

__all__ = ["Platform", "RequestEncoder"]

Platform = Literal["gemini", "vertex"]

_VERSION: Final = re.compile(r"(?:^|/)v\d+(?:alpha|beta)?\d*(?:/|$)")
_VERSIONS: Final[dict[Platform, str]] = {"gemini": "/v1beta", "vertex": "/v1"}
_MODELS: Final[dict[Platform, str]] = {"gemini": "models/", "vertex": "publishers/google/models/"}
_MAX_MODELS: Final = 1024


class RequestEncoder:
    """One provider's requests: the same headers for all of them, and a URL for each model and method."""

    __slots__ = ("_encode", "_headers", "_platform", "_query", "_root", "_urls", "_vendor")

    def __init__(self, vendor: Vendor, base_url: str | None, headers: Mapping[str, str], platform: Platform) -> None:
        self._vendor = vendor
        self._platform = platform
        self._encode = msgspec.json.Encoder().encode
        self._root, self._query = _root(base_url or vendor.base_url or NOWHERE, platform)
        self._urls: dict[tuple[str, str], str] = {}
        self._headers = headers_of(headers)

    def encode(self, call: Call, model: str, *, stream: bool) -> WireRequest:
        """The request for `model`, unsigned. Raises `CallError` bad_request for what Gemini can't say."""
        method: str
        if call.kind == "chat":
            if call.prefill and self._vendor.prefill is None:
                raise refuse(f"{self._vendor.title} continues no assistant message")
            asked = without_marks(call.body, WIRE, "Gemini caches by itself, or by a `cachedContent` of your own")
            system, contents = contents_of(asked.get("messages"), model)
            body = {"contents": contents, **settings_of(asked, model)}
            if system:
                own = body.get("systemInstruction")
                before = own.get("parts") if isinstance(own, dict) else None
                body["systemInstruction"] = {"parts": [*before, *system] if isinstance(before, list) else system}
            method = "streamGenerateContent" if stream else "generateContent"
        elif call.kind == "embedding":
            method, body = embedding_request(call.body, model, vertex=self._platform == "vertex")
        else:
            raise refuse("Gemini has no text completions; ask it as a chat, with `generate`")
        try:
            data = self._encode(body)
        except UNWRITABLE as error:
            raise no_json(error) from error
        return WireRequest("POST", self._urls.get((model, method)) or self._url(model, method), self._headers, data)

    def _url(self, model: str, method: str) -> str:
        path = f"{self._root}/{self._place(model)}:{method}"
        query = "&".join(filter(None, (self._query, "alt=sse" if method == "streamGenerateContent" else "")))
        url = f"{path}?{query}" if query else path
        if len(self._urls) < _MAX_MODELS:
            self._urls[model, method] = url
        return url

    def _place(self, model: str) -> str:
        """A model's path; one that is a path already (`tunedModels/x`, `endpoints/1`) stays one."""
        if "/" not in model:
            return _MODELS[self._platform] + quote(model, safe="@.-_~")
        if self._platform == "vertex" and not model.startswith(("publishers/", "endpoints/", "projects/", "models/")):
            publisher, _, rest = model.partition("/")
            model = f"publishers/{publisher}/models/{rest}"
        elif self._platform == "vertex" and model.startswith("models/"):
            model = f"publishers/google/{model}"
        return quote(model, safe="/@.-_~")


def _root(base: str, platform: Platform) -> tuple[str, str]:
    """Scheme, host and path with a version in it, and the query that the base brought."""
    parts = urlsplit(base)
    path = parts.path.rstrip("/")
    if _VERSION.search(path) is None:
        path += _VERSIONS[platform]
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")), parts.query

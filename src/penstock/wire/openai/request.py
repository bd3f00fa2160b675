"""From a call to the bytes of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from penstock.call import Call, Kind
from penstock.catalog import Vendor, is_reasoning, schema_mode
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.calls import with_ids
from penstock.wire.dropping import dropped
from penstock.wire.forming import ask_for_form
from penstock.wire.marks import MARK, without_marks
from penstock.wire.openai.chunks import with_chunks
from penstock.wire.openai.history import EXTRAS, without, without_names
from penstock.wire.sending import NOWHERE, UNWRITABLE, headers_of, no_json

__all__ = ["PATHS", "RequestEncoder"]

PATHS: Final[dict[Kind, str]] = {
    "chat": "/chat/completions",
    "completion": "/completions",
    "embedding": "/embeddings",
}
"""Where each kind goes, under the base URL."""

_NOWHERE: Final = f"{NOWHERE}/v1"
_MAX_MODELS: Final = 1024
_NAMES: Final = "messages.name"
_NO_DEPLOYMENTS: Final = re.compile(r"/deployments/|/(?:v1|models)$")
"""A base URL that takes the model in the body, where others of its vendor have it in the path."""
_Renames = tuple[tuple[str, str], ...]


class RequestEncoder:
    """One provider's requests: the same headers and URLs for all of them, built once."""

    __slots__ = (
        "_base",
        "_deployed",
        "_encode",
        "_has_chunks",
        "_headers",
        "_is_unmarked",
        "_left_out",
        "_prefill_url",
        "_refused",
        "_renames",
        "_urls",
        "_vendor",
    )

    def __init__(self, vendor: Vendor, base_url: str | None, headers: Mapping[str, str]) -> None:
        self._vendor = vendor
        self._encode = msgspec.json.Encoder().encode
        base = base_url or vendor.base_url or _NOWHERE
        self._urls = {kind: _join(base, path) for kind, path in PATHS.items()}
        self._base = base
        # Filled by model where each has an address of its own; None where all share one.
        self._deployed: dict[tuple[Kind, str], str] | None = None
        if vendor.deployments and not _NO_DEPLOYMENTS.search(urlsplit(base).path.rstrip("/")):
            self._deployed = {}
        elsewhere = vendor.prefill_base_url if base == vendor.base_url else None
        self._prefill_url = _join(elsewhere or base, PATHS["chat"])
        self._headers = headers_of(headers)
        self._renames: dict[str, _Renames] = {}
        self._left_out = vendor.leaves_out
        self._is_unmarked = not vendor.cache_marks
        self._has_chunks = vendor.contents == "chunks"
        self._refused = EXTRAS.difference(vendor.takes_back) if vendor.takes_back is not None else None

    def encode(self, call: Call, model: str, *, stream: bool) -> WireRequest:
        """The request for `model`, unsigned.

        Raises `CallError` bad_request for a body that is no JSON, and for a prefill where nobody continues one.
        """
        body = {**call.body, "model": model}
        url = self._urls[call.kind] if self._deployed is None else self._address(self._deployed, call.kind, model)
        if self._vendor.schema_modes and "response_format" in body and call.kind == "chat":
            ask_for_form(body, schema_mode(self._vendor, model))
        if call.kind == "chat" and "messages" in body:
            if self._has_chunks and self._is_unmarked:  # chunks would lose a message's mark without a word
                body = self._bare(body)
            messages = with_ids(body["messages"], most=self._vendor.call_id_chars)
            if self._has_chunks:
                messages = with_chunks(messages)
            elif self._refused is not None:
                messages = without(messages, self._refused)
            body["messages"] = messages
        if call.prefill and call.kind == "chat":
            url = self._prefill_url
            self._ask_to_continue(body)
        if self._left_out:
            self._leave_out(body)
        if stream and call.kind != "embedding":
            body["stream"] = True
            if self._vendor.stream_usage:
                asked = body.get("stream_options")
                body["stream_options"] = {**(asked if isinstance(asked, dict) else {}), "include_usage": True}
            else:
                body.pop("stream_options", None)
        elif "stream" in body or "stream_options" in body:
            body.pop("stream", None)
            body.pop("stream_options", None)
        renames = self._renames.get(model)
        if renames is None:
            renames = self._renames_for(model)
        for old, new in renames:
            if old in body:
                value = body.pop(old)
                body.setdefault(new, value)
        try:
            data = self._encode(body)
            if self._is_unmarked and MARK in data and call.kind == "chat":
                data = self._encode(self._bare(body))
        except UNWRITABLE as error:
            raise no_json(error) from error
        return WireRequest("POST", url, self._headers, data)

    def _bare(self, body: dict[str, Any]) -> dict[str, Any]:
        return without_marks(body, self._vendor.name, f"{self._vendor.title} caches by itself")

    def _leave_out(self, body: dict[str, Any]) -> None:
        for name in self._left_out:
            if body.get(name) is not None:
                dropped(self._vendor.name, name, f"{self._vendor.title} refuses it")
            body.pop(name, None)
        if _NAMES in self._left_out and "messages" in body:
            body["messages"] = without_names(body.get("messages"), self._vendor.name)

    def _address(self, deployed: dict[tuple[Kind, str], str], kind: Kind, model: str) -> str:
        url = deployed.get((kind, model))
        if url is None:
            if len(deployed) >= _MAX_MODELS:
                deployed.clear()
            path = self._vendor.deployments.replace("{model}", quote(model, safe=""))
            url = deployed[kind, model] = _join(self._base, path + PATHS[kind])
        return url

    def _ask_to_continue(self, body: dict[str, Any]) -> None:
        match self._vendor.prefill:
            case None:
                raise CallError("bad_request", f"{self._vendor.title} continues no assistant message", sent=False)
            case "prefix":
                *before, last = body["messages"]
                body["messages"] = [*before, {**last, "prefix": True}]
            case "continue_final_message":
                body["add_generation_prompt"] = False
                body["continue_final_message"] = True

    def _renames_for(self, model: str) -> _Renames:
        vendor = self._vendor
        renames = vendor.renames
        if vendor.reasoning_renames and is_reasoning(model):
            renames = (*renames, *vendor.reasoning_renames)
        if len(self._renames) < _MAX_MODELS:
            self._renames[model] = renames
        return renames


def _join(base: str, path: str) -> str:
    """`path` under `base`, whose query (Azure's api-version) stays; a base that ends in an endpoint is forgiven."""
    parts = urlsplit(base)
    root = parts.path.rstrip("/")
    for known in PATHS.values():
        root = root.removesuffix(known)
    return urlunsplit((parts.scheme, parts.netloc, root + path, parts.query, ""))

"""The forms that a line of requests may have, and the request each one is.

| line | is |
|---|---|
| `{"custom_id", "method", "url", "body"}` | OpenAI's Batch line; the url says the kind, or without one the body |
| `{"messages": [...], ...}` | the body of a chat completion |
| `{"prompt": "...", ...}` | a chat of one user message; a text completion needs the url /v1/completions |
| `{"input": ..., ...}` | the body of an embedding |

Each may have a "custom_id": a non-empty string or an integer; null is none. "model" is taken out of the body, and
"stream" and "stream_options" are dropped: a file of answers needs no stream. Every other key travels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from penstock.batch.sources_rows import MAX_ID_CHARS, json_name
from penstock.call import Kind

__all__ = ["URLS", "BadForm", "BatchLine", "chat_of", "fast_request_of", "request_of"]

URLS: dict[str, Kind] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completion",
    "/v1/embeddings": "embedding",
}


class BatchLine(msgspec.Struct, gc=False):
    """The common form, decoded and checked in one go; whatever doesn't fit it goes the long way and is told why."""

    custom_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARS)]
    url: str
    body: dict[str, Any]
    method: Literal["POST"] = "POST"


_FORMS = '"messages", "prompt" or "input"'
_ENDS: dict[str, Kind] = {"chat/completions": "chat", "completions": "completion", "embeddings": "embedding"}
# A host with any base path, OpenAI-compatible vendors' own prefixes, Azure's deployments; a query is ignored.
_URL = re.compile(
    r"(?:https?://[^/?#]+)?(?:/(?:openai|api|inference))*(?:/?v\d+(?:beta)?)?(?:/openai)?(?:/deployments/[^/?#]+)?"
    r"/?(?P<end>chat/completions|completions|embeddings)/?(?:\?[^#]*)?",
)


class BadForm(ValueError):
    """The line is no request; the message says what was expected and what came, without file and line."""


def chat_of(prompt: str) -> dict[str, Any]:
    """The body of a chat of one user message."""
    return {"messages": [{"role": "user", "content": prompt}]}


def request_of(line: dict[str, Any]) -> tuple[Kind, str | None, dict[str, Any]]:
    """What a decoded line asks: its kind, its model, and the body without it. Takes `line` over: it may change it.

    Raises `BadForm`.
    """
    body = line.get("body")
    if body is None and "body" not in line:
        if "url" in line or "method" in line:
            raise BadForm(f'expected a "body" beside "url" and "method"; got {_keys_of(line)}')
        body = line
        body.pop("custom_id", None)  # there beside another id column
        kind = _kind_of(body)
    else:
        if type(body) is not dict:
            raise BadForm(f'"body": expected an object, got {json_name(body)}')
        url = line.get("url")
        kind = _kind_of(body) if url is None else _kind_of_url(url)
        if line.get("method", "POST") != "POST":
            raise BadForm(f'"method": expected "POST", got {str(line["method"])[:20]!r}')
    return kind, *_model_apart(kind, body)


def fast_request_of(line: BatchLine) -> tuple[Kind, str | None, dict[str, Any]] | None:
    """The same as `request_of` for a line of the common form; None when the url isn't one of the plain ones."""
    kind = URLS.get(line.url)
    if kind is None:
        return None
    model, body = _model_apart(kind, line.body)
    return kind, model, body


def _model_apart(kind: Kind, body: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    model = body.pop("model", None)
    if type(model) is not str and model is not None:
        raise BadForm(f'"model": expected a string, got {json_name(model)}')
    if "stream" in body or "stream_options" in body:
        body.pop("stream", None)
        body.pop("stream_options", None)
    _CHECKS[kind](body)
    return model or None, body


def _kind_of(body: dict[str, Any]) -> Kind:
    """The kind of a body that came without a url; a bare prompt becomes a chat in place."""
    if "messages" in body:
        if "prompt" in body:
            raise BadForm('expected "messages" or "prompt", got both')
        return "chat"
    if "prompt" in body:
        prompt = body["prompt"]
        if type(prompt) is not str:
            raise BadForm(
                f'"prompt": expected a string, got {json_name(prompt)}; '
                "for text completions write a Batch line with the url /v1/completions"
            )
        if not prompt:
            raise BadForm('"prompt": expected a non-empty string, got an empty one')
        del body["prompt"]
        body["messages"] = [{"role": "user", "content": prompt}]
        return "chat"
    if "input" in body:
        return "embedding"
    raise BadForm(f"expected {_FORMS}, or a Batch line with a body; got {_keys_of(body)}")


def _kind_of_url(url: object) -> Kind:
    if type(url) is not str:
        raise BadForm(f'"url": expected a string, got {json_name(url)}')
    known = URLS.get(url)
    if known is not None:
        return known
    match = _URL.fullmatch(url)
    if match is None:
        raise BadForm(f'"url": expected {", ".join(list(URLS)[:-1])} or {list(URLS)[-1]}, got {url[:80]!r}')
    return _ENDS[match["end"]]


def _keys_of(body: dict[str, Any]) -> str:
    if not body:
        return "an empty object"
    names = ", ".join(f'"{key[:40]}"' for key in list(body)[:5])
    return f"the keys {names}" + (", ..." if len(body) > 5 else "")


def _check_chat(body: dict[str, Any]) -> None:
    messages = body.get("messages")
    if type(messages) is not list:
        if "messages" not in body:
            raise BadForm(f'expected "messages" in the body; got {_keys_of(body)}')
        raise BadForm(f'"messages": expected a list, got {json_name(messages)}')
    if not messages:
        raise BadForm('"messages": expected at least one message, got an empty list')
    for message in messages:
        if type(message) is dict and type(message.get("role")) is str:
            continue
        at = messages.index(message)
        if type(message) is not dict:
            raise BadForm(f'"messages"[{at}]: expected an object, got {json_name(message)}')
        raise BadForm(f'"messages"[{at}]: expected a "role" such as "user", got {_keys_of(message)}')


def _check_completion(body: dict[str, Any]) -> None:
    _check_text(body, "prompt")


def _check_embedding(body: dict[str, Any]) -> None:
    _check_text(body, "input")


def _check_text(body: dict[str, Any], key: str) -> None:
    """A non-empty string, or a non-empty list of strings, tokens or lists of tokens."""
    value = body.get(key)
    if type(value) is str or type(value) is list:
        if not value:
            raise BadForm(f'"{key}": expected a non-empty string or list, got an empty one')
        return
    if key not in body:
        raise BadForm(f'expected "{key}" in the body; got {_keys_of(body)}')
    raise BadForm(f'"{key}": expected a string or a list, got {json_name(value)}')


_CHECKS: dict[Kind, Callable[[dict[str, Any]], None]] = {
    "chat": _check_chat,
    "completion": _check_completion,
    "embedding": _check_embedding,
}

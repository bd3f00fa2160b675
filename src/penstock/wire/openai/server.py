"""The server half: what a client of OpenAI's API asks, and how it is answered."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.call import Call, Choice, Completion, Kind, Usage
from penstock.errors import CallError
from penstock.http import WireReply, WireRequest
from penstock.wire.bodies import base64_of
from penstock.wire.counts import more_of_input
from penstock.wire.openai.request import PATHS
from penstock.wire.openai.words import FINISH_WORD

__all__ = ["OBJECTS", "decode_request", "encode_reply", "finish_word", "usage_object"]

OBJECTS: Final[dict[Kind, str]] = {"chat": "chat.completion", "completion": "text_completion", "embedding": "list"}
_NEEDED: Final[dict[Kind, str]] = {"chat": "messages", "completion": "prompt", "embedding": "input"}
_encode = msgspec.json.Encoder().encode


def decode_request(request: WireRequest) -> Call:
    """The call that a client made: `id` is empty, `model` and `body` as it wrote them.

    Raises `CallError` bad_request with OpenAI's status for an unknown path, a wrong method, or a malformed body.
    """
    path = request.url.partition("?")[0].partition("#")[0].rstrip("/")
    kind = next((kind for kind, suffix in PATHS.items() if path.endswith(suffix)), None)
    if kind is None:
        raise _refusal(f"Unknown request URL: {request.method} {path}", 404, "unknown_url")
    if request.method != "POST":
        raise _refusal(f"Not allowed to {request.method} on {path}", 405, "method_not_supported")
    body = _body(request.body)
    model, stream = body.get("model"), body.get("stream") or False
    if not isinstance(model, str) or not model:
        raise _refusal("you must provide a model parameter")
    if not isinstance(stream, bool):
        raise _refusal("Invalid type for 'stream': expected a boolean")
    _check(kind, body)
    return Call(id="", model=model, body=body, kind=kind, stream=stream)


def _body(data: bytes) -> dict[str, Any]:
    try:
        data.decode("utf-8")
        body = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(body, dict):
        raise _refusal("The body of the request is JSON, but not an object")
    return body


def _check(kind: Kind, body: dict[str, Any]) -> None:
    name = _NEEDED[kind]
    value = body.get(name)
    if value is None:
        raise _refusal(f"Missing required parameter: '{name}'.", code="missing_required_parameter")
    if kind == "chat" and not (isinstance(value, list) and value and all(isinstance(one, dict) for one in value)):
        raise _refusal("Invalid type for 'messages': expected an array of at least one object.", code="invalid_type")
    if kind != "chat" and not isinstance(value, (str, list)):
        raise _refusal(f"Invalid type for '{name}': expected a string or an array.", code="invalid_type")


def _refusal(message: str, status: int = 400, code: str | None = None) -> CallError:
    return CallError("bad_request", message, status=status, code=code)


def finish_word(choice: Choice) -> str | None:
    """The ending in OpenAI's word; where there is none, the provider's own."""
    return FINISH_WORD[choice.finish] or choice.finish_raw


def usage_object(usage: Usage) -> dict[str, Any]:
    """Token counts as OpenAI sends them."""
    given: dict[str, int] = {"cached_tokens": usage.cached_tokens, **more_of_input(usage)}
    written: dict[str, int] = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.audio_output_tokens:
        written["audio_tokens"] = usage.audio_output_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": given,
        "completion_tokens_details": written,
    }


def encode_reply(completion: Completion, call: Call | None = None) -> WireReply:
    """A completion as OpenAI's JSON; vectors as base64 where `call` asks for it."""
    headers = {"content-type": "application/json"}
    if completion.request_id:
        headers["x-request-id"] = completion.request_id
    if completion.kind == "embedding":
        return WireReply(200, headers, _encode(_embeddings(completion, call)))
    choices = [_choice(choice, completion.kind) for choice in completion.choices]
    body: dict[str, Any] = {
        "id": completion.id,
        "object": OBJECTS[completion.kind],
        "created": completion.created,
        "model": completion.model,
        "choices": choices,
    }
    if completion.usage is not None:
        body["usage"] = usage_object(completion.usage)
    return WireReply(200, headers, _encode(body))


def _choice(choice: Choice, kind: Kind) -> dict[str, Any]:
    said: dict[str, Any] = {"index": choice.index}
    if kind == "completion":
        said["text"] = choice.message.get("content") or ""
    else:
        said["message"] = choice.message
    said["logprobs"] = choice.logprobs
    said["finish_reason"] = finish_word(choice)
    return said


def _embeddings(completion: Completion, call: Call | None) -> dict[str, Any]:
    as_base64 = call is not None and call.body.get("encoding_format") == "base64"
    usage = completion.usage or Usage()
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64_of(vector) if as_base64 else list(vector),
            }
            for index, vector in enumerate(completion.vectors)
        ],
        "model": completion.model,
        "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens},
    }

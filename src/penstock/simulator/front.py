"""A provider's own words around an answer: what the simulator needs of a wire, and OpenAI's.

The codec's server half writes answers and streams; refusals, limit headers and the list of models are written
here, word for word as the provider does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from penstock.call import (
    Call,
    Completion,
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolDelta,
    UsageUpdate,
)
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.simulator.content import CHARS_PER_TOKEN
from penstock.simulator.limits import Snapshot
from penstock.simulator.refused import Refused, duration, refused
from penstock.wire.codec import Encoder
from penstock.wire.openai.codec import OpenAICodec

__all__ = ["Front", "OpenAIFront", "StreamParts", "deltas", "parts"]

_JSON: Final = {"content-type": "application/json"}
_SSE: Final = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_DONE: Final = b"data: [DONE]\n\n"
_AT_ONCE_PIECES: Final = 16


class StreamParts(NamedTuple):
    """A stream's bytes, cut where a provider would pause."""

    start: bytes
    deltas: list[bytes]
    finish: bytes
    """The endings and the usage."""
    terminator: bytes
    """b"" where the wire has none."""
    tokens_per_delta: float


class Front(Protocol):
    """One wire as a provider speaks it."""

    json_headers: Mapping[str, str]
    stream_headers: Mapping[str, str]
    request_id: str
    """The header that names each answer."""
    broken_event: bytes
    """An event of a stream that nobody can read."""

    def read(self, request: WireRequest) -> Call:
        """Raises `CallError` bad_request."""
        ...

    def whole(self, call: Call, completion: Completion) -> bytes: ...

    def streamed(self, call: Call, completion: Completion, *, paced: bool) -> StreamParts: ...

    def stream_error(self, call: Call, error: CallError) -> bytes: ...

    def error(self, error: CallError) -> bytes: ...

    def error_headers(self, error: CallError) -> dict[str, str]:
        """What an error says in headers of its own: how long to wait, its type."""
        ...

    def refused(self, why: Refused, model: str) -> CallError:
        """The error with the provider's own status and body."""
        ...

    def limit_headers(self, told: Mapping[Literal["requests", "tokens"], Snapshot]) -> dict[str, str]: ...

    def models(self, names: Sequence[str], created: int) -> bytes: ...


class OpenAIFront:
    """OpenAI's wire, for OpenAI and all who speak it."""

    json_headers: Mapping[str, str] = _JSON
    stream_headers: Mapping[str, str] = _SSE
    request_id = "x-request-id"
    broken_event = b'data: {"id":"broken","object":"chat.completion.chunk","choices":[{"index":0,"del\n\n'

    def __init__(self, codec: OpenAICodec) -> None:
        self._codec = codec

    def read(self, request: WireRequest) -> Call:
        return self._codec.decode_request(request)

    def whole(self, call: Call, completion: Completion) -> bytes:
        return self._codec.encode_reply(completion, call).body

    def streamed(self, call: Call, completion: Completion, *, paced: bool) -> StreamParts:
        encoder = self._codec.encoder(call, model=completion.model, id=completion.id)
        return parts(encoder, completion, deltas(completion, paced=paced), terminator=_DONE)

    def stream_error(self, call: Call, error: CallError) -> bytes:
        encoder = self._codec.encoder(call, model=call.model, id="")
        return encoder.fail(error)

    def error(self, error: CallError) -> bytes:
        return error.body or self._codec.encode_error(error).body

    def error_headers(self, error: CallError) -> dict[str, str]:
        """The wait in whole seconds for those who read no fractions, and the exact one beside it."""
        if error.retry_after_s is None:
            return {}
        return {
            "retry-after": str(math.ceil(error.retry_after_s)),
            "retry-after-ms": str(math.ceil(error.retry_after_s * 1000)),
        }

    def refused(self, why: Refused, model: str) -> CallError:
        return refused(why, model)

    def limit_headers(self, told: Mapping[Literal["requests", "tokens"], Snapshot]) -> dict[str, str]:
        headers: dict[str, str] = {}
        for what, snapshot in told.items():
            headers[f"x-ratelimit-limit-{what}"] = str(snapshot.limit)
            headers[f"x-ratelimit-remaining-{what}"] = str(snapshot.remaining)
            headers[f"x-ratelimit-reset-{what}"] = duration(snapshot.reset_s)
        return headers

    def models(self, names: Sequence[str], created: int) -> bytes:
        data = [{"id": name, "object": "model", "created": created, "owned_by": "sim"} for name in names]
        return msgspec.json.encode({"object": "list", "data": data})


def parts(
    encoder: Encoder, completion: Completion, cut: tuple[list[Event], float], *, terminator: bytes = b""
) -> StreamParts:
    """The whole stream as `encoder` writes it, from the pieces of the answer that `cut` holds as `deltas` gives them.

    `terminator` is the end of what `encoder` says at last.
    """
    start = encoder.feed([Started(completion.model, completion.id, completion.created)])
    events, tokens = cut
    pieces = [encoder.feed([event]) for event in events]
    last: list[Event] = [Finished(choice.finish, choice.finish_raw, choice.index) for choice in completion.choices]
    if completion.usage is not None:
        last.append(UsageUpdate(completion.usage))
    finish = encoder.feed(last) + encoder.end().removesuffix(terminator)
    return StreamParts(start, pieces, finish, terminator, tokens)


def deltas(completion: Completion, *, paced: bool) -> tuple[list[Event], float]:
    """The answer in pieces, and the tokens in each: one when it is paced, larger ones when all comes at once."""
    longest = max((len(_said(choice.message)) for choice in completion.choices), default=0)
    chars = CHARS_PER_TOKEN if paced else max(CHARS_PER_TOKEN, -(-longest // _AT_ONCE_PIECES))
    events: list[Event] = []
    for choice in completion.choices:
        thoughts = choice.message.get("reasoning_content") or ""
        events += [ReasoningDelta(piece, choice.index) for piece in _pieces(thoughts, chars)]
        for number, tool in enumerate(choice.message.get("tool_calls") or ()):
            function = tool["function"]
            events.append(ToolDelta(number, tool["id"], function["name"], "", choice.index))
            events += [
                ToolDelta(number, arguments=piece, choice=choice.index)
                for piece in _pieces(function["arguments"], chars)
            ]
        events += [TextDelta(piece, choice.index) for piece in _pieces(choice.message.get("content") or "", chars)]
    return events, chars / CHARS_PER_TOKEN


def _said(message: Mapping[str, Any]) -> str:
    tools = message.get("tool_calls")
    return tools[0]["function"]["arguments"] if tools else message.get("content") or ""


def _pieces(text: str, chars: int) -> list[str]:
    return [text[start : start + chars] for start in range(0, len(text), chars)]

"""The answer to a plain chat request in as few steps as possible: what loads an engine.

It serves calls that no setting concerns: unary, one choice, no tools, no response format. What it writes is what
the OpenAI codec's server half would say; everything else goes through that codec.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.simulator.content import CHARS_PER_TOKEN, digest_of, echo, prompt_text, prompt_tokens, tokens_in
from penstock.simulator.ledger import Ledger

__all__ = ["CREATED", "Asked", "fast_answer", "plain_question"]

CREATED: Final = 1_767_225_600
"""The instant that answers give as their birth at the scenario's start: 2026-01-01."""

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_BODY: Final = (
    b'{"id":"%b","object":"chat.completion","created":%d,"model":%b,"choices":[{"index":0,"message":'
    b'{"role":"assistant","content":%b,"refusal":null},"logprobs":null,"finish_reason":"%b"}],"usage":'
    b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0}},"system_fingerprint":"fp_sim"}'
)
# Any of these makes the request one for the codec.
_SPECIAL: Final = ("stream", "tools", "functions", "response_format", "logprobs")


class Asked(msgspec.Struct):
    """A plain chat request: what its answer is made of."""

    model: str
    body: dict[str, Any]
    messages: list[Any]
    most: int | None
    """The tokens the answer may have."""


def plain_question(raw: bytes) -> Asked | None:
    """The request in `raw` when the fast path may answer it, else None: whatever is odd is the codec's."""
    try:
        body = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if type(body) is not dict:
        return None
    model = body.get("model")
    messages = body.get("messages")
    if type(model) is not str or type(messages) is not list or not messages:
        return None
    for name in _SPECIAL:
        if body.get(name):
            return None
    if body.get("n", 1) not in (1, None):
        return None
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    if most is not None and (type(most) is not int or most < 1):
        return None
    for message in messages:
        if type(message) is not dict or type(message.get("role")) is not str:
            return None
    if messages[-1]["role"] == "assistant":
        return None
    return Asked(model, body, messages, most)


def fast_answer(asked: Asked, ledger: Ledger, *, key: str, at_s: float, delivered: bool) -> tuple[bytes, bytes, int]:
    """The answer's body, its id and its `seq`, written into the ledger."""
    digest = digest_of(asked.body)
    text = echo(digest, prompt_text(asked.messages))
    finish = b"stop"
    if asked.most is not None and len(text) > asked.most * CHARS_PER_TOKEN:
        text = text[: asked.most * CHARS_PER_TOKEN]
        finish = b"length"
    read = prompt_tokens(asked.messages)
    written = tokens_in(len(text))
    model = asked.model
    seq = ledger.add(
        "chat",
        model,
        key=key,
        digest=digest,
        at_s=at_s,
        input_tokens=read,
        output_tokens=written,
        delivered=delivered,
    )
    answer_id = ledger.id_of("chat", seq).encode()
    body = _BODY % (
        answer_id,
        CREATED + int(at_s),
        _encode(model),
        _encode(text),
        finish,
        read,
        written,
        read + written,
    )
    return body, answer_id, seq

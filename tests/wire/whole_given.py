"""What the tests of whole answers to streamed requests share: a codec for each place, and answers as it sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec

from penstock.call import Call, Completion
from penstock.catalog import vendor
from penstock.errors import CallError
from penstock.fold import fold
from penstock.http import WireReply
from penstock.testing.exam_codec import read_stream
from penstock.wire.anthropic import AnthropicCodec
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.codec import Codec
from penstock.wire.cohere import CohereCodec
from penstock.wire.gemini import GeminiCodec
from penstock.wire.ollama import OllamaCodec
from penstock.wire.openai import OpenAICodec
from penstock.wire.responses import ResponsesCodec

__all__ = ["ASKED", "CODECS", "ERRORS", "RICH", "in_one_piece", "in_pieces", "outcome"]

_BASE = "https://api.example.org"
CODECS: dict[str, Codec] = {
    "openai": OpenAICodec(vendor("openai"), _BASE),
    "azure": OpenAICodec(vendor("azure"), _BASE),
    "mistral": OpenAICodec(vendor("mistral"), _BASE),
    "open models on vertex": OpenAICodec(vendor("vertex"), _BASE),
    "responses": ResponsesCodec(vendor("openai"), _BASE),
    "anthropic": AnthropicCodec(vendor("anthropic"), _BASE),
    "anthropic on vertex": AnthropicCodec(vendor("vertex"), _BASE, form="vertex"),
    "anthropic on bedrock": AnthropicCodec(vendor("bedrock"), _BASE, form="bedrock"),
    "bedrock converse": BedrockCodec(vendor("bedrock"), _BASE),
    "gemini": GeminiCodec(vendor("gemini"), _BASE),
    "gemini on vertex": GeminiCodec(vendor("vertex"), _BASE, platform="vertex"),
    "cohere": CohereCodec(vendor("cohere"), _BASE),
    "ollama": OllamaCodec(vendor("ollama"), _BASE),
}
ASKED = Call(id="1", model="m", body={"messages": [{"role": "user", "content": "?"}]}, stream=True)

_CHAT: dict[str, Any] = {
    "id": "c1",
    "object": "chat.completion",
    "created": 5,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hé 🙂",
                "reasoning_content": "hm",
                "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.org"}}],
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}],
                "unheard_of": {"of": [1]},
            },
            "logprobs": {"content": [{"token": "Hé", "logprob": -0.5, "top_logprobs": []}]},
            "finish_reason": "stop",
        },
        {"index": 1, "message": {"role": "assistant", "content": None, "refusal": "no"}, "finish_reason": "stop"},
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
}
_MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ"},
        {"type": "text", "text": "Hé 🙂"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 5, "output_tokens": 4, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2},
}
_GENERATED: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True},
                    {"text": "Hé 🙂", "thoughtSignature": "c2ln"},
                    {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2lnMg=="},
                    {"functionCall": {"name": "g", "args": {}}},
                ],
            },
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 2},
    "modelVersion": "m",
    "responseId": "r1",
}
RICH: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("openai", "azure", "mistral", "open models on vertex"), _CHAT),
    **dict.fromkeys(("anthropic", "anthropic on vertex", "anthropic on bedrock"), _MESSAGE),
    **dict.fromkeys(("gemini", "gemini on vertex"), _GENERATED),
    "responses": {
        "id": "resp_1",
        "object": "response",
        "created_at": 5,
        "status": "completed",
        "error": None,
        "model": "m",
        "output": [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "c2ln",
            },
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hé 🙂", "annotations": []}],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": '{"x": 1}'},
        ],
        "usage": {"input_tokens": 9, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 2}},
    },
    "bedrock converse": {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                    {"reasoningContent": {"redactedContent": "ZGF0YQ=="}},
                    {"text": "Hé 🙂"},
                    {"toolUse": {"toolUseId": "a", "name": "f", "input": {"x": 1}}},
                ],
            }
        },
        "stopReason": "tool_use",
        "usage": {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13, "cacheReadInputTokens": 3},
    },
    "cohere": {
        "id": "c1",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hé 🙂"}],
            "citations": [{"start": 0, "end": 2, "text": "Hé", "sources": []}],
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}],
        },
        "finish_reason": "TOOL_CALL",
        "usage": {"tokens": {"input_tokens": 9, "output_tokens": 4}},
    },
    "ollama": {
        "model": "m",
        "created_at": "2026-01-02T03:04:05Z",
        "message": {
            "role": "assistant",
            "content": "Hé 🙂",
            "thinking": "hm",
            "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}],
        },
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 4,
    },
}
"""One answer in each place that has all that its wire can say."""

_OPENAI_ERRORS: list[dict[str, Any]] = [
    {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}},
    {"error": {"message": "no money", "type": "insufficient_quota", "code": "insufficient_quota"}},
    {"error": {"code": "content_filter", "message": "filtered", "status": 400}},
]
_ANTHROPIC_ERRORS: list[dict[str, Any]] = [
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
    {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens"}},
]
_GOOGLE_ERRORS: list[Any] = [
    {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}},
    {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}},
    {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}},
    [{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}],
]
ERRORS: dict[str, list[Any]] = {
    **dict.fromkeys(("openai", "azure", "mistral", "open models on vertex"), _OPENAI_ERRORS),
    **dict.fromkeys(("anthropic", "anthropic on vertex", "anthropic on bedrock"), _ANTHROPIC_ERRORS),
    **dict.fromkeys(("gemini", "gemini on vertex"), _GOOGLE_ERRORS),
    "responses": [
        *_OPENAI_ERRORS,
        {"id": "r", "status": "failed", "error": {"code": "server_error", "message": "x"}, "output": []},
    ],
    "bedrock converse": [{"message": "Too many requests"}, {"message": "The security token is expired"}],
    "cohere": [{"message": "invalid api token"}, {"id": "x", "message": "too many tokens"}],
    "ollama": [{"error": "model 'm' not found"}, {"error": "an error was encountered while running the model"}],
}


def outcome(events: Iterable[Any], error: CallError | None, call: Call, malformed: int = 0) -> Any:
    """What came of it, in a form that can be compared."""
    if error is not None:
        return error.kind, error.message, error.code, error.status, error.partial
    return _bare(fold(events, call.kind, malformed_events=malformed))


def in_one_piece(codec: Codec, body: bytes, call: Call = ASKED) -> Any:
    """What the body is as the answer to a request that didn't stream."""
    try:
        return _bare(codec.decode_reply(call, WireReply(200, {}, body)))
    except CallError as error:
        return outcome((), error, call)


def in_pieces(codec: Codec, body: bytes, cuts: Iterable[int] = (), call: Call = ASKED) -> Any:
    """What it is to one that did, when the network cuts it so."""
    edges = [0, *sorted(cuts), len(body)]
    pieces = [body[start:stop] for start, stop in pairwise(edges)]
    events, error, malformed = read_stream(codec, call, pieces)
    return outcome(events, error, call, malformed)


def _bare(completion: Completion) -> str:
    """All but what only one piece has: the body itself, and the headers' name for it; no text is "" or None alike."""
    said = msgspec.to_builtins(msgspec.structs.replace(completion, raw=b"", request_id=None))
    for choice in said["choices"]:
        choice["message"]["content"] = choice["message"].get("content") or ""
    return json.dumps(said, sort_keys=True)

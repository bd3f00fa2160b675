"""Streams as providers send them: 600 tokens, with everything else that stands around each."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from zlib import crc32

__all__ = ["PIECES", "STREAMS", "in_reads", "words"]

PIECES = 600
_TEXT = (
    "the keeper of the lock writes down every level of the water, the hour and each name of a boat that passes .\n\n "
    "It is said that nobody read them for forty years"
)
_WORDS = _TEXT.split(" ")
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def words(count: int = PIECES) -> list[str]:
    """Tokens of a text: a word with the space before it."""
    return [f" {_WORDS[number % len(_WORDS)]}" for number in range(count)]


def in_reads(events: Sequence[bytes], size: int | None) -> list[bytes]:
    """What a socket gives: one event a read (None), or `size` bytes."""
    if size is None:
        return list(events)
    whole = b"".join(events)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _openai() -> Iterator[bytes]:
    head = {
        "id": "chatcmpl-C2P2HtMJhPkWjQ2adKerkdVilXmRL",
        "object": "chat.completion.chunk",
        "created": 1_754_688_929,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_07871e2ad8",
    }

    def chunk(delta: dict[str, str], finish: str | None = None, size: int = 8) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return b"data: " + _json(head | {"choices": [choice], "usage": None, "obfuscation": _ALPHABET[:size]}) + b"\n\n"

    yield chunk({"role": "assistant", "content": "", "refusal": None})  # type: ignore[dict-item]
    for word in words():
        yield chunk({"content": word}, size=max(0, 14 - len(word)))
    yield chunk({}, "stop")
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": PIECES,
        "total_tokens": PIECES + 20,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    yield b"data: " + _json(head | {"choices": [], "usage": usage, "obfuscation": ""}) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _messages() -> Iterator[bytes]:
    """Anthropic's JSON, wherever it is served."""
    usage = {"input_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    message: dict[str, object] = {
        "model": "claude-sonnet-4-20250514",
        "id": "msg_01EFn5wTNBYA8RenXjLhoqXR",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield _json({"type": "message_start", "message": message})
    yield _json({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for number, word in enumerate(words()):
        said = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        # Spaces hide the length.
        yield _json(said)[:-1] + b" " * (number % 14) + b"}"
    yield _json({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _json({"type": "message_delta", "delta": end, "usage": {"output_tokens": PIECES}})
    yield _json({"type": "message_stop"})


def _anthropic() -> Iterator[bytes]:
    for data in _messages():
        kind = json.loads(data)["type"].encode()
        yield b"event: " + kind + b"\ndata: " + data + b"\n\n"


def _gemini() -> Iterator[bytes]:
    tokens = words()
    for at in range(0, PIECES, 12):
        candidate: dict[str, object] = {
            "content": {"parts": [{"text": "".join(tokens[at : at + 12])}], "role": "model"},
            "index": 0,
        }
        if at + 12 >= PIECES:
            candidate["finishReason"] = "STOP"
        usage = {
            "promptTokenCount": 20,
            "candidatesTokenCount": at + 12,
            "totalTokenCount": at + 32,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 20}],
        }
        said = {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": "gemini-2.5-flash",
            "responseId": "J3dHapyWENS3g8UPyrefuAE",
        }
        yield b"data: " + json.dumps(said).encode() + b"\r\n\r\n"


def _frame(event: str, payload: bytes) -> bytes:
    """A frame of AWS, written by the format's own description."""
    named = ((":event-type", event), (":content-type", "application/json"), (":message-type", "event"))
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in named
    )
    lengths = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    frame = lengths + struct.pack(">I", crc32(lengths)) + head + payload
    return frame + struct.pack(">I", crc32(frame))


def _bedrock() -> Iterator[bytes]:
    yield _frame("messageStart", _json({"role": "assistant", "p": _ALPHABET[:20]}))
    for number, word in enumerate(words()):
        delta = {"contentBlockIndex": 0, "delta": {"text": word}, "p": _ALPHABET[: number % 52]}
        yield _frame("contentBlockDelta", _json(delta))
    yield _frame("contentBlockStop", _json({"contentBlockIndex": 0, "p": _ALPHABET[:9]}))
    yield _frame("messageStop", _json({"stopReason": "end_turn", "p": _ALPHABET[:31]}))
    usage = {"inputTokens": 20, "outputTokens": PIECES, "totalTokens": PIECES + 20}
    yield _frame("metadata", _json({"usage": usage, "metrics": {"latencyMs": 1203}, "p": _ALPHABET[:40]}))


def _invoked() -> Iterator[bytes]:
    for number, data in enumerate(_messages()):
        yield _frame("chunk", _json({"bytes": b64encode(data).decode(), "p": _ALPHABET[: number % 52]}))


STREAMS: dict[str, Callable[[], Iterator[bytes]]] = {
    "OpenAI": _openai,
    "Anthropic": _anthropic,
    "Anthropic on Bedrock": _invoked,
    "Gemini": _gemini,
    "Bedrock Converse": _bedrock,
}
"""By wire: the events, each in the bytes that carry it."""

"""Streams as providers send them: 600 tokens, with everything else that stands around each."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from zlib import crc32

__all__ = ["PIECES", "STREAMS", "THOUGHT", "TOOL", "fragments", "in_reads", "words"]

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


def fragments(count: int = PIECES) -> list[str]:
    """The same text as a tool's arguments, in as many pieces and two more."""
    return ['{"text":"', *(json.dumps(word, ensure_ascii=False)[1:-1] for word in words(count)), '"}']


def in_reads(events: Sequence[bytes], size: int | None) -> list[bytes]:
    """What a socket gives: one event a read (None), or `size` bytes."""
    if size is None:
        return list(events)
    whole = b"".join(events)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _chunk(delta: dict[str, object], finish: str | None = None, size: int = 8) -> bytes:
    head = {
        "id": "chatcmpl-C2P2HtMJhPkWjQ2adKerkdVilXmRL",
        "object": "chat.completion.chunk",
        "created": 1_754_688_929,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_07871e2ad8",
    }
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    choices, usage = ([choice], None) if delta or finish else ([], _USAGE)
    return b"data: " + _json(head | {"choices": choices, "usage": usage, "obfuscation": _ALPHABET[:size]}) + b"\n\n"


_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": PIECES,
    "total_tokens": PIECES + 20,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def _openai() -> Iterator[bytes]:
    yield _chunk({"role": "assistant", "content": "", "refusal": None})
    for word in words():
        yield _chunk({"content": word}, size=max(0, 14 - len(word)))
    yield _chunk({}, "stop")
    yield _chunk({}, size=0)
    yield b"data: [DONE]\n\n"


def _openai_thought() -> Iterator[bytes]:
    yield _chunk({"role": "assistant", "content": None, "reasoning_content": ""})
    for word in words():
        yield _chunk({"content": None, "reasoning_content": word}, size=max(0, 14 - len(word)))
    yield _chunk({}, "stop")
    yield _chunk({}, size=0)
    yield b"data: [DONE]\n\n"


def _openai_call() -> Iterator[bytes]:
    call = {"index": 0, "id": "call_8mqs0DzPAQTs7mKqk", "type": "function", "function": {"name": "f", "arguments": ""}}
    yield _chunk({"role": "assistant", "content": None, "tool_calls": [call], "refusal": None})
    for piece in fragments():
        fragment = {"index": 0, "function": {"arguments": piece}}
        yield _chunk({"tool_calls": [fragment]}, size=max(0, 14 - len(piece)))
    yield _chunk({}, "tool_calls")
    yield _chunk({}, size=0)
    yield b"data: [DONE]\n\n"


def _messages(block: dict[str, object], pieces: Sequence[dict[str, str]]) -> Iterator[bytes]:
    """Anthropic's JSON, wherever it is served: one block in these pieces."""
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
    yield _json({"type": "content_block_start", "index": 0, "content_block": block})
    for number, piece in enumerate(pieces):
        said = {"type": "content_block_delta", "index": 0, "delta": piece}
        # Spaces hide the length.
        yield _json(said)[:-1] + b" " * (number % 14) + b"}"
    yield _json({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": "tool_use" if "id" in block else "end_turn", "stop_sequence": None}
    yield _json({"type": "message_delta", "delta": end, "usage": {"output_tokens": PIECES}})
    yield _json({"type": "message_stop"})


def _text_messages() -> Iterator[bytes]:
    return _messages({"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in words()])


def _named(events: Iterable[bytes]) -> Iterator[bytes]:
    """Server-sent events, each with its type as its name."""
    for data in events:
        yield b"event: " + json.loads(data)["type"].encode() + b"\ndata: " + data + b"\n\n"


def _anthropic() -> Iterator[bytes]:
    return _named(_text_messages())


def _anthropic_call() -> Iterator[bytes]:
    block: dict[str, object] = {"type": "tool_use", "id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6", "name": "f", "input": {}}
    return _named(_messages(block, [{"type": "input_json_delta", "partial_json": one} for one in fragments()]))


def _responses(item: dict[str, object], kind: str, pieces: Sequence[str], whole: dict[str, object]) -> Iterator[bytes]:
    """One item of a response, in pieces, whole, and again in the response."""
    response: dict[str, object] = {
        "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
        "object": "response",
        "created_at": 1_741_476_542,
        "status": "in_progress",
        "model": "gpt-4.1-2025-04-14",
        "output": [],
        "usage": None,
    }
    place = {"item_id": item["id"], "output_index": 0}
    yield _json({"type": "response.created", "sequence_number": 0, "response": response})
    yield _json({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item})
    for number, piece in enumerate(pieces):
        said = {"type": f"response.{kind}.delta", "sequence_number": number + 2, **place, "delta": piece}
        text = {"content_index": 0, "logprobs": []} if kind == "output_text" else {}
        yield _json({**said, **text, "obfuscation": _ALPHABET[: max(0, 14 - len(piece))]})
    done = {**item, **whole, "status": "completed"}
    yield _json({"type": "response.output_item.done", "sequence_number": 700, "output_index": 0, "item": done})
    usage = {"input_tokens": 20, "output_tokens": PIECES, "total_tokens": PIECES + 20}
    end = {**response, "status": "completed", "output": [done], "usage": usage}
    yield _json({"type": "response.completed", "sequence_number": 701, "response": end})


def _responses_text() -> Iterator[bytes]:
    item: dict[str, object] = {"id": "msg_67ccd2bf17f0819081ff3bb2cf6508e6", "type": "message", "role": "assistant"}
    whole = {"content": [{"type": "output_text", "text": "".join(words()), "annotations": []}]}
    return _named(_responses({**item, "content": []}, "output_text", words(), whole))  # type: ignore[arg-type]


def _responses_call() -> Iterator[bytes]:
    item: dict[str, object] = {"id": "fc_67ca09c6bedc8190a7abfec07b1a1332", "type": "function_call"}
    item |= {"call_id": "call_oPdVTHaBkVvTaMeCqaDjkfzB", "name": "f", "arguments": ""}
    whole: dict[str, object] = {"arguments": "".join(fragments())}
    return _named(_responses(item, "function_call_arguments", fragments(), whole))


def _cohere_end(reason: str) -> bytes:
    usage = {"billed_units": {"input_tokens": 9, "output_tokens": PIECES}, "tokens": {"output_tokens": PIECES}}
    return _json({"type": "message-end", "delta": {"finish_reason": reason, "usage": usage}})


def _cohere_start() -> bytes:
    message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    return _json({"id": "29f14a5a-11de-4cae-9800-25e4747408ea", "type": "message-start", "delta": {"message": message}})


def _cohere() -> Iterator[bytes]:
    def events() -> Iterator[bytes]:
        yield _cohere_start()
        start = {"message": {"content": {"type": "text", "text": ""}}}
        yield _json({"type": "content-start", "index": 0, "delta": start})
        for word in words():
            yield _json({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}})
        yield _json({"type": "content-end", "index": 0})
        yield _cohere_end("COMPLETE")

    return _named(events())


def _cohere_call() -> Iterator[bytes]:
    def events() -> Iterator[bytes]:
        yield _cohere_start()
        call = {"id": "f_nqzc9cxn7xbv", "type": "function", "function": {"name": "f", "arguments": ""}}
        yield _json({"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": call}}})
        for piece in fragments():
            said = {"tool_calls": {"function": {"arguments": piece}}}
            yield _json({"type": "tool-call-delta", "index": 0, "delta": {"message": said}})
        yield _json({"type": "tool-call-end", "index": 0})
        yield _cohere_end("TOOL_CALL")

    return _named(events())


def _ollama() -> Iterator[bytes]:
    head = {"model": "llama3.2", "created_at": "2025-08-08T20:26:46.39151Z"}
    for word in words():
        yield _json({**head, "message": {"role": "assistant", "content": word}, "done": False}) + b"\n"
    end = {"done": True, "done_reason": "stop", "total_duration": 5, "prompt_eval_count": 20, "eval_count": PIECES}
    yield _json({**head, "message": {"role": "assistant", "content": ""}, **end}) + b"\n"


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


def _converse(pieces: Sequence[dict[str, object]], reason: str, start: dict[str, object] | None) -> Iterator[bytes]:
    yield _frame("messageStart", _json({"role": "assistant", "p": _ALPHABET[:20]}))
    if start is not None:
        yield _frame("contentBlockStart", _json({"contentBlockIndex": 0, "start": start, "p": _ALPHABET[:12]}))
    for number, piece in enumerate(pieces):
        delta = {"contentBlockIndex": 0, "delta": piece, "p": _ALPHABET[: number % 52]}
        yield _frame("contentBlockDelta", _json(delta))
    yield _frame("contentBlockStop", _json({"contentBlockIndex": 0, "p": _ALPHABET[:9]}))
    yield _frame("messageStop", _json({"stopReason": reason, "p": _ALPHABET[:31]}))
    usage = {"inputTokens": 20, "outputTokens": PIECES, "totalTokens": PIECES + 20}
    yield _frame("metadata", _json({"usage": usage, "metrics": {"latencyMs": 1203}, "p": _ALPHABET[:40]}))


def _bedrock() -> Iterator[bytes]:
    return _converse([{"text": word} for word in words()], "end_turn", None)


def _bedrock_call() -> Iterator[bytes]:
    start: dict[str, object] = {"toolUse": {"toolUseId": "tooluse_hbTgdi0CSLq_hM4P8csZJA", "name": "f"}}
    return _converse([{"toolUse": {"input": piece}} for piece in fragments()], "tool_use", start)


def _invoked() -> Iterator[bytes]:
    for number, data in enumerate(_text_messages()):
        yield _frame("chunk", _json({"bytes": b64encode(data).decode(), "p": _ALPHABET[: number % 52]}))


TOOL, THOUGHT = ", a tool's arguments", ", thoughts"
"""End the names of streams that are not text."""

STREAMS: dict[str, Callable[[], Iterator[bytes]]] = {
    "OpenAI": _openai,
    f"OpenAI{THOUGHT}": _openai_thought,
    f"OpenAI{TOOL}": _openai_call,
    "Responses": _responses_text,
    f"Responses{TOOL}": _responses_call,
    "Anthropic": _anthropic,
    f"Anthropic{TOOL}": _anthropic_call,
    "Anthropic on Bedrock": _invoked,
    "Gemini": _gemini,
    "Bedrock Converse": _bedrock,
    f"Bedrock Converse{TOOL}": _bedrock_call,
    "Cohere": _cohere,
    f"Cohere{TOOL}": _cohere_call,
    "Ollama": _ollama,
}
"""By wire: the events, each in the bytes that carry it. Gemini and Ollama say a call whole."""

"""Under what other tools kept the answer to a call: they keep the answer and a hash of what they asked. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from penstock.call import Call

__all__ = ["IMPORTED", "fastllm_hash", "foreign_key", "foreign_keys", "xxh64"]

IMPORTED: Final = b"penstock: answers of other tools were imported"
"""The key under which a store says that it holds some."""

_KEY_BYTES: Final = 32
_SAME: Final[Mapping[str, Any]] = {"top_p": 1.0, "n": 1, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""What fastllm-kit writes into every request; OpenAI's own defaults, so that leaving them out asks the same."""


def foreign_key(tool: str, hashed: str, namespace: str) -> bytes:
    """Where an imported answer is kept."""
    return hashlib.blake2b(f"{tool}\n{hashed}\n{namespace}".encode(), digest_size=_KEY_BYTES).digest()


def foreign_keys(call: Call, model: str, namespace: str) -> list[bytes]:
    """Where answers to the call by `model`, as its provider calls it, may be kept; [] for what no other tool asks."""
    if call.sample or call.prefill or call.kind == "completion":
        return []
    body = {key: value for key, value in call.body.items() if key not in ("model", "stream", "stream_options")}
    found: list[tuple[str, str]] = []
    try:
        if call.kind == "chat":
            found += [("requests-engine", _sha256(form)) for form in _requests_engine(body, model)]
        found += [("fastllm-kit", fastllm_hash(form)) for form in _fastllm(body, model, call.kind)]
    except (TypeError, ValueError, RecursionError):
        return []
    return [foreign_key(tool, hashed, namespace) for tool, hashed in found]


def _sha256(form: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(form).encode()).hexdigest()


def _requests_engine(body: Mapping[str, Any], model: str) -> Iterator[dict[str, Any]]:
    messages = [_plain(message) for message in body.get("messages") or ()]
    if not messages or None in messages or "temperature" not in body:
        return
    for temperature in _writings(body["temperature"]):
        if body.keys() == {"messages", "temperature"}:
            yield {"model": model, "messages": messages, "temperature": temperature}
        elif body.keys() == {"messages", "temperature", "max_tokens"}:
            rest = {"max_tokens": body["max_tokens"], "stream": False, "temperature": temperature}
            yield {"model": model, "messages": messages, **rest}


def _plain(message: Any) -> dict[str, Any] | None:
    if not isinstance(message, dict) or message.keys() != {"role", "content"}:
        return None
    content = message["content"]
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text")
    return {"role": message["role"], "content": content} if isinstance(content, str) else None


def _writings(number: Any) -> list[Any]:
    """A number as it stands, and as 1 where it is 1.0 or the other way round."""
    if isinstance(number, float) and number.is_integer():
        return [number, int(number)]
    return [number, float(number)] if type(number) is int else [number]


def _fastllm(body: Mapping[str, Any], model: str, kind: str) -> Iterator[dict[str, Any]]:
    if kind == "embedding":
        yield {"type": "embedding", "model": model, **body}
        return
    asked = dict(body)
    if "max_tokens" in asked and "max_completion_tokens" not in asked:
        asked["max_completion_tokens"] = asked.pop("max_tokens")
    for temperature in _writings(asked.get("temperature")):
        form = {"type": "chat_completion", "model": model, **asked, "temperature": temperature}
        yield form
        filled = {**_SAME, **form}
        if filled.keys() != form.keys():
            yield filled


_CORE: Final = frozenset(
    (
        *("provider", "model", "messages", "temperature", "max_completion_tokens", "top_p", "presence_penalty"),
        *("frequency_penalty", "stop", "stream", "type", "input", "dimensions", "encoding_format", "user"),
    )
)


def fastllm_hash(request: Mapping[str, Any]) -> str:
    """fastllm-kit's key of a request: what is empty left out, sorted, xxh64."""
    cleaned = {name: value for name, item in request.items() if (value := _cleaned(item)) is not None}
    core = {name: value for name, value in cleaned.items() if name in _CORE}
    extra = {name: value for name, value in cleaned.items() if name not in _CORE}
    text = json.dumps({"core": core, "extra": extra}, sort_keys=True, ensure_ascii=False)
    return format(xxh64(text.encode()), "016x")


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: item for name, one in value.items() if (item := _cleaned(one)) is not None}
    if isinstance(value, list):
        return [item for one in value if (item := _cleaned(one)) is not None]
    return None if isinstance(value, str) and not value.strip() else value


_MASK: Final = (1 << 64) - 1
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def _rotated(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _MASK


def _round(lane: int, word: int) -> int:
    return (_rotated((lane + word * _P2) & _MASK, 31) * _P1) & _MASK


def xxh64(data: bytes) -> int:
    """The xxHash of 64 bits with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md)."""
    length, at = len(data), 0
    if length >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while at <= length - 32:
            for place in range(4):
                word = int.from_bytes(data[at + 8 * place : at + 8 * place + 8], "little")
                lanes[place] = _round(lanes[place], word)
            at += 32
        found = sum(_rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            found = ((found ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        found = _P5
    found = (found + length) & _MASK
    while at <= length - 8:
        found ^= _round(0, int.from_bytes(data[at : at + 8], "little"))
        found = (_rotated(found, 27) * _P1 + _P4) & _MASK
        at += 8
    if at <= length - 4:
        found ^= (int.from_bytes(data[at : at + 4], "little") * _P1) & _MASK
        found = (_rotated(found, 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in data[at:]:
        found = (_rotated(found ^ ((byte * _P5) & _MASK), 11) * _P1) & _MASK
    found = ((found ^ (found >> 33)) * _P2) & _MASK
    found = ((found ^ (found >> 29)) * _P3) & _MASK
    return found ^ (found >> 32)

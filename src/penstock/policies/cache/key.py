"""The key of a cached answer: a digest of everything that can change it, and of nothing else. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from penstock.call import WITHOUT_EFFECT, Call, Kind

__all__ = ["Digester", "body_digest", "canonical_form", "header_form", "target_tag"]

VERSION: Final = 2
"""Of the canonical form. Another form is another digest: what was kept under the old one is never found again."""

_DIGEST_BYTES: Final = 20
_TAG_BYTES: Final = 12
_APART: Final = WITHOUT_EFFECT | {"model"}
"""What the body may say without changing the answer; and the model, which is told apart by the target's tag."""

_NOT_ASKING: Final = re.compile(
    r"(proxy-)?authorization|cookie|(.*[-_])?(api-?)?(key|token|secret|signature)|user-agent|(http-)?referer|x-title"
    r"|(openai-)?(organization|project)|traceparent|tracestate|baggage|x-b3-.*|.*[-_](request|trace|correlation)-id"
)
"""Headers that say who asks, or by what name the request is found again."""

_SCALARS: Final = frozenset((str, int, bool, type(None)))
_MOST_HEADS: Final = 1024
_MOST_KNOWN: Final = 4096

_encode = msgspec.json.Encoder(order="deterministic").encode


def target_tag(target: str, place: str = "") -> bytes:
    """Twelve bytes of who answers: a target, and where it is when that isn't its vendor's own address."""
    return hashlib.blake2b(f"{target}\n{place}".encode(), digest_size=_TAG_BYTES).digest()


def header_form(headers: Mapping[str, str]) -> str:
    """Of the headers that go with each request those that may change an answer, in one form; "" where none does.

    What isn't known may: a switch for a beta, a version, a variant of one's own gateway.
    """
    told = {name.lower(): value.strip() for name, value in headers.items() if not _NOT_ASKING.fullmatch(name.lower())}
    return _encode(told).decode() if told else ""


class Digester:
    """Digests of calls. Remembers the last call's, for layers that ask one after the other."""

    __slots__ = ("_call", "_digest", "_heads", "_known", "_namespace")

    def __init__(self, namespace: str = "default") -> None:
        self._namespace = namespace
        self._heads: dict[tuple[str, Kind, bool], bytes] = {}
        self._known: dict[tuple[int, str], tuple[dict[str, Any], bytes]] = {}
        self._call: Call | None = None
        self._digest: bytes | None = None

    def __call__(self, call: Call) -> bytes | None:
        """Twenty bytes that equal calls share, whatever their targets; None for a body that is no JSON."""
        if call is not self._call:
            known = self._known.pop((id(call.body), call.sample), None) if self._known else None
            # What is known is known of this very body, and not of one that stands in its place.
            found = known[1] if known is not None and known[0] is call.body and not call.prefill else self._made(call)
            self._call, self._digest = call, found
        return self._digest

    def of_body(self, digest: bytes, *, sample: str = "", kind: Kind = "chat", prefill: bool = False) -> bytes:
        """The same from a body's `body_digest` and what counts besides it."""
        head = self._heads.get((sample, kind, prefill))
        if head is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            head = _encode([VERSION, self._namespace, sample, kind, prefill])
            self._heads[sample, kind, prefill] = head
        return hashlib.sha256(head + digest).digest()[:_DIGEST_BYTES]

    def know(self, body: dict[str, Any], sample: str, digest: bytes) -> None:
        """The digest of a call with this very body that will be asked soon, so that it isn't made again."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[id(body), sample] = (body, digest)

    def _made(self, call: Call) -> bytes | None:
        try:
            digest = body_digest(call.body)
            return self.of_body(digest, sample=call.sample, kind=call.kind, prefill=call.prefill)
        except (TypeError, ValueError, RecursionError):
            return None


def body_digest(body: dict[str, Any], *, encoded: bytes | None = None, digest: bytes | None = None) -> bytes:
    """The SHA-256 of the body's canonical form, 32 bytes. Raises `TypeError` or `ValueError` for what is no JSON.

    `encoded` is its JSON with sorted keys and `digest` that one's SHA-256, where they are at hand: mostly it is that.
    """
    if digest is not None and encoded is not None and _is_canonical(body, encoded):
        return digest
    return hashlib.sha256(canonical_form(body)).digest()


def canonical_form(body: dict[str, Any]) -> bytes:
    """The JSON that is digested. Raises `TypeError` or `ValueError` for a body that is no JSON.

    Without effect are the order of keys, `user`, `metadata` and the like, marks for a provider's own cache, whether a
    number is written 1 or 1.0, and whether a message's only text stands alone or in a list of one part. Defaults that
    nobody sent are not filled in.
    """
    body = {key: _number(value) for key, value in body.items() if key not in _APART}
    encoded = _encode(body)
    return encoded if _is_flat(body) or not _may_say_the_same(encoded) else _encode(_plain(body))


def _is_canonical(body: dict[str, Any], encoded: bytes) -> bool:
    """Its JSON with sorted keys is its canonical form. One walk: most bodies are all roles, texts and numbers, and
    that is told in a third of the time that looking through the JSON takes."""
    is_flat = True
    for name, value in body.items():
        if name in _APART:
            return False
        form = type(value)
        if form is float:
            if value.is_integer():
                return False
        elif form is list and name == "messages":
            is_flat = is_flat and _are_plain(value)
        elif form not in _SCALARS:
            is_flat = False
    return is_flat or not _may_say_the_same(encoded)


def _is_flat(body: dict[str, Any]) -> bool:
    for name, value in body.items():
        if name == "messages" and type(value) is list:
            if not _are_plain(value):
                return False
        elif isinstance(value, dict | list | tuple):
            return False
    return True


def _are_plain(messages: list[Any]) -> bool:
    """They are a role and a text each."""
    for message in messages:
        if type(message) is not dict or len(message) != 2:
            return False
        if type(message.get("content")) is not str or type(message.get("role")) is not str:
            return False
    return True


def _may_say_the_same(encoded: bytes) -> bool:
    # Text in a body can't look like this: its quotes are escaped.
    return b'"cache_control"' in encoded or b'"content":[' in encoded


def _number(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _content(item) if key == "content" else _plain(item)
            for key, item in value.items()
            if key != "cache_control" or not _is_mark(item)
        }
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _is_mark(value: Any) -> bool:
    """It is for a provider's own cache, and not what a schema says of a parameter of that name."""
    return value is None or (isinstance(value, dict) and value.get("type") == "ephemeral")


def _content(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        part = value[0]
        if part.keys() == {"type", "text"} and part["type"] == "text" and isinstance(part["text"], str):
            return part["text"]
    return value

"""The key of a cached answer: a digest of everything that can change it, and of nothing else. Pure."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from penstock.call import WITHOUT_EFFECT, Call

__all__ = ["Digester", "canonical_form", "target_tag"]

VERSION: Final = 1
"""Of the canonical form. Another form is another digest: what was kept under the old one is never found again."""

_DIGEST_BYTES: Final = 20
_TAG_BYTES: Final = 12
_APART: Final = WITHOUT_EFFECT | {"model"}
"""What the body may say without changing the answer; and the model, which is told apart by the target's tag."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def target_tag(target: str, place: str = "") -> bytes:
    """Twelve bytes of who answers: a target, and where it is when that isn't its vendor's own address."""
    return hashlib.blake2b(f"{target}\n{place}".encode(), digest_size=_TAG_BYTES).digest()


class Digester:
    """Digests of calls. Remembers the last call's, for layers that ask one after the other."""

    __slots__ = ("_call", "_digest", "_namespace")

    def __init__(self, namespace: str = "default") -> None:
        self._namespace = namespace
        self._call: Call | None = None
        self._digest: bytes | None = None

    def __call__(self, call: Call) -> bytes | None:
        """Twenty bytes that equal calls share, whatever their targets; None for a body that is no JSON."""
        if call is not self._call:
            self._call, self._digest = call, digest(call, self._namespace)
        return self._digest


def digest(call: Call, namespace: str) -> bytes | None:
    """See `Digester`."""
    try:
        form = canonical_form(call, namespace)
    except (TypeError, ValueError, RecursionError):
        return None
    return hashlib.sha256(form).digest()[:_DIGEST_BYTES]


def canonical_form(call: Call, namespace: str) -> bytes:
    """The JSON that is digested. Raises `TypeError` or `ValueError` for a body that is no JSON.

    Without effect are the order of keys, `user`, `metadata` and the like, marks for a provider's own cache, whether a
    number is written 1 or 1.0, and whether a message's only text stands alone or in a list of one part. Defaults that
    nobody sent are not filled in.
    """
    body = {key: _number(value) for key, value in call.body.items() if key not in _APART}
    form = [VERSION, namespace, call.sample, call.kind, call.prefill, body]
    encoded = _encode(form)
    # Text in a body can't look like this: its quotes are escaped.
    if b'"cache_control"' in encoded or b'"content":[' in encoded:
        form[-1] = _plain(body)
        encoded = _encode(form)
    return encoded


def _number(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _content(item) if key == "content" else _plain(item) for key, item in value.items() if _counts(key)
        }
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _counts(key: object) -> bool:
    return key != "cache_control"


def _content(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        part = value[0]
        if part.keys() == {"type", "text"} and part["type"] == "text" and isinstance(part["text"], str):
            return part["text"]
    return value

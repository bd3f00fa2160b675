"""JSON that a typed decoder refused, read once more with forbearance."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

__all__ = ["bent", "decoded", "mended", "repair"]

_Shape = TypeVar("_Shape")
_MISTAKES = (b"\\ud", b"\\uD", b"NaN", b"Infinity", b"\xef\xbb\xbf")


def bent(data: bytes, shape: type[_Shape], trim: Callable[[Any], Any] | None = None) -> _Shape:
    """`data` as `shape`: numbers may be text, half a surrogate pair becomes U+FFFD, NaN and infinities null, a BOM
    is passed over.

    `trim` may take out of the decoded JSON what nobody reads. Raises `ValueError` for what doesn't fit even so.
    """
    try:
        if any(mistake in data for mistake in _MISTAKES):
            data = repair(data)
        if trim is not None:
            data = msgspec.json.encode(trim(msgspec.json.decode(data)))
        return msgspec.json.decode(data, type=shape, strict=False)
    except (RecursionError, OverflowError) as error:
        raise ValueError("JSON nested too deeply, or with a number too large") from error


def mended(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data` where only such mistakes kept it from being one; None for any other."""
    try:
        return bent(data, dict[str, Any])
    except ValueError:
        return None


def repair(body: bytes) -> bytes:
    """`body` as JSON that anyone can read, where it has what some servers write by mistake.

    Half a surrogate pair becomes U+FFFD, NaN and infinities become null, a BOM is passed over. Raises `ValueError`
    for anything else.
    """
    if not any(mistake in body for mistake in _MISTAKES):
        raise ValueError("nothing that could be repaired")
    try:
        return msgspec.json.encode(_mended(json.loads(body, parse_constant=lambda _: None)))
    except (RecursionError, OverflowError) as error:
        raise ValueError("JSON nested too deeply, or with a number too large") from error


def decoded(body: bytes, decode: Callable[[bytes], _Shape]) -> tuple[_Shape, bytes]:
    """What `decode` makes of `body`, or else of what `repair` makes of it; and that body.

    Raises `ValueError` for what is broken in another way.
    """
    try:
        return decode(body), body
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    except ValueError as error:
        try:
            better = repair(body)
        except ValueError:
            raise error from None
        return decode(better), better


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return [_mended(item) for item in value] if isinstance(value, list) else value

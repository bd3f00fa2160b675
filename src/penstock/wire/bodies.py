"""The bodies of replies that aren't what they should be: the error of one, its JSON, and vectors as text."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

import msgspec

from penstock.errors import CallError, ErrorKind
from penstock.http import WireReply
from penstock.wire.bending import decoded
from penstock.wire.fault import kept, request_id_of

__all__ = ["base64_of", "broken", "floats_in", "object_in"]


def broken(reply: WireReply, why: str, kind: ErrorKind = "transport", partial: str = "") -> CallError:
    """The error of a 2xx that is no answer."""
    return CallError(
        kind,
        why,
        status=reply.status,
        request_id=request_id_of(reply.headers),
        partial=partial,
        body=kept(reply.body),
    )


def object_in(reply: WireReply) -> dict[str, Any]:
    """The body as a JSON object. Raises `CallError` transport."""
    body = reply.body.strip()
    if not body:
        raise broken(reply, "the body is empty")
    try:
        whole, _ = decoded(body, msgspec.json.decode)
    except ValueError as error:
        what = "an HTML page" if body[:1] == b"<" else f"no JSON object: {error}"
        raise broken(reply, f"the body is {what}") from error
    if not isinstance(whole, dict):
        raise broken(reply, "the body is JSON, but no object")
    return whole


def floats_in(text: str) -> array[float]:
    """The vector in base64 of little-endian 32-bit floats. Raises `ValueError`."""
    floats = array("f")
    floats.frombytes(b64decode(text, validate=True))
    if sys.byteorder == "big":
        floats.byteswap()
    return floats


def base64_of(vector: Iterable[float]) -> str:
    """A vector as `floats_in` reads it."""
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode("ascii")

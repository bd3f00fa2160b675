"""Whether a request may have parts that cost more than text: sound, and what is kept for an hour. Pure, never raises.

Where it can't be told they are taken to be there: a budget holds for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from penstock.call import Kind

__all__ = ["keeps_for_an_hour", "may_be_heard", "may_be_spoken", "media_tokens", "tokens_of_media"]

_OF_A_PART: Final = 20_000
"""More than an image, ten minutes of sound or twelve pages are ever counted as."""
_LETTERS_PER_TOKEN: Final = 30
"""Of base64. Google counts 32 tokens for a second, in which the thriftiest sound has a thousand letters."""
_OF_A_SPOKEN_ANSWER: Final = 16_384
_PICTURE: Final = re.compile(r"data:image/|https?://[^?#]*\.(?:png|jpe?g|webp|gif|heic|heif|avif|bmp)(?:[?#]|$)", re.I)
_DEPTH: Final = 12


def keeps_for_an_hour(value: Any, depth: int = 0) -> bool:
    """Whether a mark of a cache says how long (`ttl`), and not five minutes."""
    if isinstance(value, dict):
        ttl = value.get("ttl")
        if ttl is not None and ttl != "5m":
            return True
        return depth > _DEPTH or any(
            keeps_for_an_hour(item, depth + 1) for item in value.values() if isinstance(item, dict | list | tuple)
        )
    if isinstance(value, list | tuple):
        return any(keeps_for_an_hour(item, depth + 1) for item in value if isinstance(item, dict | list | tuple))
    return False


def may_be_heard(kind: Kind, body: Mapping[str, Any]) -> bool:
    """Whether anything in it isn't text or a picture."""
    return next(_media(kind, body), None) is not None


def may_be_spoken(body: Mapping[str, Any]) -> bool:
    """Whether the answer may be sound: unless `modalities` names others alone."""
    said = body.get("modalities")
    return not isinstance(said, list | tuple) or any(str(one).lower() == "audio" for one in said)


def tokens_of_media(kind: Kind, body: Mapping[str, Any]) -> int:
    """As many tokens as what isn't text or a picture can come to."""
    return sum(_OF_A_SPOKEN_ANSWER if part is _SPOKEN else media_tokens(part) for part in _media(kind, body))


def media_tokens(part: Any) -> int:
    """As many tokens as an image, a sound, a film or a file can come to, by its length where it is in the request."""
    return max(_OF_A_PART, _longest(part) // _LETTERS_PER_TOKEN)


_SPOKEN: Final = object()


def _media(kind: Kind, body: Mapping[str, Any]) -> Iterator[Any]:
    if kind != "chat":
        inputs = body.get("input" if kind == "embedding" else "prompt")
        if type(inputs) is list:
            yield from (one for one in inputs if type(one) is dict and not _is_plain(one))
        return
    messages = body.get("messages")
    for message in messages if type(messages) is list else ():
        if type(message) is not dict:
            continue
        content = message.get("content")
        if type(content) is list:
            yield from (part for part in content if not _is_plain(part))
        if message.get("audio") is not None:
            yield _SPOKEN


def _is_plain(part: Any) -> bool:
    if type(part) is not dict:
        return True
    if "image_url" in part:
        image = part["image_url"]
        url = image.get("url") if isinstance(image, dict) else image
        return type(url) is str and _PICTURE.match(url[:2000]) is not None
    return type(part.get("text", part.get("refusal"))) is str


def _longest(value: Any, depth: int = 0) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict) and depth <= _DEPTH:
        return max((_longest(item, depth + 1) for item in value.values()), default=0)
    return 0

"""What an image costs in tokens, from its size where the request carries the image itself."""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from typing import Any

__all__ = ["image_tokens", "size_of"]

_BY_DEFAULT = (1024, 1024)
_HEAD = 64 * 1024


def image_tokens(part: dict[str, Any], model: str) -> int:
    """Tokens of an `image_url` part, by the rule of the model's vendor; an unseen image counts as 1024 by 1024."""
    image = part.get("image_url")
    url, detail = (image, None) if isinstance(image, str) else _of(image)
    width, height = size_of(url) or _BY_DEFAULT
    name = model.lower()
    if "claude" in name:
        scale = min(1.0, 1568 / max(width, height))
        return min(1600, math.ceil(width * height * scale * scale / 750))
    if "gemini" in name:
        if max(width, height) <= 384:
            return 258
        return 258 * math.ceil(width / 768) * math.ceil(height / 768)
    return _by_tiles(width, height, name, low=detail == "low")


def _of(image: Any) -> tuple[str, Any]:
    if not isinstance(image, dict):
        return "", None
    url = image.get("url")
    return (url if isinstance(url, str) else ""), image.get("detail")


def _by_tiles(width: int, height: int, name: str, *, low: bool) -> int:
    """OpenAI's rule: within 2048, the shorter side down to 768, tiles of 512."""
    base, tile = (2833, 5667) if "4o-mini" in name else (70, 140) if re.search(r"gpt-5", name) else (85, 170)
    if low:
        return base
    scale = min(1.0, 2048 / max(width, height))
    scale *= min(1.0, 768 / (min(width, height) * scale))
    return base + tile * math.ceil(width * scale / 512 - 1e-9) * math.ceil(height * scale / 512 - 1e-9)


def size_of(url: str) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF, WebP or JPEG in a data: URL; None for any other."""
    head, comma, data = url[: 2 * _HEAD].partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith("base64"):
        return None
    try:
        raw = base64.b64decode(data[: len(data) // 4 * 4], validate=False)
    except (binascii.Error, ValueError):
        return None
    try:
        size = _png(raw) or _gif(raw) or _webp(raw) or _jpeg(raw)
    except (struct.error, IndexError):
        return None
    return size if size and min(size) > 0 else None


def _png(raw: bytes) -> tuple[int, int] | None:
    return struct.unpack(">II", raw[16:24]) if raw.startswith(b"\x89PNG\r\n\x1a\n") else None


def _gif(raw: bytes) -> tuple[int, int] | None:
    return struct.unpack("<HH", raw[6:10]) if raw[:4] == b"GIF8" else None


def _webp(raw: bytes) -> tuple[int, int] | None:
    if raw[:4] != b"RIFF" or raw[8:12] != b"WEBP":
        return None
    if raw[12:16] == b"VP8X":
        return int.from_bytes(raw[24:27], "little") + 1, int.from_bytes(raw[27:30], "little") + 1
    if raw[12:16] == b"VP8L":
        bits = int.from_bytes(raw[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", raw[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _jpeg(raw: bytes) -> tuple[int, int] | None:
    if raw[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < len(raw):
        if raw[at] != 0xFF:
            return None
        marker = raw[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", raw[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", raw[at + 2 : at + 4])[0]
    return None

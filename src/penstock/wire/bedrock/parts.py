"""Parts of a message, from OpenAI's form to Converse's content blocks and back."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from penstock.wire.bedrock.words import WIRE, refused
from penstock.wire.dropping import dropped

__all__ = ["blocks_of", "cache_point", "part_of"]

_Block = dict[str, Any]
_NATIVE: Final = frozenset(
    (
        *("text", "image", "document", "video", "audio", "toolUse", "toolResult", "guardContent", "cachePoint"),
        *("reasoningContent", "citationsContent", "searchResult"),
    )
)
_IMAGES: Final = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"}
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_MEDIA_TYPES: Final = {form: media_type for media_type, form in _DOCUMENTS.items()}
_MAX_NAME: Final = 200


def cache_point(mark: Any) -> _Block:
    """Where a prompt's cached beginning ends: `cache_control` in Converse's words."""
    ttl = mark.get("ttl") if isinstance(mark, dict) else None
    return {"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}


def blocks_of(content: Any) -> list[_Block]:
    """Content blocks of a text or a list of parts. Raises `CallError` bad_request for what this wire can't carry."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"text": content}]
    if not isinstance(content, list):
        raise refused("messages.content: expected a text or a list")
    blocks: list[_Block] = []
    for part in content:
        block = _block(part)
        if block.get("text") != "":  # an empty one is refused there
            blocks.append(block)
        if isinstance(part, dict) and part.get("cache_control") is not None:
            blocks.append(cache_point(part["cache_control"]))
    return blocks


def _block(part: Any) -> _Block:
    if isinstance(part, str):
        return {"text": part}
    kind = part.get("type") if isinstance(part, dict) else None
    make = _PARTS.get(kind) if isinstance(kind, str) else None
    if make is not None:
        return make(part)
    if isinstance(part, dict) and kind is None and len(part) == 1 and next(iter(part)) in _NATIVE:
        return part
    raise refused(f"messages.content: a part of type {kind!r} can't be sent")


def _text(part: _Block) -> _Block:
    text = part.get("text", part.get("refusal"))
    if not isinstance(text, str):
        raise refused("messages.content: a text part without text")
    return {"text": text}


def _address(said: Any, what: str) -> tuple[str, str, _Block]:
    """Media type, its subtype, and the source: bytes of a data URL, or a place in S3."""
    url = said.get("url") if isinstance(said, dict) else said
    if not isinstance(url, str) or not url:
        raise refused(f"messages.content: {what} without a URL")
    if url.startswith("s3://"):
        return "", url.rpartition(".")[2].lower(), {"s3Location": {"uri": url}}
    if not url.startswith("data:"):
        raise refused(f"messages.content: {what} by web address can't be sent; give it as a data: or s3:// URL")
    head, comma, data = url[5:].partition(",")
    media_type, *flags = head.split(";")
    if not comma:
        raise refused("messages.content: a data URL without data")
    if "base64" not in flags:
        data = b64encode(unquote_to_bytes(data)).decode("ascii")
    return media_type.lower(), media_type.lower().rpartition("/")[2], {"bytes": data}


def _image(part: _Block) -> _Block:
    said = part.get("image_url")
    if isinstance(said, dict) and said.get("detail") not in (None, "auto"):
        dropped(WIRE, "image_url.detail", "images are always read whole")
    _, form, source = _address(said, "an image")
    if form not in _IMAGES:
        raise refused(f"messages.content: an image of type {form!r} can't be sent; png, jpeg, gif and webp can")
    return {"image": {"format": _IMAGES[form], "source": source}}


def _video(part: _Block) -> _Block:
    _, form, source = _address(part.get("video_url"), "a video")
    return {"video": {"format": {"3gpp": "three_gp", "quicktime": "mov"}.get(form, form), "source": source}}


def _audio(part: _Block) -> _Block:
    said = part.get("input_audio")
    if not isinstance(said, dict) or not isinstance(said.get("data"), str):
        raise refused("messages.content: sound without input_audio.data")
    return {"audio": {"format": said.get("format") or "wav", "source": {"bytes": said["data"]}}}


def _file(part: _Block) -> _Block:
    said = part.get("file")
    said = said if isinstance(said, dict) else {}
    address = said.get("file_data") or said.get("file_url")
    if not address:
        raise refused("messages.content: a file without file_data; files that lie at a provider can't be named here")
    media_type, form, source = _address(address, "a file")
    form = _DOCUMENTS.get(media_type, form)
    if form not in _MEDIA_TYPES:
        raise refused(f"messages.content: a file of type {media_type or form!r} can't be sent")
    # The name is shown to the model, and only these characters may be in it.
    name = re.sub(r"[^0-9A-Za-z \-()\[\]]|(?<= ) +", "-", str(said.get("filename") or "document"))[:_MAX_NAME]
    return {"document": {"format": form, "name": name, "source": source}}


_PARTS: Final[dict[str, Callable[[_Block], _Block]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _text,
    "image_url": _image,
    "video_url": _video,
    "input_audio": _audio,
    "file": _file,
}


def part_of(block: _Block) -> _Block:
    """A content block as OpenAI's part; as it is where OpenAI has none."""
    if isinstance(block.get("text"), str):
        return {"type": "text", "text": block["text"]}
    for kind, show in _SHOWN.items():
        said = block.get(kind)
        if isinstance(said, dict) and isinstance(said.get("source"), dict):
            return show(said, said["source"])
    return block


def _url(source: _Block, media_type: str) -> str:
    place = source.get("s3Location")
    if isinstance(place, dict):
        return str(place.get("uri") or "")
    return f"data:{media_type};base64,{source.get('bytes') or ''}"


def _shown_document(said: _Block, source: _Block) -> _Block:
    if "text" in source:
        return {"type": "text", "text": str(source["text"])}
    media_type = _MEDIA_TYPES.get(str(said.get("format")), "application/octet-stream")
    url = _url(source, media_type)
    place = "file_data" if url.startswith("data:") else "file_url"
    return {"type": "file", "file": {"filename": said.get("name") or "document", place: url}}


_SHOWN: Final[dict[str, Callable[[_Block, _Block], _Block]]] = {
    "image": lambda said, source: {
        "type": "image_url",
        "image_url": {"url": _url(source, f"image/{said.get('format')}")},
    },
    "video": lambda said, source: {
        "type": "video_url",
        "video_url": {"url": _url(source, f"video/{said.get('format')}")},
    },
    "audio": lambda said, source: {
        "type": "input_audio",
        "input_audio": {"data": source.get("bytes") or "", "format": said.get("format")},
    },
    "document": _shown_document,
}

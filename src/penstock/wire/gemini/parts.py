"""Parts of a user's message: text, images, sound, films and documents, by value or by address, in both directions."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from penstock.errors import CallError
from penstock.wire.dropping import dropped
from penstock.wire.gemini.signatures import google_extra

__all__ = ["WIRE", "camel", "part_of", "parts_of", "refuse", "shown", "text_of"]

WIRE: Final = "gemini"
_SOUNDS: Final = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}


def refuse(why: str) -> CallError:
    """The error of what this wire can't say; nothing was sent."""
    return CallError("bad_request", why, sent=False)


def parts_of(content: Any, where: str) -> list[dict[str, Any]]:
    """A message's content as Gemini's parts. Raises `CallError` bad_request for what has no form there."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"text": content}]
    if not isinstance(content, list):
        raise refuse(f"{where}.content is neither text nor a list of parts")
    return [part_of(part, where) for part in content]


def part_of(part: Any, where: str) -> dict[str, Any]:
    """One of OpenAI's content parts as Gemini's."""
    if isinstance(part, str):
        return {"text": part}
    kind = part.get("type") if isinstance(part, dict) else None
    make = _PARTS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise refuse(f"{where}.content has a part of type {kind!r}, which Gemini doesn't take")
    said = make(part, where)
    signature = google_extra(part).get("thought_signature")
    return {**said, "thoughtSignature": signature} if isinstance(signature, str) and signature else said


def _text(part: dict[str, Any], where: str) -> dict[str, Any]:
    text = part.get("text", part.get("refusal"))
    if not isinstance(text, str):
        raise refuse(f"{where}.content has a text part without text")
    return {"text": text}


def _image(part: dict[str, Any], where: str) -> dict[str, Any]:
    said = part.get("image_url")
    said = {"url": said} if isinstance(said, str) else said
    if not isinstance(said, dict):
        raise refuse(f"{where}.content has an image without image_url")
    if said.get("detail") not in (None, "auto"):
        dropped(WIRE, "image_url.detail", "say `media_resolution` for the whole request instead")
    return _by_address(said.get("url"), said.get("format"), "image/jpeg", where)


def _video(part: dict[str, Any], where: str) -> dict[str, Any]:
    said = part.get("video_url")
    said = {"url": said} if isinstance(said, str) else said
    if not isinstance(said, dict):
        raise refuse(f"{where}.content has a film without video_url")
    return _by_address(said.get("url"), said.get("format"), "video/mp4", where)


def _sound(part: dict[str, Any], where: str) -> dict[str, Any]:
    said = part.get("input_audio")
    if not isinstance(said, dict) or not isinstance(said.get("data"), str):
        raise refuse(f"{where}.content has sound without input_audio.data")
    return {"inlineData": {"mimeType": f"audio/{said.get('format') or 'wav'}", "data": said["data"]}}


def _file(part: dict[str, Any], where: str) -> dict[str, Any]:
    said = part.get("file")
    if not isinstance(said, dict):
        raise refuse(f"{where}.content has a file part without file")
    if said.get("filename"):
        dropped(WIRE, "file.filename", "Gemini's parts have no name")
    address = said.get("file_data") or said.get("file_url") or said.get("file_id")
    if isinstance(address, str) and said.get("file_data") and not address.startswith("data:"):
        address = f"data:{_guessed(said.get('filename'), 'application/pdf')};base64,{address}"
    return _by_address(address, said.get("format"), "application/pdf", where)


_PARTS: Final[dict[str, Callable[[dict[str, Any], str], dict[str, Any]]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _text,
    "image_url": _image,
    "video_url": _video,
    "input_audio": _sound,
    "file": _file,
}


def _by_address(url: Any, kind: Any, default: str, where: str) -> dict[str, Any]:
    """`inlineData` of a data URL, `fileData` of any other address."""
    if not isinstance(url, str) or not url:
        raise refuse(f"{where}.content has a part without an address")
    kind = kind if isinstance(kind, str) and kind else None
    if not url.startswith("data:"):
        if not url.startswith(("https://", "http://", "gs://")):
            raise refuse(
                f"{where}.content: {url[:80]!r} is no address that Gemini reads; expected data:, https: or gs:"
            )
        return {"fileData": {"mimeType": kind or _guessed(url, default), "fileUri": url}}
    head, comma, data = url[5:].partition(",")
    if not comma:
        raise refuse(f"{where}.content has a data URL without data")
    mime, *marks = head.split(";")
    if "base64" not in marks:
        from base64 import b64encode  # seldom wanted

        data = b64encode(unquote_to_bytes(data)).decode("ascii")
    return {"inlineData": {"mimeType": kind or mime or default, "data": data}}


def _guessed(address: Any, default: str) -> str:
    """The media type by the ending of an address."""
    try:
        path = urlsplit(address).path if isinstance(address, str) else ""
    except ValueError:  # half an IPv6 address
        path = ""
    return mimetypes.guess_type(path)[0] or default


# -- the way back


def camel(said: Any) -> dict[str, Any]:
    """A JSON object with the names of its own level in camel case: the API takes both. {} for anything else."""
    if not isinstance(said, dict):
        return {}
    return {_camel(name) if "_" in name else name: value for name, value in said.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def text_of(parts: list[dict[str, Any]]) -> str:
    """What is written in Gemini's parts."""
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def shown(part: dict[str, Any]) -> dict[str, Any] | None:
    """One of Gemini's parts, its names in camel case, as OpenAI's; None for what has no form there."""
    if isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    inline, file = camel(part.get("inlineData")), camel(part.get("fileData"))
    mime = str(inline.get("mimeType") or file.get("mimeType") or "")
    family, _, form = mime.partition("/")
    if inline:
        data = str(inline.get("data") or "")
        if family == "audio":
            return {"type": "input_audio", "input_audio": {"data": data, "format": _SOUNDS.get(form, form)}}
        return _addressed(family, f"data:{mime};base64,{data}", None)
    if file:
        url = str(file.get("fileUri") or "")
        return _addressed(
            family, url, mime if mime != _guessed(url, _DEFAULTS.get(family, "application/pdf")) else None
        )
    return None


_DEFAULTS: Final = {"image": "image/jpeg", "video": "video/mp4"}


def _addressed(family: str, url: str, form: str | None) -> dict[str, Any]:
    extra = {"format": form} if form else {}
    if family in _DEFAULTS:
        return {"type": f"{family}_url", f"{family}_url": {"url": url, **extra}}
    place = "file_data" if url.startswith("data:") else "file_url"
    return {"type": "file", "file": {place: url, **extra}}

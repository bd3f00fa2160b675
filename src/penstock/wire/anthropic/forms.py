"""The places that serve the Messages API, as data: where a request goes, and what else it says there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

__all__ = ["FORMS", "Form", "Place", "path_of", "read_path", "root_of"]

Form = Literal["direct", "vertex", "bedrock"]
"""Anthropic's API and whoever copies it; `rawPredict` on Vertex AI; `InvokeModel` on Bedrock."""


class Place(NamedTuple):
    """One form's facts. Where the URL names the model, the body doesn't."""

    whole: str
    """The path of a request for one piece, under the base URL; `{}` is the model."""
    streamed: str
    version: str | None = None
    """`anthropic_version` in the body; None: it is a header."""
    betas_in_body: bool = False
    """`anthropic_beta` is a list in the body and no header."""
    says_stream: bool = True
    """The body says `stream`."""
    most_tokens: int | None = None
    """The most that is asked for when the caller doesn't say: where `max_tokens` is charged before the answer."""
    safe: str = ""
    """What stays as it is in a model's name."""
    has_schema: bool = True
    """Structured output is served."""


FORMS: Final[Mapping[Form, Place]] = {
    "direct": Place("/v1/messages", "/v1/messages"),
    "vertex": Place(
        "/publishers/anthropic/models/{}:rawPredict",
        "/publishers/anthropic/models/{}:streamRawPredict",
        version="vertex-2023-10-16",
        safe="@",
        has_schema=False,
    ),
    "bedrock": Place(
        "/model/{}/invoke",
        "/model/{}/invoke-with-response-stream",
        version="bedrock-2023-05-31",
        betas_in_body=True,
        says_stream=False,
        most_tokens=8_192,
    ),
}


def root_of(form: Form, base_url: str) -> tuple[str, str]:
    """The URL before the path and what follows it (a query), of a base URL that may end in the path's beginning."""
    parts = urlsplit(base_url)
    root = parts.path.rstrip("/")
    if form == "direct":
        root = root.removesuffix("/messages").removesuffix("/v1")
    before = urlunsplit((parts.scheme, parts.netloc, root, "", ""))
    return before, f"?{parts.query}" if parts.query else ""


def path_of(place: Place, model: str, *, stream: bool) -> str:
    """The path for `model`, percent-encoded: Bedrock wants even a colon so, Vertex an `@` as it is."""
    path = place.streamed if stream else place.whole
    return path.format(quote(model, safe=place.safe)) if "{}" in path else path


def read_path(place: Place, path: str) -> tuple[str | None, bool] | None:
    """The model that a path names (None: the body does) and whether it asks for a stream; None for another path."""
    if "{}" not in place.whole:
        return (None, False) if path.endswith(place.whole) else None
    for pattern, stream in ((place.streamed, True), (place.whole, False)):
        before, _, after = pattern.partition("{}")
        at = path.rfind(before)
        if at >= 0 and path.endswith(after) and len(path) > at + len(before) + len(after):
            return unquote(path[at + len(before) : len(path) - len(after)]), stream
    return None

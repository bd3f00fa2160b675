"""Which provider, wire and endpoint a path speaks to."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

__all__ = ["OTHER_WIRES", "Endpoint", "Route", "route_of"]

Endpoint = Literal["chat", "completion", "embedding", "models", "unknown"]


class Route(NamedTuple):
    """`provider` is the path's first part, "openai" where it has none; `rest` is what follows the endpoint."""

    wire: str
    provider: str
    endpoint: Endpoint
    rest: str = ""


OTHER_WIRES: Final = frozenset(("anthropic", "gemini", "vertex", "bedrock", "azure", "cohere"))
"""Prefixes of providers that have a wire of their own; one that is served is taken out of here."""

_OPENAI: Final = re.compile(
    r"(?:/(?P<provider>(?!v1/|chat/)[A-Za-z0-9][A-Za-z0-9_.-]{0,63})(?:/[a-z0-9]+)??)?(?:/v1)?"
    r"/(?P<endpoint>chat/completions|completions|embeddings|models)(?P<rest>/.*)?"
)
_ENDPOINTS: Final[dict[str, Endpoint]] = {
    "chat/completions": "chat",
    "completions": "completion",
    "embeddings": "embedding",
    "models": "models",
}


def route_of(path: str) -> Route:
    """The route of a path: `/v1/...` or `/{provider}/v1/...`, with or without the `v1` and one word before it."""
    found = _OPENAI.fullmatch(path)
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    if found is None or first in OTHER_WIRES:
        return Route(first if first in OTHER_WIRES else "openai", first, "unknown")
    provider = found["provider"]
    endpoint = _ENDPOINTS[found["endpoint"]]
    return Route("openai", provider or "openai", endpoint, found["rest"] or "")

"""Which provider, wire and endpoint a path speaks to."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Literal, NamedTuple

__all__ = ["WIRES", "Endpoint", "Route", "route_of"]

Endpoint = Literal["chat", "completion", "embedding", "models", "own", "unknown"]
"""`own`: what the wire's own front reads from the path."""


class Route(NamedTuple):
    """`provider` is the path's first part, "openai" where it has none; `rest` is what follows the endpoint."""

    wire: str
    provider: str
    endpoint: Endpoint
    rest: str = ""


WIRES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    # A provider's first path part, and what follows where one provider speaks several wires; the first match counts.
    ("openai", re.compile(r"/.*/responses$")),
    ("azure", re.compile(r"/azure/")),
    ("anthropic", re.compile(r"/anthropic/")),
    ("anthropic-vertex", re.compile(r"/vertex/.*/publishers/anthropic/")),
    ("anthropic-bedrock", re.compile(r"/bedrock/model/[^/]*anthropic\.[^/]*/invoke")),
    ("bedrock", re.compile(r"/bedrock/")),
    ("openai", re.compile(r"/vertex/.*/endpoints/openapi/")),
    ("gemini-vertex", re.compile(r"/vertex/")),
    ("gemini", re.compile(r"/gemini/")),
    ("cohere", re.compile(r"/cohere/")),
    ("mistral", re.compile(r"/mistral/(?:v1/)?chat/completions$")),
    ("ollama", re.compile(r"/ollama/api/")),
)
"""Who is spoken to at a path that isn't OpenAI's."""

_MODELS: Final = re.compile(r"/(?:models|tags)")

_OPENAI: Final = re.compile(
    r"(?:/(?P<provider>(?!v1/|chat/)[A-Za-z0-9][A-Za-z0-9_.-]{0,63})(?:/[a-z0-9]+)??)?(?:/v1)?"
    r"/(?P<endpoint>chat/completions|completions|embeddings|models|responses)(?P<rest>/.*)?"
)
_VERTEX_OPEN: Final = re.compile(r"/(?P<provider>vertex)/.*/endpoints/openapi/(?P<endpoint>chat/completions)(?P<rest>)")
_ENDPOINTS: Final[dict[str, Endpoint]] = {
    "chat/completions": "chat",
    "completions": "completion",
    "embeddings": "embedding",
    "models": "models",
}


def route_of(path: str, spoken: Collection[str]) -> Route:
    """The route of a path: `/v1/...` or `/{provider}/v1/...`, with or without the `v1` and one word before it.

    Below the name of a provider with a wire of its own it is that wire, whatever follows; one that isn't in `spoken`
    has no endpoints.
    """
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    wire = next((wire for wire, pattern in WIRES if pattern.match(path)), "openai")
    if wire != "openai":
        endpoint: Endpoint = "models" if _MODELS.fullmatch(path[path.rfind("/") :]) else "own"
        return Route(wire, first, endpoint if wire in spoken else "unknown")
    found = _OPENAI.fullmatch(path)
    if found is None:
        found = _VERTEX_OPEN.fullmatch(path)
    if found is None:
        return Route("openai", first, "unknown")
    provider, rest = found["provider"] or "openai", found["rest"] or ""
    if found["endpoint"] == "responses":
        return Route("responses", provider, "own" if "responses" in spoken and not rest else "unknown")
    return Route("openai", provider, _ENDPOINTS[found["endpoint"]], rest)

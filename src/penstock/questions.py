"""How questions are told apart, and what is said of an answer that was given to another one."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

__all__ = ["WITHOUT_EFFECT", "SemanticMatch", "Until", "request_hash"]

WITHOUT_EFFECT = frozenset(
    (
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "user",
    )
)
"""Keys of a body that can't change the answer."""

_sorted_json = msgspec.json.Encoder(order="deterministic").encode


def request_hash(body: dict[str, Any]) -> str:
    """The SHA-256, in hex, of what can change the answer to an OpenAI request body.

    The order of keys doesn't count, nor do `user`, `metadata`, `stream` and the like. Defaults that aren't written
    are not filled in. Raises `TypeError` for what is no JSON.
    """
    relevant = {key: value for key, value in body.items() if key not in WITHOUT_EFFECT}
    return hashlib.sha256(b"penstock-request-1\n" + _sorted_json(relevant)).hexdigest()


class Until(msgspec.Struct, eq=False):
    """How long others want the same answer: an instant of the clock that may move on while it is being asked."""

    at_s: float = 0.0

    def latest(self, deadline_s: float | None) -> float | None:
        """The later one of it and a deadline; None stays no deadline."""
        return deadline_s if deadline_s is None or self.at_s <= deadline_s else self.at_s


class SemanticMatch(msgspec.Struct, frozen=True):
    """Which other question an answer from the semantic cache was given to, and how near that one is."""

    similarity: float
    """Cosine, up to 1, of the two questions' vectors."""
    question_hash: str
    """`request_hash` of the body that was asked then."""
    embedder: str
    """The target or the local model that made the vectors."""
    cost_usd: float | None = 0.0
    """What the vector of this question cost; None when the price isn't known."""

"""Cohere's own wire: `/v2/chat` and `/v2/embed`."""

from penstock.wire.cohere.codec import CohereCodec

__all__ = ["CohereCodec"]

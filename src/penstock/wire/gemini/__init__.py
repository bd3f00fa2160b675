"""Google's wire: `generateContent` and embeddings, on the Gemini API and on Vertex AI."""

from penstock.wire.gemini.codec import GeminiCodec
from penstock.wire.gemini.request import Platform

__all__ = ["GeminiCodec", "Platform"]

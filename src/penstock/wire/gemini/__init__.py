"""Google's wire: `generateContent` and embeddings, on the Gemini API and on Vertex AI."""

from penstock.wire.gemini.codec import GeminiCodec
from penstock.wire.gemini.embeddings import embedding_limit
from penstock.wire.gemini.request import Platform, vertex_base_url

__all__ = ["GeminiCodec", "Platform", "embedding_limit", "vertex_base_url"]

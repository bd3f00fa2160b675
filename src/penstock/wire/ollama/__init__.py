"""Ollama's own wire: `/api/chat`, `/api/generate` and `/api/embed`."""

from penstock.wire.ollama.codec import OllamaCodec

__all__ = ["OllamaCodec"]

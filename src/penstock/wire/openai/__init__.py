"""The OpenAI wire: chat completions, text completions, embeddings, and everyone who speaks it."""

from penstock.wire.openai.codec import OpenAICodec

__all__ = ["OpenAICodec"]

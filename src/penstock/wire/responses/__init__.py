"""OpenAI's Responses API, and everyone who speaks it."""

from penstock.wire.responses.codec import ResponsesCodec

__all__ = ["ResponsesCodec"]

"""The Anthropic Messages wire: directly, on Vertex AI, and on Bedrock's InvokeModel."""

from penstock.wire.anthropic.codec import AnthropicCodec
from penstock.wire.anthropic.forms import Form

__all__ = ["AnthropicCodec", "Form"]

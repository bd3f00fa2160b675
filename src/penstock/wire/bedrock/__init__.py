"""Amazon Bedrock's own wire: Converse and ConverseStream, and embeddings by InvokeModel."""

from penstock.wire.bedrock.codec import BedrockCodec

__all__ = ["BedrockCodec"]

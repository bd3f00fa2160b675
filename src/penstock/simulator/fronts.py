"""Which front speaks which wire. What a front needs is imported when its wire is first spoken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from penstock.catalog import vendor
from penstock.simulator.front import Front, OpenAIFront
from penstock.wire.openai.codec import OpenAICodec

__all__ = ["FRONTS"]


def _openai() -> Front:
    return OpenAIFront(OpenAICodec(vendor("openai")))


def _mistral() -> Front:
    return OpenAIFront(OpenAICodec(vendor("mistral")))


def _azure() -> Front:
    from penstock.simulator.front_azure import AzureFront

    return AzureFront(OpenAICodec(vendor("azure")))


def _anthropic(form: Literal["direct", "vertex", "bedrock"]) -> Front:
    from penstock.simulator.front_anthropic import AnthropicFront
    from penstock.wire.anthropic import AnthropicCodec

    return AnthropicFront(AnthropicCodec(vendor("anthropic"), form=form))


def _gemini(platform: Literal["gemini", "vertex"]) -> Front:
    from penstock.simulator.front_gemini import GeminiFront
    from penstock.wire.gemini import GeminiCodec

    return GeminiFront(GeminiCodec(vendor(platform), platform=platform))


def _bedrock() -> Front:
    from penstock.simulator.front_bedrock import BedrockFront
    from penstock.wire.bedrock import BedrockCodec

    return BedrockFront(BedrockCodec(vendor("bedrock")))


def _responses() -> Front:
    from penstock.simulator.front_responses import ResponsesFront
    from penstock.wire.responses import ResponsesCodec

    return ResponsesFront(ResponsesCodec(vendor("openai")))


def _cohere() -> Front:
    from penstock.simulator.front_cohere import CohereFront
    from penstock.wire.cohere import CohereCodec

    return CohereFront(CohereCodec(vendor("cohere")))


def _ollama() -> Front:
    from penstock.simulator.front_ollama import OllamaFront
    from penstock.wire.ollama import OllamaCodec

    return OllamaFront(OllamaCodec(vendor("ollama")))


FRONTS: Final[dict[str, Callable[[], Front]]] = {
    "anthropic": lambda: _anthropic("direct"),
    "anthropic-bedrock": lambda: _anthropic("bedrock"),
    "anthropic-vertex": lambda: _anthropic("vertex"),
    "azure": _azure,
    "bedrock": _bedrock,
    "cohere": _cohere,
    "gemini": lambda: _gemini("gemini"),
    "gemini-vertex": lambda: _gemini("vertex"),
    "mistral": _mistral,
    "ollama": _ollama,
    "openai": _openai,
    "responses": _responses,
}
"""The wires that are spoken, by the name that `routes` gives them. A new one is one row."""

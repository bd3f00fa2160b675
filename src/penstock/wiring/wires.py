"""The table of wires: for a provider's model, which codec speaks to it and what signs for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Final, Literal, NamedTuple

import msgspec

from penstock.call import Call, Completion, Kind
from penstock.catalog import most_inputs
from penstock.credentials.signing import Credential
from penstock.endpoint import Bearer, HeaderKey, Sign
from penstock.errors import ConfigError
from penstock.http import WireReply
from penstock.splitting import EmbeddingLimit
from penstock.wire.codec import Codec
from penstock.wiring.providers import CATALOG, ProviderPlan

__all__ = [
    "DIALECTS",
    "Dialect",
    "Speaker",
    "as_openai",
    "dialect_of",
    "embedding_limit",
    "from_openai",
    "openai_reader",
    "writes_openai",
]


class Dialect(NamedTuple):
    """One form of a wire, as one codec and one signature speak it."""

    name: str
    open: Callable[[ProviderPlan, str], Codec]
    """The codec for a provider at an address. Imports it: only the wires that are used are loaded."""
    sign: Callable[[], Sign] = Bearer
    """What puts a key on."""
    writes_openai: bool = False
    """The body of an answer is OpenAI's object of its kind."""
    model: str = ""
    """The model's id as this dialect has it, where it is another one."""


class Speaker(NamedTuple):
    """An open dialect: what the targets of one provider that speak alike share."""

    codec: Codec
    sign: Sign
    credential: Credential | None = None


def _openai(plan: ProviderPlan, base_url: str) -> Codec:
    from penstock.wire.openai import OpenAICodec

    return OpenAICodec(plan.vendor, base_url, headers=plan.headers)


def _anthropic(form: Literal["direct", "vertex", "bedrock"], plan: ProviderPlan, base_url: str) -> Codec:
    from penstock.wire.anthropic import AnthropicCodec

    return AnthropicCodec(plan.vendor, base_url, headers=plan.headers, form=form)


def _gemini(platform: Literal["gemini", "vertex"], plan: ProviderPlan, base_url: str) -> Codec:
    from penstock.wire.gemini import GeminiCodec

    return GeminiCodec(plan.vendor, base_url, headers=plan.headers, platform=platform)


def _responses(plan: ProviderPlan, base_url: str) -> Codec:
    from penstock.wire.responses import ResponsesCodec

    return ResponsesCodec(plan.vendor, base_url, headers=plan.headers)


def _open_models(plan: ProviderPlan, base_url: str) -> Codec:
    return _openai(plan, f"{base_url}/endpoints/openapi")


def _vertex(model: str) -> Dialect:
    """Google's own models by `generateContent`, Claude as Anthropic speaks, all others as OpenAI does."""
    publisher, slash, name = model.partition("/")
    if publisher == "anthropic" or model.startswith("claude"):
        return _CLAUDE_ON_VERTEX._replace(model=name if slash else model)
    if slash and publisher not in ("google", "publishers", "endpoints", "projects", "models"):
        return _OPEN_ON_VERTEX
    return _GEMINI_ON_VERTEX


def _converse(plan: ProviderPlan, base_url: str) -> Codec:
    from penstock.wire.bedrock import BedrockCodec

    return BedrockCodec(plan.vendor, base_url, headers=plan.headers)


def _cohere(plan: ProviderPlan, base_url: str) -> Codec:
    from penstock.wire.cohere import CohereCodec

    return CohereCodec(plan.vendor, base_url, headers=plan.headers)


def _ollama(plan: ProviderPlan, base_url: str) -> Codec:
    from penstock.wire.ollama import OllamaCodec

    return OllamaCodec(plan.vendor, base_url, headers=plan.headers)


def _bedrock(model: str) -> Dialect:
    """Claude by InvokeModel, as Anthropic speaks; all others by Converse."""
    return _CLAUDE_ON_BEDROCK if _CLAUDE.search(model) else _CONVERSE


_CLAUDE: Final = re.compile(r"(?:^|[./])anthropic\.claude")
_x_goog_api_key: Final = partial(HeaderKey, "x-goog-api-key")
_OPENAI: Final = Dialect("openai", _openai, writes_openai=True)
_AZURE: Final = Dialect("azure", _openai, partial(HeaderKey, "api-key"), writes_openai=True)
_ANTHROPIC: Final = Dialect("anthropic", partial(_anthropic, "direct"), partial(HeaderKey, "x-api-key"))
_GEMINI: Final = Dialect("gemini", partial(_gemini, "gemini"), _x_goog_api_key)
_GEMINI_ON_VERTEX: Final = Dialect("gemini", partial(_gemini, "vertex"), _x_goog_api_key)
_CLAUDE_ON_VERTEX: Final = Dialect("anthropic", partial(_anthropic, "vertex"), _x_goog_api_key)
_CLAUDE_ON_BEDROCK: Final = Dialect("anthropic", partial(_anthropic, "bedrock"))
_CONVERSE: Final = Dialect("converse", _converse)
_COHERE: Final = Dialect("cohere", _cohere)
_OLLAMA: Final = Dialect("ollama", _ollama)
_OPEN_ON_VERTEX: Final = Dialect("openai", _open_models, _x_goog_api_key, writes_openai=True)

_RESPONSES: Final = Dialect("responses", _responses)

DIALECTS: Final[Mapping[str, Callable[[str], Dialect]]] = {
    "anthropic": lambda _: _ANTHROPIC,
    "azure": lambda _: _AZURE,
    "bedrock": _bedrock,
    "cohere": lambda _: _COHERE,
    "gemini": lambda _: _GEMINI,
    "ollama": lambda _: _OLLAMA,
    "openai": lambda _: _OPENAI,
    "responses": lambda _: _RESPONSES,
    "vertex": _vertex,
}
"""From a wire's name and the provider's own model id to the dialect that is spoken for it."""


def _own(plan: ProviderPlan) -> Dialect:
    """The codec that a configuration names as `package.module:Class`; its `key_header` says where the key goes."""
    module, _, name = plan.vendor.wire.partition(":")
    try:
        made = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f'{plan.name}: the wire "{plan.vendor.wire}" cannot be imported: {error}; it is looked for among the '
            "installed packages and in the folders of PYTHONPATH"
        ) from error
    header: str | None = getattr(made, "key_header", None)
    return Dialect(
        plan.vendor.wire,
        lambda plan, base_url: made(plan.vendor, base_url, headers=plan.headers),
        Bearer if header is None else partial(HeaderKey, header.lower()),
    )


def _wire_of(plan: ProviderPlan) -> str:
    """The wire that is spoken: at an Ollama whose address was given as its OpenAI side's, that one, unless told."""
    is_told = plan.config.wire is not None or plan.base_url_from == CATALOG
    at_openai_side = plan.vendor.wire == "ollama" and not is_told and (plan.base_url or "").endswith("/v1")
    return "openai" if at_openai_side else plan.vendor.wire


def dialect_of(plan: ProviderPlan, model: str) -> Dialect:
    """What is spoken to `model` of a provider. Raises `ConfigError` for a wire that nobody here speaks."""
    choose = DIALECTS.get(_wire_of(plan))
    if choose is None and ":" in plan.vendor.wire:
        return _own(plan)
    if choose is None:
        raise ConfigError(f'{plan.name}: nobody here speaks the wire "{plan.vendor.wire}"')
    dialect = choose(model)
    if dialect is _RESPONSES and plan.vendor.deployments:
        return dialect._replace(sign=_AZURE.sign)
    return dialect


def writes_openai(plan: ProviderPlan, model: str) -> bool:
    """Whether the body of an answer of `model` is OpenAI's own object."""
    return dialect_of(plan, model).writes_openai


def as_openai(completion: Completion) -> bytes:
    """A completion as OpenAI's object of its kind, whatever the provider's own form is."""
    from penstock.wire.openai.server import encode_reply

    if not completion.model or not completion.id:
        # Some wires name neither.
        completion = msgspec.structs.replace(
            completion,
            model=completion.model or completion.target.partition("/")[2],
            id=completion.id or completion.request_id or "",
        )
    return encode_reply(completion).body


def from_openai(plan: ProviderPlan, kind: Kind, body: bytes) -> Completion:
    """The completion in OpenAI's object. Raises `CallError` when it is none."""
    return openai_reader(plan)(kind, body)


def openai_reader(plan: ProviderPlan) -> Callable[[Kind, bytes], Completion]:
    """What does that for many of a provider's answers."""
    from penstock.wire.openai import OpenAICodec

    codec = OpenAICodec(plan.vendor, "http://kept.invalid")
    asked = {kind: Call(id="", model="", body={}, kind=kind) for kind in ("chat", "completion", "embedding")}

    def read(kind: Kind, body: bytes) -> Completion:
        return codec.decode_reply(asked[kind], WireReply(200, {}, body))

    return read


def embedding_limit(targets: Sequence[tuple[ProviderPlan, str]]) -> EmbeddingLimit | None:
    """What a request for embeddings may hold at every one of these; None where no limit is known."""
    inputs = [most for plan, model in targets if (most := most_inputs(plan.vendor, model)) is not None]
    tokens = [plan.vendor.embedding_tokens for plan, _ in targets if plan.vendor.embedding_tokens is not None]
    if not inputs and not tokens:
        return None
    return EmbeddingLimit(min(inputs, default=None), min(tokens, default=None))

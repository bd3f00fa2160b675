"""What may be said with a request and with a client, each by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from penstock.config import Config
from penstock.stores import Store
from penstock.wiring import Models

__all__ = ["ChatOptions", "ClientOptions", "CompletionOptions", "EmbeddingOptions"]

Seconds = float | str
Timeouts = Mapping[str, float | str]
"""A table of `connect`, `first_token`, `between_tokens`, `total`."""


class CallOptions(TypedDict, total=False):
    """What may be said with every request."""

    model: Models
    """A target, targets in order of preference, or a route; in place of the client's."""
    deadline: Seconds | None
    hedge: Seconds | None
    """In place of the client's or the route's: "off", "auto" or a delay."""
    timeouts: Timeouts | None
    cache: str | bool | None
    """"off", "read", "write", "on", "exact" or "semantic", in place of the client's."""
    sample: int | str | None
    """Which of several answers to the same prompt this is: those with another number are never served for it."""
    tags: Mapping[str, str] | None
    """Words of one's own for the log."""
    variables: Mapping[str, Any] | None
    """The values of a `penstock.Prompt`'s variables."""
    extra: Mapping[str, Any] | None
    """Fields of the body that only this provider knows."""
    seed: int | None
    user: str | None
    metadata: Mapping[str, str] | None
    store: bool | None


class SamplingOptions(CallOptions, total=False):
    """OpenAI's sampling parameters, for chat and for completion."""

    frequency_penalty: float | None
    logit_bias: Mapping[str, float] | None
    logprobs: bool | int | None
    max_tokens: int | None
    min_p: float | None
    n: int | None
    presence_penalty: float | None
    repetition_penalty: float | None
    stop: str | Sequence[str] | None
    temperature: float | None
    top_k: int | None
    top_p: float | None


class ChatOptions(SamplingOptions, total=False):
    """What may be said with a chat."""

    system: str | None
    """A system message, in place of the prompt's own."""
    audio: Mapping[str, Any] | None
    function_call: str | Mapping[str, Any] | None
    functions: Sequence[Mapping[str, Any]] | None
    max_completion_tokens: int | None
    modalities: Sequence[str] | None
    parallel_tool_calls: bool | None
    prediction: Mapping[str, Any] | None
    prompt_cache_key: str | None
    reasoning_effort: str | None
    response_format: Mapping[str, Any] | None
    safety_identifier: str | None
    schema: Any
    """The form of the answer: a type (pydantic, msgspec, a dataclass), a JSON Schema, or a `Path` of one."""
    reasks: int | None
    """How often an answer that isn't in that form is asked again; 2 unless set."""
    service_tier: str | None
    tool_choice: str | Mapping[str, Any] | None
    tools: Sequence[Mapping[str, Any] | Callable[..., Any]] | None
    """In OpenAI's form, or Python functions."""
    top_logprobs: int | None
    verbosity: str | None
    web_search_options: Mapping[str, Any] | None


class CompletionOptions(SamplingOptions, total=False):
    """What may be said with a text to complete."""

    best_of: int | None
    echo: bool | None
    suffix: str | None


class EmbeddingOptions(CallOptions, total=False):
    """What may be said with texts to embed."""

    dimensions: int | None
    encoding_format: str | None


class ClientOptions(TypedDict, total=False):
    """What may be said with a client."""

    route: str | None
    config: str | Path | Mapping[str, Any] | Config | None
    """A path, a table or what `load_config` read; None searches as the command does."""
    base_url: str | None
    """Every request goes there, whatever its provider."""
    deadline: Seconds | None
    hedge: Seconds | None
    """A second attempt at the next target while the first still runs: "off", "auto" or a delay such as "2s"."""
    hedge_budget: float | None
    """Hedges for each first attempt, where `hedge` is "auto", the client's or a call's own."""
    timeouts: Timeouts | None
    min_tokens_per_s: float | None
    """An attempt that streams more slowly, over ten seconds, fails."""
    max_attempts: int | None
    """How many requests one prompt may cost; waits at a limit don't count."""
    fallback_on: Sequence[str] | None
    """Kinds of errors that end a call unless named here: "bad_request", "content_filtered", "context_too_long"."""
    stream_inside: str | None
    """Ask for a stream although the caller wants one piece, so that a silence is seen early: "auto", "on" or "off"."""
    on_break: str | None
    """When a stream breaks after its reader has some of it: "recover", or "error"."""
    cache: str | bool | Mapping[str, Any] | Store | None
    """"on", "off", "read", "write"; "memory", "sqlite" or an address of a store; a table as `[cache]` in a file; or a
    store of your own."""
    budget: float | Mapping[str, Any] | None
    """US dollars that the client may spend, or a table of `usd`, `per_day` and `per_tag`; over the configuration's."""
    guards: Mapping[str, Any] | None
    """`redact`, `injection` and `checks`, each over the route's."""
    limits: Mapping[str, int] | None
    """`rpm` and `tpm` for each key, `concurrency` for each target."""

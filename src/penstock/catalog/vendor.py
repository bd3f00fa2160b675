"""What is known about one provider, as data: an OpenAI-compatible vendor is a row, never a subclass."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Ambient", "LimitDialect", "Prefill", "SchemaMode", "Setting", "Vendor"]

LimitDialect = Literal[
    "openai", "mistral", "cerebras", "together", "openrouter", "fireworks", "none", "any"
]  # fmt: skip
"""How a vendor's headers tell its limits; `any` tries what is there, `none` means that it never tells."""

Prefill = Literal["plain", "prefix", "continue_final_message"]
"""How a vendor is asked to continue an assistant message at the end: by the message alone, by `prefix` in it, or by
vLLM's `continue_final_message` beside it."""


SchemaMode = Literal["schema", "bare", "loose", "object", "prompt"]
"""What of `response_format` a model takes: a JSON Schema; one whose strict mode knows types alone; one that is not
strict; JSON mode; nothing."""

Ambient = Literal["google", "entra", "aws"]
"""Whose credentials of the surroundings sign where no key is given: Google's default ones, Microsoft Entra's, AWS's."""


class Setting(msgspec.Struct, frozen=True):
    """Something that `base_url` leaves open: `{name}` in it, `name` under `[providers.x]`."""

    name: str
    env: tuple[str, ...] = ()
    """Environment variables that may hold it, first found counts."""
    default: str | None = None
    """None: nothing can be asked without it."""
    unless_key: bool = False
    """With a key nobody needs it."""


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One provider: where it is, which key it wants, and where it leaves OpenAI's way.

    Every field beyond the name is a fact with a default, so that `[providers.x]` tables can override any of them
    with `msgspec.structs.replace`.
    """

    name: str
    """The first part of a target: `name/model`."""
    title: str
    base_url: str | None = None
    """None: the caller must give one (or the provider lives in the process)."""
    settings: tuple[Setting, ...] = ()
    """What stands in braces in `base_url`, or is asked for beside it."""
    own_hosts: tuple[str, ...] = ()
    """How the vendor's own hosts end: only to these go the ambient credentials of a machine unasked."""
    ambient: Ambient | None = None
    key_env: tuple[str, ...] = ()
    """Environment variables that may hold the key, first found counts."""
    base_url_env: tuple[str, ...] = ()
    """Environment variables that may replace `base_url`."""
    wire: str = "openai"
    other_wires: tuple[str, ...] = ()
    """Further wires that are served at the same `base_url`."""
    models_path: str = "/models"
    """Where the models are listed, under `base_url`; "" where they aren't."""
    deployments: str = ""
    """The path before an endpoint's where a model has an address of its own, `{model}` in it (Azure OpenAI)."""
    needs_key: bool = True
    stream_usage: bool = True
    """`stream_options.include_usage` may be sent; False where it is refused or usage comes unasked."""
    renames: tuple[tuple[str, str], ...] = ()
    """Body parameters that go under another name here: (OpenAI's, the vendor's)."""
    leaves_out: tuple[str, ...] = ()
    """Parameters that are refused here and that no answer needs; `messages.name`: the names of who speaks."""
    reasoning_renames: tuple[tuple[str, str], ...] = ()
    """The same, only for reasoning models."""
    contents: Literal["text", "chunks"] = "text"
    """`chunks`: an assistant's thoughts and references are parts of its content, and no message has further fields."""
    takes_back: tuple[str, ...] | None = None
    """Of the fields that an answer's message has beyond OpenAI's own, those that may be sent back; None: any."""
    call_id_chars: int | None = None
    """The longest id of a tool's call that may be sent back; None: any."""
    cache_marks: bool = True
    """A prompt's cached beginning may be marked (`cache_control`); False where marks are refused or do nothing."""
    reasoning_outside: bool = False
    """`completion_tokens` leaves reasoning out; they are added when the total doesn't already tell."""
    limits: LimitDialect = "any"
    is_self_hosted: bool = False
    """A server that its users run themselves."""
    requests_window_s: float = 60.0
    """What the request limit in the headers counts over."""
    request_id: str = "x-request-id"
    """The header that names an answer for the vendor's support; errors look for others too."""
    charges_max_tokens: bool = False
    """The token limit is charged with `max_tokens` before the answer, not with what it came to."""
    embedding_inputs: tuple[tuple[str, int], ...] = ()
    """The most inputs in one request: a regular expression for the model's beginning, and the number; first match."""
    embedding_tokens: int | None = None
    """The most tokens in one request of embeddings, all inputs together."""
    schema_modes: tuple[tuple[str, SchemaMode], ...] = ()
    """A regular expression for the model's beginning, and what it takes; first match, a schema where there is none."""
    prefill: Prefill | None = None
    """None: an assistant message at the end is refused, or answered by a new one."""
    prefill_models: str = ""
    """A regular expression that the beginning of a model's id must match for that."""
    prefill_base_url: str | None = None
    """Where it is served, when that isn't `base_url`; only beside the vendor's own."""

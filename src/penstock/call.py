"""The words everyone shares: what is asked, what comes back, and what each part of it means.

The neutral form of a request is OpenAI's JSON as a plain dict (chat completions, text completions, embeddings):
the form that the whole field writes. Unknown keys travel. Token counts are normalised: `input_tokens` includes
what was read from a cache, `output_tokens` includes reasoning, whatever the provider's own convention.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from operator import add
from types import TracebackType
from typing import Any, Literal, Protocol

import msgspec

from penstock.questions import WITHOUT_EFFECT, SemanticMatch, Until

__all__ = [
    "WITHOUT_EFFECT",
    "Attempt",
    "CacheMode",
    "Call",
    "Choice",
    "Completion",
    "Event",
    "Expected",
    "Finding",
    "Finish",
    "Finished",
    "Kind",
    "Message",
    "PartDelta",
    "PromptVersion",
    "RateLimits",
    "ReasoningDelta",
    "RefusalDelta",
    "Reply",
    "Rung",
    "Seam",
    "Started",
    "Status",
    "Stream",
    "TextDelta",
    "ToolDelta",
    "Usage",
    "UsageUpdate",
    "cost_of",
    "status_of",
]

Kind = Literal["chat", "completion", "embedding"]
Finish = Literal["stop", "length", "tool_calls", "content_filter", "error", "unknown"]
Status = Literal["success", "truncated", "filtered", "failed"]
Rung = Literal["prefill", "anew"]
CacheMode = Literal["off", "read", "write", "on", "exact", "semantic"]
"""`read`: answers are looked up and not kept; `write`: kept and not looked up. `exact` and `semantic` are `on` without
and with answers to questions that mean the same; the others do as the cache is set."""
Message = dict[str, Any]


class Expected(Protocol):
    """What an answer must be besides an answer."""

    def faults(self, completion: Completion) -> tuple[str, ...]:
        """What is wrong with it, in words that a model understands; () when it is as expected."""
        ...


class PromptVersion(msgspec.Struct, frozen=True):
    """Which prompt a request was made from."""

    name: str
    version: str
    hash: str
    """The SHA-256, in hex, of its templates, defaults and settings."""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name or "a prompt"


class Call(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One request: the envelope and the letter. A value; layers read it and hand it on unchanged."""

    id: str
    model: str
    """What the caller asked for: a target, a route's name, or a provider's own model id."""
    body: dict[str, Any]
    """OpenAI's JSON for `kind`; its "model" is replaced by each target's own."""
    kind: Kind = "chat"
    stream: bool = False
    """The caller wants events as they come."""
    deadline_s: float | None = None
    """An instant of the clock; None for no deadline."""
    priority: int = 0
    """0 interactive, 1 batch; lower goes first."""
    estimate: int = 0
    """Tokens this may cost at the limiter: input and the most it may write."""
    tags: dict[str, str] = {}
    cache: CacheMode | None = None
    """None: as the engine is set."""
    sample: str = ""
    """Which of several answers to the same question this is to be: only calls of the same one share an answer."""
    prefill: bool = False
    """The last message is the beginning of the answer: the wire asks for its continuation, in its own words."""
    variables: dict[str, Any] | None = None
    """What the body was rendered from, for targets that have a template of their own."""
    expected: Expected | None = None
    """An answer that isn't so doesn't count: it is asked again, and nobody keeps it."""
    reasks: int = 2
    """How often it is asked again for that."""
    spent_s: float = 0.0
    """Seconds of a deadline from the first send that earlier requests of the same call have used."""
    attempts_before: int = 0
    """Of the most attempts, what they have used."""
    until: Until | None = None
    """Its deadline is this one where it is later."""


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, repr_omit_defaults=True):
    """Tokens, normalised: input includes cached, output includes reasoning. Addition sums every field.

    As JSON it always has the first five, the others where they aren't 0.
    """

    # A default that is made isn't left out.
    input_tokens: int = msgspec.field(default_factory=int)
    output_tokens: int = msgspec.field(default_factory=int)
    cached_tokens: int = msgspec.field(default_factory=int)
    reasoning_tokens: int = msgspec.field(default_factory=int)
    cache_write_tokens: int = msgspec.field(default_factory=int)
    cache_write_1h_tokens: int = 0
    """Of `cache_write_tokens`, what is kept for an hour."""
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    audio_cached_tokens: int = 0
    """Of `cached_tokens`, what is sound."""

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(*map(add, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))


class Choice(msgspec.Struct, frozen=True):
    """One of a completion's answers. `finish_raw` is the provider's own word."""

    message: Message
    """OpenAI's assistant message; for a text completion {"role": "assistant", "content": text}."""
    finish: Finish = "unknown"
    finish_raw: str | None = None
    index: int = 0
    logprobs: Any = None


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a guard found, and what it did about it; never what was found itself."""

    guard: Literal["injection", "redact", "check"]
    what: str
    """The kind of what was found ("email"), the names of an injection's signs, or the check's name."""
    where: str
    """A place in the request ("messages[0]", "tools") or "answer"."""
    done: Literal["flagged", "restored", "masked", "asked again", "refused"]
    """`restored`: the provider saw a placeholder, and the caller the value; `masked`: nobody sees it any more."""
    count: int = 1
    score: float | None = None
    """Of an injection, from 0 to 1."""
    detail: str = ""
    """What a check said."""


class Completion(msgspec.Struct, kw_only=True, eq=True):
    """A whole answer: a value, picklable and cacheable. `raw` is the provider's body, untouched.

    The codec fills what the provider said; the race fills `target`, `attempts` and `latency_s` before anyone else
    sees it. Nobody changes it after that.
    """

    kind: Kind = "chat"
    choices: tuple[Choice, ...] = ()
    """By index; at least one for chat and text, none for embeddings."""
    vectors: tuple[Sequence[float], ...] = ()
    """One per input, in the order of the inputs; embeddings only."""
    usage: Usage | None = None
    """None when the provider didn't say."""
    model: str = ""
    """The model that answered, in the provider's words."""
    id: str = ""
    created: int = 0
    """When, by the provider's clock in seconds since 1970; 0 when it didn't say."""
    raw: bytes = b""
    """b"" when the answer was folded from a stream."""
    request_id: str | None = None
    malformed_events: int = 0
    target: str = ""
    attempts: tuple[Attempt, ...] = ()
    """Each request sent, refusals included; of very many the first and the last ones."""
    requests_sent: int = 0
    """How many there were in all."""
    latency_s: float = 0.0
    """From the call's first send."""
    cached: bool = False
    semantic: SemanticMatch | None = None
    """Set when it was given to another question that means the same."""
    cost_usd: float | None = None
    """All its attempts together, those that lost or failed included; None when the price of one isn't known."""
    guards: tuple[Finding, ...] = ()
    """What the guards of its route found and did, in the order in which they did it."""

    @property
    def message(self) -> Message:
        return self.choices[0].message

    @property
    def finish(self) -> Finish:
        return self.choices[0].finish if self.choices else "stop"

    @property
    def text(self) -> str:
        if not self.choices:
            return ""
        content = self.choices[0].message.get("content")
        if isinstance(content, str):
            return content
        if isinstance(content, list):
            return "".join(part.get("text", "") for part in content if isinstance(part, dict))
        return ""


class RateLimits(msgspec.Struct, frozen=True):
    """What a reply's headers said about limits, in one form. None: not said.

    `*_reset_s` are seconds from the reply; `*_per_s` is the limit's own window in seconds (60 unless the provider
    counts otherwise).
    """

    requests_limit: int | None = None
    requests_remaining: int | None = None
    requests_reset_s: float | None = None
    requests_window_s: float = 60.0
    tokens_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_reset_s: float | None = None
    tokens_window_s: float = 60.0
    input_tokens_limit: int | None = None
    input_tokens_remaining: int | None = None
    input_tokens_reset_s: float | None = None
    output_tokens_limit: int | None = None
    output_tokens_remaining: int | None = None
    output_tokens_reset_s: float | None = None


class Started(msgspec.Struct, frozen=True, gc=False):
    """The provider began to answer."""

    model: str = ""
    id: str = ""
    created: int = 0


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the text; `logprobs` in OpenAI's form, for the tokens of this piece, when they were asked for."""

    text: str
    choice: int = 0
    logprobs: Any = None


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    text: str
    choice: int = 0


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    text: str
    choice: int = 0


class ToolDelta(msgspec.Struct, frozen=True, gc=False):
    """A fragment of tool call `index`: `id` and `name` come once, `arguments` fragments are joined.

    `extra` is what a vendor wants back with the call (`extra_content`: Gemini's thought signatures).
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    choice: int = 0
    extra: Any = None


class PartDelta(msgspec.Struct, frozen=True):
    """What a message holds that has no event of its own: `audio`, `images`, `annotations`, `reasoning_details`.

    Lists grow, and so do the texts and data in them: `penstock.fold` says how.
    """

    fields: dict[str, Any]
    choice: int = 0


class UsageUpdate(msgspec.Struct, frozen=True, gc=False):
    """The usage so far; the last one counts, they are never summed."""

    usage: Usage


class Finished(msgspec.Struct, frozen=True, gc=False):
    finish: Finish
    finish_raw: str | None = None
    choice: int = 0


Event = Started | TextDelta | ReasoningDelta | RefusalDelta | ToolDelta | PartDelta | UsageUpdate | Finished


class Stream(Protocol):
    """An async context manager and iterator of events that owns its connection and permits until it is closed."""

    async def __aenter__(self) -> Stream: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[Event]: ...


Reply = Completion | Stream


class Seam(msgspec.Struct, frozen=True, kw_only=True):
    """Where a streamed answer goes on in another stream than it began: after a break, unseen in the text itself."""

    at_chars: int
    """Characters of the text that the caller had by then."""
    rung: Rung
    """`prefill`: continued from the text so far; `anew`: asked again, what the caller had cut off the front."""
    from_target: str
    to_target: str


class Attempt(msgspec.Struct, kw_only=True):
    """One try at one target, as the answer tells it. Times are seconds from the call's first send."""

    id: str
    target: str
    started_s: float = 0.0
    ended_s: float | None = None
    first_token_s: float | None = None
    status: int | None = None
    outcome: Literal["running", "answered", "failed", "cancelled"] = "running"
    error_kind: str | None = None
    error: str | None = None
    request_id: str | None = None
    hedge: bool = False
    reason: Literal["first", "retry", "fallback", "hedge", "silent", "late", "resume"] = "first"
    """Why it was made. `hedge`, `silent` and `late` ran beside an earlier one; `resume` continued a broken stream."""
    usage: Usage | None = None
    cost_usd: float | None = None
    """What it cost, whatever came of it; None when the price isn't known. One that was cut is estimated."""
    seam: Seam | None = None
    """Set when the attempt goes on with what another one had begun."""


_STATUS: dict[Finish, Status] = {
    "stop": "success",
    "tool_calls": "success",
    "unknown": "success",
    "length": "truncated",
    "content_filter": "filtered",
    "error": "failed",
}


def status_of(completion: Completion) -> Status:
    """How the answer ended; of several choices the first one that isn't a success speaks."""
    for choice in completion.choices:
        status = _STATUS[choice.finish]
        if status != "success":
            return status
    return "success"


def cost_of(attempts: Sequence[Attempt]) -> float | None:
    """US dollars for all of them; None when the price of one isn't known. Nothing sent cost nothing."""
    total = 0.0
    for attempt in attempts:
        if attempt.cost_usd is None:
            return None
        total += attempt.cost_usd
    return total

"""What a caller gets back: an `Answer`, a stream's `Chunk`, and the digest that tells equal requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from penstock.call import (
    Attempt,
    Choice,
    Completion,
    Event,
    Finding,
    Finish,
    Message,
    PromptVersion,
    ReasoningDelta,
    RefusalDelta,
    Status,
    TextDelta,
    ToolDelta,
    Usage,
    cost_of,
    status_of,
)
from penstock.errors import GuardRefused, PenstockError, Unanswered
from penstock.questions import SemanticMatch, request_hash

__all__ = ["Answer", "Chunk", "ToolCall", "request_hash"]

_NO_USAGE = Usage()
_SHOWN = 60


class ToolCall(dict[str, Any]):
    """A tool call in OpenAI's form, and what it says, read.

    `arguments` are those of the function that was given as the tool, of its parameters' types; of another tool plain
    JSON. None when they can't be read: `fault` says why, and `["function"]["arguments"]` is the text.
    """

    __slots__ = ("arguments", "fault")

    def __init__(
        self, call: dict[str, Any], read: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None
    ) -> None:
        """`read` is given a function's name and its arguments as JSON values; it raises `ValueError`."""
        super().__init__(call)
        self.arguments: dict[str, Any] | None = None
        self.fault: str | None = None
        said = self._function.get("arguments")
        try:
            found = msgspec.json.decode(said) if isinstance(said, str) and said.strip() else said or {}
            if not isinstance(found, dict):
                raise ValueError("the arguments are no object")
            self.arguments = found if read is None else read(self.name, found)
        except (ValueError, RecursionError) as error:
            self.fault = str(error)

    @property
    def id(self) -> str:
        return str(self.get("id") or "")

    @property
    def name(self) -> str:
        return str(self._function.get("name") or "")

    @property
    def _function(self) -> dict[str, Any]:
        function = self.get("function")
        return function if isinstance(function, dict) else {}

    def __reduce__(self) -> tuple[Any, ...]:
        return (ToolCall, (dict(self),), (None, {"arguments": self.arguments, "fault": self.fault}))


class Answer:
    """One request's answer, whole; or, from `map` and `run`, how it ended without one (`status` "failed", `error`).

    A value: nothing changes it.
    """

    __slots__ = ("_body", "_calls", "_completion", "_model", "error", "parsed", "prompt")

    def __init__(
        self,
        completion: Completion | None,
        *,
        body: dict[str, Any],
        model: str | None = None,
        error: PenstockError | None = None,
        prompt: PromptVersion | None = None,
        parsed: Any = None,
        calls: list[ToolCall] | None = None,
    ) -> None:
        assert (completion is None) != (error is None)
        self._completion = completion
        self._body = body
        self._model = model
        self.error = error
        """Why there is no answer, an `Unanswered` when anything was sent; None when there is one."""
        self.prompt = prompt
        """The `penstock.Prompt` that was asked: its `name`, `version` and `hash`; None for any other prompt."""
        self.parsed = parsed
        """What was asked for with `schema`: an instance of the type, or plain JSON of a JSON Schema; None without."""
        self._calls = calls

    @property
    def text(self) -> str:
        """The first choice's text; "" when it has none."""
        return self._completion.text if self._completion else ""

    @property
    def message(self) -> Message:
        """The assistant message in OpenAI's form, ready to be appended to the messages; {} without an answer."""
        return self._completion.message if self._completion and self._completion.choices else {}

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Every choice, where more than one was asked for."""
        return self._completion.choices if self._completion else ()

    @property
    def vectors(self) -> tuple[Any, ...]:
        """Embeddings, in the order of the inputs."""
        return self._completion.vectors if self._completion else ()

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls in OpenAI's form, with their arguments read; [] when there is none."""
        if self._calls is None:
            self._calls = [ToolCall(call) for call in self.message.get("tool_calls") or () if isinstance(call, dict)]
        return list(self._calls)

    @property
    def messages(self) -> list[Message]:
        """The messages that were asked, those of tools among them, and the answer's; [] of what was no chat."""
        asked = self._body.get("messages")
        return [*asked, *([self.message] if self.message else ())] if isinstance(asked, list) else []

    @property
    def status(self) -> Status:
        """success, truncated (at max_tokens), filtered, or failed."""
        return status_of(self._completion) if self._completion else "failed"

    @property
    def finish_reason(self) -> Finish | None:
        return self._completion.finish if self._completion else None

    @property
    def usage(self) -> Usage:
        """Tokens; zeros when the provider didn't say."""
        return (self._completion.usage if self._completion else None) or _NO_USAGE

    @property
    def cost(self) -> float | None:
        """US dollars for all its attempts, those that lost or failed included; None when a price isn't known.

        0.0 for an answer from a cache."""
        return self._completion.cost_usd if self._completion else cost_of(self.attempts)

    @property
    def model(self) -> str:
        """The model that answered, in the provider's words; the one that was asked where it names none."""
        said = self._completion
        return (said.model or said.target.partition("/")[2]) if said else ""

    @property
    def target(self) -> str:
        """Who answered, as `provider/model`; without an answer, who was tried last."""
        if self._completion:
            return self._completion.target
        return self.attempts[-1].target if self.attempts else ""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every request that was sent for it: target, times in seconds from the first send, and outcome."""
        if self._completion:
            return self._completion.attempts
        return self.error.attempts if isinstance(self.error, Unanswered) else ()

    @property
    def latency_s(self) -> float:
        """Seconds from the first send."""
        if self._completion:
            return self._completion.latency_s
        return max((attempt.ended_s or 0.0 for attempt in self.attempts), default=0.0)

    @property
    def cached(self) -> bool:
        return self._completion.cached if self._completion else False

    @property
    def semantic(self) -> SemanticMatch | None:
        """Which question it was given to when that was another one that means the same; None for all other answers."""
        return self._completion.semantic if self._completion else None

    @property
    def guards(self) -> tuple[Finding, ...]:
        """What the guards of its route found, where, and what was done; () when nothing was found."""
        if self._completion:
            return self._completion.guards
        return self.error.guards if isinstance(self.error, GuardRefused) else ()

    @property
    def request_hash(self) -> str:
        """`penstock.request_hash` of the body that was asked, with its model when the request named one."""
        return request_hash(self._body if self._model is None else {**self._body, "model": self._model})

    @property
    def request_id(self) -> str | None:
        """The provider's id of the request, for its support."""
        if self._completion:
            return self._completion.request_id
        last = self.error.last if isinstance(self.error, Unanswered) else None
        return last.request_id if last else None

    @property
    def malformed_events(self) -> int:
        """Events of the stream that were no JSON and had to be left out, after a part of the answer had come: what is
        here may lack what they held. 0 in an answer that came in one piece."""
        return self._completion.malformed_events if self._completion else 0

    @property
    def raw(self) -> bytes:
        """The provider's body, untouched; b"" for a stream, without an answer, and where a guard changed it."""
        return self._completion.raw if self._completion else b""

    def to_dict(self) -> dict[str, Any]:
        """Everything but `raw` as plain JSON values."""
        plain: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("text", "message", "tool_calls", "status", "finish_reason", "cost", "model", "target")
        }
        plain["usage"] = msgspec.to_builtins(self.usage)
        plain["attempts"] = msgspec.to_builtins(self.attempts)
        for name in ("latency_s", "cached", "request_hash", "request_id", "malformed_events"):
            plain[name] = getattr(self, name)
        plain["semantic"] = msgspec.to_builtins(self.semantic)
        plain["guards"] = msgspec.to_builtins(self.guards)
        plain["prompt"] = msgspec.to_builtins(self.prompt)
        plain["error"] = {"code": _code(self.error), "message": str(self.error)} if self.error else None
        return plain

    def __repr__(self) -> str:
        said = self.text if self.error is None else str(self.error)
        shown = said if len(said) <= _SHOWN else said[: _SHOWN - 3] + "..."
        return f"Answer({self.status}, {self.target!r}, {shown!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        told = (self._completion, self._body, self._model, self.error, self.prompt, self.parsed, self._calls)
        return (_rebuild, told)


def _rebuild(
    completion: Completion | None,
    body: dict[str, Any],
    model: str | None,
    error: PenstockError | None,
    prompt: PromptVersion | None = None,
    parsed: Any = None,
    calls: list[ToolCall] | None = None,
) -> Answer:
    return Answer(completion, body=body, model=model, error=error, prompt=prompt, parsed=parsed, calls=calls)


def _code(error: PenstockError) -> str:
    return error.kind if isinstance(error, Unanswered) else type(error).__name__


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed answer. The last one has no text of its own: it says how the answer ended."""

    text: str = ""
    reasoning: str = ""
    tool_call_delta: ToolDelta | None = None
    choice: int = 0
    is_last: bool = False
    finish_reason: Finish | None = None
    """On the last chunk."""
    usage: Usage | None = None
    """On the last chunk, when the provider said it."""
    partial: Any = None
    """With `schema`: what is known of the answer so far, as plain JSON; None before its first brace."""

    @classmethod
    def of(cls, event: Event) -> Chunk | None:
        """The chunk of an event that a reader sees, None for the others."""
        make = _CHUNKS.get(type(event))
        return make(event) if make else None


def _text_chunk(event: Any) -> Chunk:
    return Chunk(text=event.text, choice=event.choice)


def _reasoning_chunk(event: Any) -> Chunk:
    return Chunk(reasoning=event.text, choice=event.choice)


def _tool_chunk(event: Any) -> Chunk:
    return Chunk(tool_call_delta=event, choice=event.choice)


_CHUNKS: dict[type, Callable[[Any], Chunk]] = {
    TextDelta: _text_chunk,
    RefusalDelta: _text_chunk,
    ReasoningDelta: _reasoning_chunk,
    ToolDelta: _tool_chunk,
}

"""From a stream's bytes to events: chat and text completions of OpenAI and of everyone who speaks its wire.

What vendors do differently is in WIRE notes beside each rule; the order of events that comes out is always the same:
`Started` first, then what is said, `Finished` once for each choice, `UsageUpdate` whenever the count changed.
"""

from __future__ import annotations

from typing import Any, Literal

from penstock.call import (
    Event,
    Finish,
    Finished,
    Kind,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
)
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.wire.bending import decoded
from penstock.wire.calls import id_of_its_own
from penstock.wire.fault import fault_in, tells
from penstock.wire.openai.chunks import further, split_parts
from penstock.wire.openai.pieces import decode_fragment, decode_text, decode_thought
from penstock.wire.openai.shapes import Chunk, ChunkChoice, Delta, ToolFragment, decode_chunk
from penstock.wire.openai.words import finish_of, sources_of, usage_of
from penstock.wire.refusals import in_band
from penstock.wire.sse import ServerEvent, SSEDecoder
from penstock.wire.streaming import StreamState, last_events, loose

__all__ = ["StreamDecoder"]


_PARTS = ("audio", "images", "annotations", "reasoning_details")


class _Choice:
    """What one of the answers has said so far."""

    __slots__ = ("finish", "finish_raw", "given", "keys", "nameless", "said", "tools")

    def __init__(self) -> None:
        self.said = False
        self.finish: Finish | None = None
        self.finish_raw: str | None = None
        self.tools: list[str] = []
        """The id of each tool call, in order of appearance; "" while it hasn't come."""
        self.given: list[str] = []
        """The ids as the provider gave them: two calls may share one."""
        self.keys: dict[int, int] = {}
        """From the provider's index to ours, which counts from 0."""
        self.nameless: set[int] = set()
        """Calls whose name hasn't come yet."""

    def place(self, fragment: ToolFragment, stem: str) -> tuple[int, bool]:
        """Our index of a fragment's tool call, and whether it is new.

        Some vendors leave the index out (then a new id or a name begins a call), begin at another number, or give
        every call index 0 (then a new id together with a name begins one); later ids are often "" or repeated. An id
        may also come behind its call's beginning.
        """
        if not fragment.id and fragment.index in self.keys:
            return self.keys[fragment.index], False
        named = bool(fragment.function is not None and fragment.function.name)
        known = self.given.index(fragment.id) if fragment.id and fragment.id in self.given else None
        if fragment.index is None:
            if known is not None:
                return known, False
            if not named and self.tools and not (fragment.id and self.tools[-1]):
                return len(self.tools) - 1, False
            return self._add(fragment, stem), True
        at = self.keys.get(fragment.index)
        if at is not None and known is not None and self.given[at] == fragment.id:
            return at, False
        if at is not None and not (fragment.id and named and known is None and self.tools[at]):
            return (known if known is not None else at), False
        if known is not None and at is None and not named:
            self.keys[fragment.index] = known
            return known, False
        self.keys[fragment.index] = len(self.tools)
        return self._add(fragment, stem), True

    def _add(self, fragment: ToolFragment, stem: str) -> int:
        given = fragment.id or ""
        self.tools.append(id_of_its_own(stem, len(self.tools)) if given and given in self.given else given)
        self.given.append(given)
        return len(self.tools) - 1


class StreamDecoder(StreamState):
    """One stream's state: a `penstock.wire.codec.Decoder`."""

    __slots__ = (
        "_choices",
        "_held",
        "_kind",
        "_piece",
        "_sources",
        "_sse",
        "_started",
        "_stem_of_ids",
        "_usage",
        "_vendor",
        "_whole",
    )

    def __init__(self, kind: Kind, vendor: Vendor) -> None:
        super().__init__()
        self._kind = kind
        self._vendor = vendor
        self._sse = SSEDecoder()
        self._choices: dict[int, _Choice] = {}
        self._piece: Literal["text", "call", "thought"] = "text"
        """What the last event was a piece of."""
        self._sources: list[dict[str, Any]] = []
        self._started = False
        self._stem_of_ids = ""
        self._usage: Usage | None = None
        self._held: list[Finished] = []
        self._whole: str | None = None

    def _read(self, data: bytes, events: list[Event]) -> None:
        for event in self._sse.feed(data):
            if not (self._flows and event.event != "error" and self._take_piece(event.data, events)):
                self._take(event, events)
                if self._over or self._failure is not None:
                    break

    def _conclude(self, events: list[Event]) -> None:
        for event in last_events(self._sse):
            self._take(event, events)
        self._failure = self._failure or self._verdict()
        if self._failure is not None:
            return
        if self.malformed_events and self._is_proven_whole():
            self.malformed_events = 0
        for index, choice in sorted(self._choices.items()):
            if choice.finish is None:
                self._finish(index, choice, None, events)
        if self._sources:
            events.append(PartDelta({"annotations": self._sources}))
        events.extend(self._held)
        self._held.clear()
        self._tell(self._usage, events)

    def _verdict(self) -> CallError | None:
        """Why this is no whole answer: None when it is one."""
        open_choices = any(choice.finish is None for choice in self._choices.values())
        if not self._over and (open_choices or not self._choices):
            begun = self._started or bool(self._choices)
            return self._cut("a finish reason", begun=begun, stray=self._sse.first_stray)
        if not any(choice.said or choice.finish in ("length", "content_filter") for choice in self._choices.values()):
            return self._error("empty", "the stream ended without text, tool call or refusal")
        return None

    def _is_proven_whole(self) -> bool:
        """Whether the events that nobody could read were no part of the answer.

        The vendor's own whole text says so, or a count of tokens of which each one came: none was in what was lost.
        """
        if len(self._choices) != 1 or any(choice.tools for choice in self._choices.values()):
            return False
        if self._whole is not None:
            return self._whole == self.partial
        usage = self._usage
        return usage is not None and 0 < usage.output_tokens - usage.reasoning_tokens <= len(
            list(filter(None, self._text))
        )

    def _is_event(self, said: dict[str, Any]) -> bool:
        choices = said.get("choices")
        return isinstance(choices, list) and any(
            isinstance(choice, dict) and "delta" in choice and "message" not in choice for choice in choices
        )

    def _take_piece(self, data: bytes, events: list[Event]) -> bool:
        """Take an event that is a piece like the one before it; False for any other."""
        try:
            if self._piece == "text":
                piece = decode_text(data).choices[0].delta.content
                if piece:
                    self._text.append(piece)
                    events.append(TextDelta(piece))
            elif self._piece == "call":
                (fragment,) = decode_fragment(data).choices[0].delta.tool_calls
                at, piece = self._choices[0].keys[fragment.index], fragment.function.arguments
                if piece:
                    events.append(ToolDelta(at, "", "", piece))
            else:
                delta = decode_thought(data).choices[0].delta
                thought = delta.reasoning_content or delta.reasoning
                if thought:
                    events.append(ReasoningDelta(thought))
        except (ValueError, KeyError, RecursionError):
            self._stem()
            return False
        return True

    def _flow(self, piece: Literal["text", "call", "thought"] = "text") -> None:
        self._piece = piece
        super()._flow()

    def _take(self, event: ServerEvent, events: list[Event]) -> None:
        data = event.data
        if not data or self._over:
            return
        if event.event == "error":
            self._failure = self._in_band(loose(data), data)
            return
        try:
            chunk, _ = decoded(data, decode_chunk)
        except ValueError:
            self._unreadable(data)
            return
        said = chunk.usage
        if chunk.choices:
            for choice in chunk.choices:
                self._take_choice(choice, chunk, events)
                said = said or choice.usage
                if choice.error:
                    self._failure = self._in_band({"error": choice.error}, data) or self._failure
        if chunk.citations or chunk.search_results:
            self._sources = sources_of(chunk.citations, chunk.search_results)
        if chunk.x_groq is not None:
            said = said or chunk.x_groq.usage
            if chunk.x_groq.error:
                self._failure = self._in_band({"error": chunk.x_groq.error}, data)
        if said is not None:
            self._usage = usage_of(said, reasoning_outside=self._vendor.reasoning_outside) or self._usage
            if self._said:
                self._tell(self._usage, events)
        if not self._started and (chunk.id or chunk.model):
            self._start(chunk, events)
        if chunk.error is not None or (chunk.choices is None and said is None):
            self._take_odd(chunk, data)

    def _take_odd(self, chunk: Chunk, data: bytes) -> None:
        """An object that is no part of an answer: an error in one of its shapes, or something to ignore."""
        whole = loose(data)
        if tells(chunk.error) or fault_in(whole) is not None:
            self._failure = self._in_band(whole, data)

    def _in_band(self, whole: Any, data: bytes) -> CallError | None:
        """The error; None when it only repeats that the answer was cut short (OpenRouter: "Token limit reached")."""
        if self._choices and all(choice.finish == "length" for choice in self._choices.values()):
            return None
        return in_band(whole, data, partial=self.partial)

    def _unreadable(self, data: bytes) -> None:
        if data.strip() == b"[DONE]":
            self._over = True
        else:
            super()._unreadable(data)

    def _start(self, chunk: Chunk, events: list[Event]) -> None:
        self._started = True
        self._stem_of_ids = chunk.id or str(chunk.created or "")
        events.append(Started(chunk.model or "", chunk.id or "", chunk.created or 0))

    def _take_choice(self, said: ChunkChoice, chunk: Chunk, events: list[Event]) -> None:
        choice = self._choices.get(said.index)
        if choice is None:
            choice = self._choices[said.index] = _Choice()
        if not self._started:
            self._start(chunk, events)
        if said.message is not None and said.delta is not None and isinstance(said.message.content, str):
            self._whole = said.message.content
        # Perplexity repeats the whole message beside each delta; a server that doesn't stream sends only a message.
        delta = said.delta if said.delta is not None else (None if choice.said else said.message)
        if delta is not None:
            self._take_delta(delta, said, choice, events)
        # Together sends `text` beside each delta of a chat.
        if said.text and (delta is None or self._kind == "completion"):
            self._say(choice, TextDelta(said.text, said.index, said.logprobs), events)
        if said.finish_reason and choice.finish is None:
            self._finish(said.index, choice, said.finish_reason, events)

    def _take_delta(self, delta: Delta, said: ChunkChoice, choice: _Choice, events: list[Event]) -> None:
        index = said.index
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            self._said = True
            events.append(ReasoningDelta(thought, index))
            if index == 0:
                self._flow("thought")
        content = delta.content
        if isinstance(content, list):
            content, thought, references, _ = split_parts(content)
            if thought:
                self._said = True
                events.append(ReasoningDelta(thought, index))
            if references:
                before = len(self.partial) if index == 0 else 0
                events.append(PartDelta({"references": further(references, before)}, index))
        if content or (said.logprobs is not None and content is not None):
            self._say(choice, TextDelta(content, index, said.logprobs), events)
            if index == 0 and said.logprobs is None:
                self._flow("text")
        if delta.refusal:
            self._say(choice, RefusalDelta(delta.refusal, index), events)
        if delta.tool_calls:
            for fragment in delta.tool_calls if len(delta.tool_calls) == 1 else _apart(delta.tool_calls):
                self._take_tool(fragment, choice, index, events)
        if delta.function_call is not None:
            made = id_of_its_own(self._stem_of_ids, 0)
            self._take_tool(ToolFragment(0, made, delta.function_call), choice, index, events)
        if delta.audio or delta.images or delta.annotations or delta.reasoning_details:
            self._take_parts(delta, choice, index, events)

    def _take_parts(self, delta: Delta, choice: _Choice, index: int, events: list[Event]) -> None:
        """Sound and images are answers of their own; sources and signatures only belong to one."""
        fields = {name: value for name in _PARTS if (value := getattr(delta, name))}
        self._said = True
        choice.said = choice.said or "audio" in fields or "images" in fields
        events.append(PartDelta(fields, index))

    def _take_tool(self, fragment: ToolFragment, choice: _Choice, index: int, events: list[Event]) -> None:
        at, is_new = choice.place(fragment, self._stem_of_ids)
        function = fragment.function
        arguments = (function.arguments or "") if function is not None else ""
        name = (function.name or "") if function is not None else ""
        id_ = ""
        if is_new:
            id_ = choice.tools[at]
            if not name:
                choice.nameless.add(at)
        else:
            if fragment.id and not choice.tools[at]:
                id_ = choice.tools[at] = choice.given[at] = fragment.id
            if name and at in choice.nameless:
                choice.nameless.discard(at)
            else:
                name = ""
        if is_new or id_ or name or arguments or fragment.extra_content:
            self._say(choice, ToolDelta(at, id_, name, arguments, index, fragment.extra_content), events)
        if index == 0 and fragment.index in choice.keys:
            self._flow("call")

    def _say(self, choice: _Choice, event: TextDelta | RefusalDelta | ToolDelta, events: list[Event]) -> None:
        choice.said = self._said = True
        if event.choice == 0 and isinstance(event, TextDelta):
            self._text.append(event.text)
        events.append(event)

    def _finish(self, index: int, choice: _Choice, raw: str | None, events: list[Event]) -> None:
        choice.finish = finish = finish_of(raw, has_tool_calls=bool(choice.tools))
        for at, id_ in enumerate(choice.tools):
            if not id_:
                choice.tools[at] = id_of_its_own(self._stem_of_ids, at)
                events.append(ToolDelta(at, choice.tools[at], choice=index))
        if finish == "error":
            self._failure = self._error("server_error", f"generation ended with {raw!r}")
        elif choice.said or finish in ("length", "content_filter"):
            events.append(Finished(finish, raw, index))
        else:
            # Nothing was said: held until the end, so that an empty answer is a failed attempt and not a finished one.
            self._held.append(Finished(finish, raw, index))


def _apart(fragments: list[ToolFragment]) -> list[ToolFragment]:
    """The fragments of one event; a name at an index that was named before it begins another call (Gemini)."""
    named: set[int | None] = set()
    apart = []
    for fragment in fragments:
        has_name = bool(fragment.function is not None and fragment.function.name)
        if has_name and fragment.index in named and not fragment.id:
            fragment = ToolFragment(None, None, fragment.function, fragment.extra_content)
        elif has_name:
            named.add(fragment.index)
        apart.append(fragment)
    return apart

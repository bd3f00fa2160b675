"""From a stream's typed events to ours: `Started` first, then what is said, the usage, and `Finished` once.

Each thing is told up to three times on this wire: piece by piece, whole when its item is done, and again in the
response at the end. It is taken where it is first told, so that servers which leave some of it out are understood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from penstock.call import (
    Event,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
)
from penstock.catalog import Vendor
from penstock.wire.bending import decoded
from penstock.wire.fault import fault_in
from penstock.wire.refusals import in_band
from penstock.wire.responses.reply import Heard, call_of, said_by
from penstock.wire.responses.words import finish_of, image_of, source_of, thought_texts, thoughts_of, usage_of
from penstock.wire.sse import ServerEvent, SSEDecoder
from penstock.wire.streaming import StreamState, last_events, loose

__all__ = ["StreamDecoder"]

_Object = dict[str, Any]


class _Event(msgspec.Struct, gc=False):
    """One event; what is rarely wanted stays as it came."""

    type: str = ""
    delta: Any = None
    logprobs: Any = None
    output_index: int | None = None
    item_id: str | None = None
    summary_index: int | None = None
    content_index: int | None = None
    arguments: Any = None
    input: Any = None
    annotation: Any = None
    error: Any = None
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()

    @property
    def place(self) -> int | str | None:
        """Which item it is about."""
        return self.item_id if self.output_index is None else self.output_index


class _Text(msgspec.Struct, tag_field="type", tag="response.output_text.delta", gc=False):
    """A piece of text and nothing else, as most events of a stream are."""

    delta: str
    output_index: int
    logprobs: Annotated[list[None], msgspec.Meta(max_length=0)] | None = None


_decode = msgspec.json.Decoder(_Event).decode


class _Arguments(msgspec.Struct, tag_field="type", tag="response.function_call_arguments.delta", gc=False):
    """The same of a tool's arguments."""

    delta: str
    output_index: int


_decode_piece = msgspec.json.Decoder(_Text | _Arguments).decode
_Place = int | str | None


class StreamDecoder(StreamState):
    """One stream's state: a `penstock.wire.codec.Decoder`."""

    __slots__ = (
        "_answered",
        "_sourced",
        "_spoke",
        "_sse",
        "_started",
        "_thinking",
        "_thoughts",
        "_tools",
        "_vendor",
        "_written",
    )

    def __init__(self, vendor: Vendor) -> None:
        super().__init__()
        self._vendor = vendor
        self._sse = SSEDecoder()
        self._started = self._answered = False
        self._tools: dict[_Place, int] = {}
        """From an item's place to our number of the call."""
        self._written: set[_Place] = set()
        """The places of items of which something was told."""
        self._sourced: set[_Place] = set()
        self._spoke = self._thoughts = 0
        self._thinking: tuple[Any, ...] | None = None
        """Which thought was told last."""

    def _read(self, data: bytes, events: list[Event]) -> None:
        for event in self._sse.feed(data):
            if not (self._flows and self._take_piece(event.data, events)):
                self._take(event, events)
                if self._over or self._failure is not None:
                    break

    def _take_piece(self, data: bytes, events: list[Event]) -> bool:
        """Take an event that is a piece of text or of arguments, like one before it; False for any other."""
        try:
            piece = _decode_piece(data)
            if type(piece) is _Arguments:
                if piece.delta:
                    events.append(ToolDelta(self._tools[piece.output_index], arguments=piece.delta))
                    self._written.add(piece.output_index)
            elif piece.delta:
                self._said = self._answered = True
                self._written.add(piece.output_index)
                self._text.append(piece.delta)
                events.append(TextDelta(piece.delta))
        except (ValueError, KeyError, RecursionError):
            self._stem()
            return False
        return True

    def _conclude(self, events: list[Event]) -> None:
        if self._over:
            return
        for event in last_events(self._sse):
            self._take(event, events)
        if not self._over and self._failure is None:
            begun = self._started or self._said
            self._failure = self._cut("response.completed", begun=begun, stray=self._sse.first_stray)

    def _take(self, sent: ServerEvent, events: list[Event]) -> None:
        data = sent.data
        if not data or self._over:
            return
        try:
            event, _ = decoded(data, _decode)
        except ValueError:
            # Some end a stream as chats end, which says nothing here.
            if data.strip() != b"[DONE]":
                self._unreadable(data)
            return
        kind = event.type or sent.event
        if kind == "response.output_text.delta":
            text = event.delta
            if text.__class__ is str and text:
                self._written.add(event.place)
                self._say(text, event.logprobs, events)
                self._flow()
            return
        take = _TAKES.get(kind)
        if take is None:
            if event.error or kind == "error" or not kind:
                self._fail(loose(data), data)
            if not event.type and self._failure is None:
                self._take_framed(data, events)
            return
        try:
            take(self, event, events)
        except (ValueError, RecursionError):
            # An item or a response in it is broken.
            self._unreadable(data)

    def _fail(self, whole: Any, data: bytes) -> None:
        """An error in one of its shapes; an object without any says nothing."""
        if fault_in(whole) is not None:
            self._failure = in_band(whole, data, partial=self.partial)

    def _say(self, text: str, logprobs: Any, events: list[Event]) -> None:
        self._said = self._answered = True
        self._text.append(text)
        events.append(TextDelta(text, 0, {"content": logprobs} if logprobs else None))

    # -- one function for each type of event

    def _start(self, event: _Event, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            events.append(Started(**said_by(_object(event.response))))

    def _open(self, event: _Event, events: list[Event]) -> None:
        item = _object(event.item)
        if item.get("type") == "message":
            self._spoke = max(self._spoke, 1 + len(self._tools))
        elif (call := call_of(item, len(self._tools))) is not None:
            self._call(_place_of(event, item), call, events)

    def _close(self, event: _Event, events: list[Event]) -> None:
        item = _object(event.item)
        self._hear(_place_of(event, item), item, events)

    def _grow(self, event: _Event, events: list[Event]) -> None:
        if isinstance(event.delta, str) and event.delta:
            self._write(event.place, event.delta, events)
            self._flow()

    def _written_whole(self, event: _Event, events: list[Event]) -> None:
        arguments = event.arguments if event.arguments is not None else event.input
        if isinstance(arguments, str) and arguments and event.place not in self._written:
            self._write(event.place, arguments, events)

    def _refuse(self, event: _Event, events: list[Event]) -> None:
        if isinstance(event.delta, str) and event.delta:
            self._written.add(event.place)
            self._said = self._answered = True
            events.append(RefusalDelta(event.delta))

    def _sum_up(self, event: _Event, events: list[Event]) -> None:
        self._ponder((event.place, "summary", event.summary_index), event, events)

    def _reason(self, event: _Event, events: list[Event]) -> None:
        self._ponder((event.place, "text", event.content_index), event, events)

    def _ponder(self, which: tuple[Any, ...], event: _Event, events: list[Event]) -> None:
        if isinstance(event.delta, str) and event.delta:
            self._written.add(event.place)
            self._think(which, event.delta, events)

    def _cite(self, event: _Event, events: list[Event]) -> None:
        source = source_of(event.annotation)
        if source is not None:
            self._sourced.add(event.place)
            events.append(PartDelta({"annotations": [source]}))

    def _end(self, event: _Event, events: list[Event]) -> None:
        """The whole response, once more: the ending and the usage, and the answer where it came in no other way."""
        response = _object(event.response)
        if response.get("status") in ("failed", "cancelled"):
            self._break(event, events)
            return
        if not self._started:
            self._started = True
            events.append(Started(**said_by(response)))
        output = response.get("output")
        output = output if isinstance(output, list) else []
        if not self._answered:
            told = ("reasoning",) if self._thoughts else ()
            for place, item in enumerate(output):
                if isinstance(item, dict) and item.get("type") not in told:
                    self._hear(place, item, events)
        if self.malformed_events:
            self._mend(output, events)
        finish, word = finish_of(response, has_tool_calls=bool(self._tools))
        self._over = True
        self._tell(usage_of(response.get("usage"), reasoning_outside=self._vendor.reasoning_outside), events)
        if self._answered or finish in ("length", "content_filter"):
            events.append(Finished(finish, word))
        else:
            self._failure = self._error("empty", "the stream ended without text, tool call or refusal")

    def _break(self, event: _Event, events: list[Event]) -> None:  # noqa: ARG002
        response = _object(event.response)
        status = response.get("status") or "failed"
        said = response.get("error") or {"type": "server_error", "message": f"generation ended with {status!r}"}
        self._failure = in_band({"error": said}, bytes(event.response), partial=self.partial)

    # -- what they have in common

    def _hear(self, place: _Place, item: _Object, events: list[Event]) -> None:
        """An item that is done: what wasn't told of it yet."""
        is_told = place in self._written
        self._written.add(place)
        if item.get("type") == "reasoning":
            for number, text in enumerate(() if is_told else thought_texts(item)):
                self._think((place, "whole", number), text, events)
            details = thoughts_of(item, self._thoughts, self._spoke)
            self._thoughts += 1
            if details:
                events.append(PartDelta({"reasoning_details": details}))
        elif (call := call_of(item, len(self._tools))) is not None:
            self._call(place, call, events)
            if not is_told and call["function"]["arguments"]:
                self._write(place, call["function"]["arguments"], events)
        elif (image := image_of(item)) is not None:
            self._said = self._answered = True
            events.append(PartDelta({"images": [image]}))
        else:
            self._repeat(place, item, events, is_told=is_told)

    def _repeat(self, place: _Place, item: _Object, events: list[Event], *, is_told: bool) -> None:
        heard = Heard()
        heard.take([item])
        self._answered |= heard.acts
        if not is_told:
            if any(heard.text):
                self._say("".join(heard.text), heard.logprobs, events)
            if any(heard.refusal):
                self._said = self._answered = True
                events.append(RefusalDelta("".join(heard.refusal)))
        if heard.sources and place not in self._sourced:
            events.append(PartDelta({"annotations": heard.sources}))

    def _call(self, place: _Place, call: _Object, events: list[Event]) -> None:
        """A tool's call begins, if it hasn't yet; its arguments follow."""
        if place in self._tools:
            return
        number = self._tools[place] = len(self._tools)
        self._spoke += 1
        self._said = self._answered = True
        events.append(ToolDelta(number, call["id"], call["function"]["name"]))

    def _write(self, place: _Place, arguments: str, events: list[Event]) -> None:
        number = self._tools.get(place)
        if number is not None:
            self._written.add(place)
            events.append(ToolDelta(number, arguments=arguments))

    def _think(self, which: tuple[Any, ...], text: str, events: list[Event]) -> None:
        self._said = True
        begins = self._thinking is not None and self._thinking != which
        self._thinking = which
        events.append(ReasoningDelta(f"\n\n{text}" if begins else text))

    def _mend(self, output: list[Any], events: list[Event]) -> None:
        """Events that nobody could read are no loss where the whole text tells what was in them."""
        heard = Heard()
        heard.take(output)
        whole, told = "".join(heard.text), self.partial
        if whole.startswith(told) and not heard.calls and not any(heard.refusal):
            self.malformed_events = 0
            if len(whole) > len(told):
                self._say(whole[len(told) :], None, events)


def _object(raw: msgspec.Raw) -> _Object:
    """What was kept as it came. Raises `ValueError` when it is no JSON."""
    found = decoded(bytes(raw), msgspec.json.decode)[0] if raw else None
    return found if isinstance(found, dict) else {}


def _place_of(event: _Event, item: _Object) -> _Place:
    if event.output_index is not None:
        return event.output_index
    id_ = item.get("id")
    return id_ if isinstance(id_, str) else None


_Take = Callable[[StreamDecoder, _Event, list[Event]], None]
_TAKES: Final[dict[str, _Take]] = {
    **dict.fromkeys(("response.created", "response.queued", "response.in_progress"), StreamDecoder._start),
    "response.output_item.added": StreamDecoder._open,
    "response.output_item.done": StreamDecoder._close,
    "response.function_call_arguments.delta": StreamDecoder._grow,
    "response.custom_tool_call_input.delta": StreamDecoder._grow,
    "response.function_call_arguments.done": StreamDecoder._written_whole,
    "response.custom_tool_call_input.done": StreamDecoder._written_whole,
    "response.refusal.delta": StreamDecoder._refuse,
    "response.reasoning_summary_text.delta": StreamDecoder._sum_up,
    "response.reasoning_text.delta": StreamDecoder._reason,
    "response.output_text.annotation.added": StreamDecoder._cite,
    **dict.fromkeys(("response.completed", "response.incomplete", "response.done"), StreamDecoder._end),
    **dict.fromkeys(("response.failed", "response.cancelled"), StreamDecoder._break),
}

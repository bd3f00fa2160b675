"""A stream as OpenAI sends it: each item opened, told piece by piece, closed, and the whole response at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from penstock.call import (
    Call,
    Event,
    Finish,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError
from penstock.wire.refusals import error_object
from penstock.wire.responses.server import PREFIXES, ending_of, made_image, response_object
from penstock.wire.responses.words import marked_annotation, reasoning_items, usage_object

__all__ = ["StreamEncoder"]

_encode = msgspec.json.Encoder().encode
_Object = dict[str, Any]


class _Words(NamedTuple):
    """What the events of one kind of item are called, and what is in them."""

    item: _Object
    """The item as it is opened."""
    holder: str
    """Where its parts are."""
    part: Callable[[str], _Object]
    part_added: str
    delta: str
    done: str
    part_done: str


def _message(name: str, part: Callable[[str], _Object]) -> _Words:
    item = {"type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part_events = ("response.content_part.added", f"response.{name}.delta", f"response.{name}.done")
    return _Words(item, "content", part, *part_events, "response.content_part.done")


_SUMMARY: Final = "response.reasoning_summary"
_EVENTS: Final[dict[str, _Words]] = {
    "output_text": _message(
        "output_text", lambda text: {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    ),
    "refusal": _message("refusal", lambda text: {"type": "refusal", "refusal": text}),
    "summary_text": _Words(
        {"type": "reasoning", "summary": []},
        "summary",
        lambda text: {"type": "summary_text", "text": text},
        f"{_SUMMARY}_part.added",
        f"{_SUMMARY}_text.delta",
        f"{_SUMMARY}_text.done",
        f"{_SUMMARY}_part.done",
    ),
}
"""By the type of the part that is told piece by piece."""


class _Item:
    """An item while it grows: `said` are the pieces of its text, refusal, summary or arguments."""

    __slots__ = ("item", "kind", "place", "said", "sources")

    def __init__(self, place: int, kind: str, item: _Object) -> None:
        self.place = place
        self.kind = kind
        self.item = item
        self.said: list[str] = []
        self.sources: list[_Object] = []


class StreamEncoder:
    """One stream's state: a `penstock.wire.codec.Encoder`. Only the first choice is told."""

    __slots__ = (
        "_asked",
        "_begun",
        "_created",
        "_finish",
        "_id",
        "_model",
        "_number",
        "_open",
        "_output",
        "_tools",
        "_usage",
    )

    def __init__(self, call: Call, *, model: str, id: str) -> None:  # noqa: A002
        self._asked = call.body
        self._model = model
        self._id = id
        self._created = 0
        self._begun = False
        self._number = 0
        self._output: list[_Item] = []
        self._open: _Item | None = None
        self._tools: dict[int, _Item] = {}
        self._usage: Usage | None = None
        self._finish: Finish = "stop"

    def feed(self, events: list[Event]) -> bytes:
        """The events that `events` make; b"" when they make none."""
        return b"".join([self._piece(event) for event in events])

    def end(self) -> bytes:
        """What is open is closed, and the whole response."""
        begun = self._begin()
        closed = self._close() + b"".join([self._closed(item) for item in self._tools.values()])
        whole = self._response() | {"output": [item.item for item in self._output]} | ending_of(self._finish)
        whole["usage"] = None if self._usage is None else usage_object(self._usage)
        return begun + closed + self._say(f"response.{whole['status']}", response=whole)

    def fail(self, error: CallError) -> bytes:
        """An error event; nothing follows it."""
        return self._say("error", **error_object(error))

    def _piece(self, event: Event) -> bytes:
        match event:
            case TextDelta(choice=0):
                return self._begin() + self._write("output_text", event.text, logprobs=event.logprobs)
            case Started():
                self._created = event.created
                return self._begin()
            case UsageUpdate():
                self._usage = event.usage
                return b""
            case Finished(choice=0):
                self._finish = event.finish
                return b""
            case RefusalDelta(choice=0):
                return self._begin() + self._write("refusal", event.text)
            case ReasoningDelta(choice=0):
                return self._begin() + self._write("summary_text", event.text)
            case ToolDelta(choice=0):
                return self._begin() + self._call(event)
            case PartDelta(choice=0):
                return self._begin() + self._parts(event.fields)
        return b""

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        response = self._response()
        return self._say("response.created", response=response) + self._say("response.in_progress", response=response)

    def _response(self) -> _Object:
        return response_object(self._model, self._id, self._created, asked=self._asked)

    # -- items

    def _write(self, kind: str, text: str, *, logprobs: Any = None) -> bytes:
        opened = self._opened(kind)
        item = self._open
        assert item is not None
        item.said.append(text)
        names = _EVENTS[kind]
        more: _Object = {"logprobs": (logprobs or {}).get("content") or []} if kind == "output_text" else {}
        return opened + self._about(item, names.delta, delta=text, **more)

    def _opened(self, kind: str) -> bytes:
        """The beginning of an item of `kind`; b"" when one is open."""
        if self._open is not None and self._open.kind == kind:
            return b""
        closed = self._close()
        names = _EVENTS[kind]
        item = self._open = self._new(kind, names.item)
        return closed + self._added(item) + self._about(item, names.part_added, part=names.part(""))

    def _new(self, kind: str, fields: _Object) -> _Item:
        place = len(self._output)
        prefix = PREFIXES[fields["type"]]
        item = _Item(place, kind, {"id": f"{prefix}_{self._id}_{place}", **fields})
        self._output.append(item)
        return item

    def _added(self, item: _Item) -> bytes:
        return self._say("response.output_item.added", output_index=item.place, item=item.item)

    def _done(self, item: _Item) -> bytes:
        return self._say("response.output_item.done", output_index=item.place, item=item.item)

    def _close(self) -> bytes:
        item, self._open = self._open, None
        return b"" if item is None else self._closed(item)

    def _closed(self, item: _Item) -> bytes:
        text = "".join(item.said)
        if item.kind == "arguments":
            item.item = {**item.item, "arguments": text, "status": "completed"}
            place = {"output_index": item.place, "item_id": item.item["id"]}
            told = self._say("response.function_call_arguments.done", **place, name=item.item["name"], arguments=text)
            return told + self._done(item)
        names = _EVENTS[item.kind]
        part = names.part(text)
        if item.kind == "output_text":
            part["annotations"] = item.sources
        item.item = {**item.item, names.holder: [part]}
        if "status" in item.item:
            item.item["status"] = "completed"
        word = "refusal" if item.kind == "refusal" else "text"
        more: _Object = {"logprobs": []} if item.kind == "output_text" else {}
        told = self._about(item, names.done, **{word: text}, **more)
        return told + self._about(item, names.part_done, part=part) + self._done(item)

    def _call(self, event: ToolDelta) -> bytes:
        item, opened = self._tools.get(event.index), b""
        if item is None:
            id_ = event.id or f"call_{event.index}"
            fields = {"type": "function_call", "status": "in_progress", "call_id": id_, "name": event.name}
            opened = self._close()
            item = self._tools[event.index] = self._new("arguments", {**fields, "arguments": ""})
            opened += self._added(item)
        if not event.arguments:
            return opened
        item.said.append(event.arguments)
        place = {"output_index": item.place, "item_id": item.item["id"]}
        return opened + self._say("response.function_call_arguments.delta", **place, delta=event.arguments)

    def _parts(self, fields: _Object) -> bytes:
        pieces: list[bytes] = []
        for source in fields.get("annotations") or ():
            pieces.append(self._source(marked_annotation(source)))
        for _, thought in reasoning_items(fields.get("reasoning_details"), stored=True):
            pieces.append(self._thought(thought))
        for image in fields.get("images") or ():
            closed = self._close()
            item = self._new("whole", made_image(image))
            pieces.append(closed + self._added(item) + self._done(item))
        return b"".join(pieces)

    def _source(self, annotation: _Object | None) -> bytes:
        if annotation is None:
            return b""
        opened = self._opened("output_text")
        item = self._open
        assert item is not None
        item.sources.append(annotation)
        number = len(item.sources) - 1
        name = "response.output_text.annotation.added"
        return opened + self._about(item, name, annotation_index=number, annotation=annotation)

    def _thought(self, thought: _Object) -> bytes:
        """A thought that must come back as it is: the end of the one that was told, or one of its own."""
        item = self._open
        if item is not None and item.kind == "summary_text":
            item.item = {
                **item.item,
                **{name: thought[name] for name in ("id", "encrypted_content") if name in thought},
            }
            return self._close()
        closed = self._close()
        item = self._new("whole", {"type": "reasoning", **thought})
        item.item = {**item.item, **thought}
        return closed + self._added(item) + self._done(item)

    # -- framing

    def _about(self, item: _Item, name: str, **fields: Any) -> bytes:
        place = {"summary_index": 0} if item.kind == "summary_text" else {"content_index": 0}
        return self._say(name, item_id=item.item["id"], output_index=item.place, **place, **fields)

    def _say(self, kind: str, /, **fields: Any) -> bytes:
        data = _encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

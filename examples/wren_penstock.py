# ruff: noqa: ARG002 - the protocol says what each method is given
"""A provider with a wire of its own, whole: Wren takes and gives one JSON object, and streams one a line.

[providers.wren]
wire = "wren_penstock:WrenCodec"
base_url = "https://api.wren.example"
"""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import Call, Choice, Completion, Event, Finish, TextDelta, Usage
from penstock.errors import VERDICTS, CallError, ErrorKind
from penstock.fold import Fold, events_of
from penstock.http import WireReply, WireRequest

ENDS: dict[str, Finish] = {"done": "stop", "cut": "length", "blocked": "content_filter", "called": "tool_calls"}
WORDS = {finish: word for word, finish in ENDS.items()}
KINDS: dict[int, ErrorKind] = {400: "bad_request", 401: "auth", 429: "rate_limited", 503: "overloaded"}
STATUSES = {kind: status for status, kind in KINDS.items()}
JSON = {"content-type": "application/json"}


class _Call(msgspec.Struct):
    id: str
    name: str
    arguments: str


class _Wren(msgspec.Struct):
    """An answer: what Wren calls the parts of one."""

    model: str = ""
    id: str = ""
    text: str = ""
    thought: str = ""
    declined: str = ""
    calls: list[_Call] = []
    end: str = ""
    tokens: Usage | None = None


class WrenCodec:
    """Wren's wire: chats only."""

    key_header = "x-wren-key"

    def __init__(self, vendor, base_url, *, headers=None):
        self.vendor, self.base_url, self.headers = vendor, base_url, {**JSON, **(headers or {})}

    # -- the client half

    def encode_request(self, call, model, *, stream):
        if call.kind != "chat":
            raise CallError("bad_request", "Wren only chats", sent=False)
        body = {**call.body, "model": model, "lines": stream}
        return WireRequest("POST", f"{self.base_url}/chat", self.headers, msgspec.json.encode(body))

    def prefills(self, model):
        return False

    def decode_reply(self, call, reply):
        said = _object(reply.body)
        if "wrong" in said:
            raise _wrong(said, reply.status)
        return _answer(said, reply.body)

    def decoder(self, call):
        return WrenLines()

    def classify(self, reply):
        try:
            said = _object(reply.body)
        except CallError:
            said = {"why": f"status {reply.status}"}
        return _wrong(said, reply.status)

    def request_id(self, headers):
        return headers.get("x-wren-id")

    def rate_limits(self, headers):
        return None

    # -- the server half, for the simulator and the exam

    def decode_request(self, request):
        body = _object(request.body)
        model, stream = body.pop("model", ""), body.pop("lines", False)
        return Call(id="wren", model=model, body=body, stream=stream)

    def encode_reply(self, completion, call=None):
        return WireReply(200, JSON, msgspec.json.encode(_said(completion)))

    def encoder(self, call, *, model, id):  # noqa: A002
        return WrenWriter()

    def encode_error(self, error):
        return WireReply(STATUSES.get(error.kind, 500), JSON, msgspec.json.encode(_told(error)))


class WrenLines:
    """Reads a stream: bytes at any split in, events out."""

    def __init__(self):
        self.rest, self.text, self.done, self.malformed_events = b"", "", False, 0
        self.failure: CallError | None = None

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        events: list[Event] = []
        for line in lines:
            if not self.done:
                self._take(line, events)
        if self.failure is not None and not events:
            raise self.failure
        return events

    def end(self):
        if self.failure is None and not self.done:
            self.failure = CallError("transport", "the stream was cut", status=200, partial=self.text)
        if self.failure is not None:
            raise self.failure
        return []

    def _take(self, line, events):
        try:
            said = _object(line)
            if "wrong" in said:
                raise _wrong(said, 200)
            if "answer" in said:  # comes last and says the rest: thoughts, calls, the ending, the usage
                whole = _answer(said["answer"], b"")
                events += [event for event in events_of(whole) if not isinstance(event, TextDelta)]
                self.done = True
            else:
                piece = str(said.get("text") or "")
                events.append(TextDelta(piece))
                self.text += piece
        except CallError as error:
            error.partial, self.failure, self.done = self.text, error, True


class WrenWriter:
    """Writes a stream: events in, bytes out."""

    def __init__(self):
        self.fold = Fold()

    def feed(self, events):
        out = b""
        for event in events:
            self.fold.add(event)
            if isinstance(event, TextDelta):
                out += msgspec.json.encode({"text": event.text}) + b"\n"
        return out

    def end(self):
        return msgspec.json.encode({"answer": _said(self.fold.completion())}) + b"\n"

    def fail(self, error):
        return msgspec.json.encode(_told(error)) + b"\n"


# -- Wren's words


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise CallError("transport", f"no JSON: {error}") from error
    if not isinstance(said, dict):
        raise CallError("transport", "JSON, but no object")
    return said


def _answer(said: dict[str, Any], raw: bytes) -> Completion:
    try:
        wren = msgspec.convert(said, _Wren)
    except msgspec.ValidationError as error:
        raise CallError("transport", f"no answer: {error}") from error
    finish = ENDS.get(wren.end, "unknown")
    says = wren.text or wren.thought or wren.declined or wren.calls
    if not says and finish not in ("length", "content_filter"):
        raise CallError("empty", "the answer says nothing")
    message: dict[str, Any] = {"role": "assistant", "content": wren.text or None}
    if wren.thought:
        message["reasoning_content"] = wren.thought
    if wren.declined:
        message["refusal"] = wren.declined
    if wren.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in wren.calls
        ]
    choice = Choice(message, finish, wren.end)
    return Completion(choices=(choice,), usage=wren.tokens, model=wren.model, id=wren.id, raw=raw)


def _said(completion: Completion) -> dict[str, Any]:
    message, calls = completion.message, completion.message.get("tool_calls") or []
    return {
        "model": completion.model,
        "id": completion.id,
        "text": message.get("content") or "",
        "thought": message.get("reasoning_content") or "",
        "declined": message.get("refusal") or "",
        "calls": [{"id": call["id"], **call["function"]} for call in calls],
        "end": WORDS.get(completion.finish, "?"),
        "tokens": completion.usage,
    }


def _wrong(said: dict[str, Any], status: int) -> CallError:
    word, wait = said.get("wrong"), said.get("wait")
    kind: ErrorKind = next((kind for kind in VERDICTS if kind == word), KINDS.get(status, "server_error"))
    return CallError(
        kind,
        str(said.get("why") or "no explanation"),
        status=status,
        code=word if isinstance(word, str) else None,
        retry_after_s=float(wait) if isinstance(wait, int | float) else None,
    )


def _told(error: CallError) -> dict[str, Any]:
    return {"wrong": error.kind, "why": error.message, "wait": error.retry_after_s}


if __name__ == "__main__":
    from penstock.catalog import vendor
    from penstock.testing import exercise_codec

    # The exam that every wire must pass. This one gives one answer to a chat.
    exercise_codec(WrenCodec(vendor("custom"), "https://api.wren.example"), kinds=("chat",), most_choices=1)
    print("Wren's wire passes the exam")

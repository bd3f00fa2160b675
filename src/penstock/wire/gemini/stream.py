"""From a stream's bytes to events: `streamGenerateContent`, as server-sent events or as a JSON array.

There is no terminator: a stream is whole when each candidate has said how it ended. Errors come framed, as bare JSON
over many lines, or in a list.
"""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import Event, Finished, Started, TextDelta, Usage, UsageUpdate
from penstock.errors import CallError, ErrorKind
from penstock.wire.gemini.errors import blocked, in_band, kept
from penstock.wire.gemini.fault import fault_in, read_fault
from penstock.wire.gemini.reading import Voice
from penstock.wire.gemini.shapes import Candidate, Reply, decode_reply
from penstock.wire.gemini.words import created_of, usage_of
from penstock.wire.sse import ServerEvent, SSEDecoder

__all__ = ["StreamDecoder"]

_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class StreamDecoder:
    """One stream's state: a `penstock.wire.codec.Decoder`."""

    __slots__ = (
        "_answer_id",
        "_failure",
        "_plain",
        "_said",
        "_sse",
        "_started",
        "_text",
        "_usage",
        "_usage_told",
        "_voices",
        "malformed_events",
    )

    def __init__(self) -> None:
        self._sse = SSEDecoder()
        self._voices: dict[int, Voice] = {}
        self._text: list[str] = []
        self._answer_id = ""
        self._started = False
        self._said = False
        self._plain: Voice | None = None
        """The first candidate, once it has begun to answer: plain text needs no look at it."""
        self._usage: Usage | None = None
        self._usage_told: Usage | None = None
        self._failure: CallError | None = None
        self.malformed_events = 0

    @property
    def done(self) -> bool:
        """When an error waits to be raised: call `end`. The wire itself has no last word."""
        return self._failure is not None

    @property
    def partial(self) -> str:
        """The first candidate's text so far."""
        return "".join(self._text)

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete now; see `Decoder.feed` for errors."""
        events: list[Event] = []
        if self._failure is None:
            try:
                for event in self._sse.feed(data):
                    self._take(event, events)
                    if self.done:
                        break
            except CallError as error:
                error.partial = self.partial
                self._failure = error
        if self._failure is not None and not events:
            raise self._failure
        return events

    def end(self) -> list[Event]:
        """The last events. Raises `CallError` when the stream was cut, empty, or had failed."""
        events: list[Event] = []
        if self._failure is None:
            for event in self._sse.end():
                if not self._sse.unterminated or _loose(event.data) is not None:
                    self._take(event, events)
        if self._failure is None:
            self._failure = self._verdict()
        if self._failure is not None:
            raise self._failure
        events += [
            Finished(voice.finish or "unknown", voice.finish_raw, index)
            for index, voice in sorted(self._voices.items())
        ]
        self._tell_usage(events)
        return events

    def _verdict(self) -> CallError | None:
        """Why this is no whole answer: None when it is one."""
        voices = self._voices.values()
        if not voices or any(voice.finish is None for voice in voices):
            return self._error("transport", self._cut())
        if not any(voice.is_answer for voice in voices):
            return self._error("empty", "the stream ended without text and function call")
        return None

    def _cut(self) -> str:
        if self._voices:
            return "the stream was cut: it ended without a finish reason"
        stray = self._sse.first_stray
        if stray[:1] == b"<":
            return f"no event stream: {read_fault(stray).message}"
        return "the stream ended before it said anything"

    def _error(self, kind: ErrorKind, why: str, body: bytes = b"") -> CallError:
        return CallError(kind, why, status=200, partial=self.partial, body=kept(body))

    def _take(self, event: ServerEvent, events: list[Event]) -> None:
        data = event.data
        if event.event == "error":
            self._failure = in_band(_loose(data), data, partial=self.partial)
            return
        if data[:1] == b"[" or not event.framed:
            self._take_bare(data.strip(), events)
        elif data:
            self._chunk(data, events)

    def _take_bare(self, data: bytes, events: list[Event]) -> None:
        """JSON outside any event: an error, or the whole stream as an array where `alt=sse` was not heard."""
        if data == b"[DONE]":
            return
        if data[:1] != b"[":
            self._chunk(data, events)
            return
        try:
            chunks = _array(data)
        except (ValueError, RecursionError):
            self._unreadable(data)
            return
        for chunk in chunks:
            if self._failure is None:
                self._chunk(bytes(chunk), events)

    def _chunk(self, data: bytes, events: list[Event]) -> None:
        try:
            said = decode_reply(data)
        except ValueError:
            self._unreadable(data)
            return
        found = said.candidates
        if found:
            text = _plain_text(found[0]) if self._plain is not None and len(found) == 1 else None
            if text is not None:
                # Most events by far, at a third of the cost.
                self._text.append(text)
                events.append(TextDelta(text))
            else:
                for candidate in found:
                    self._candidate(candidate, said, events)
        elif said.error is not None or not self._started:
            self._odd(said, data, events)
        if said.usage_metadata is not None:
            self._usage = usage_of(said.usage_metadata) or self._usage
            if self._said:
                self._tell_usage(events)
        if said.prompt_feedback is not None:
            self._blocked(said.prompt_feedback, data)

    def _odd(self, said: Reply, data: bytes, events: list[Event]) -> None:
        """An object without candidates: an error, a count of the prompt, or something to ignore."""
        if said.response_id or said.model_version:
            self._start(said, events)
        whole = _loose(data)
        if said.error or fault_in(whole) is not None:
            self._failure = in_band(whole, data, partial=self.partial)

    def _blocked(self, feedback: Any, data: bytes) -> None:
        found = blocked(feedback, data)
        if found is None:
            return
        if not self._said:
            self._failure = found
        for voice in self._voices.values():
            # The answer's beginning is out: it ends here, filtered.
            if voice.finish is None:
                voice.finish, voice.finish_raw = "content_filter", found.code

    def _unreadable(self, data: bytes) -> None:
        if self._said:
            # The caller already has a part of it; the finish reason may still come.
            self.malformed_events += 1
        else:
            self._failure = self._error("transport", "an event of the stream is no JSON object", data)

    def _start(self, said: Reply, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            self._answer_id = said.response_id or ""
            events.append(Started(said.model_version or "", self._answer_id, created_of(said.create_time)))

    def _candidate(self, candidate: Candidate, said: Reply, events: list[Event]) -> None:
        if not self._started:
            self._start(said, events)
        index = candidate.index or 0
        voice = self._voices.get(index)
        if voice is None:
            voice = self._voices[index] = Voice(index)
        before = len(events)
        voice.take(candidate, self._answer_id, events)
        if len(events) > before:
            self._said = True
            if index == 0:
                self._text += [event.text for event in events[before:] if type(event) is TextDelta]
        if voice.has_answered and index == 0:
            self._plain = voice
        if voice.has_failed:
            why = f"generation ended with {voice.finish_raw!r}"
            if voice.finish_message:
                why = f"{why}: {voice.finish_message[:300]}"
            self._failure = self._error("server_error", why)

    def _tell_usage(self, events: list[Event]) -> None:
        """Once something was said: a count alone would look like an answer."""
        if self._usage is not None and self._usage != self._usage_told:
            self._usage_told = self._usage
            events.append(UsageUpdate(self._usage))


def _plain_text(said: Candidate) -> str | None:
    """The text of a candidate's piece that is nothing but text; None for any other."""
    content = said.content
    if said.finish_reason or said.index or content is None or said.logprobs_result or said.grounding_metadata:
        return None
    parts = content.parts
    if not parts or len(parts) != 1:
        return None
    part = parts[0]
    if part.thought or part.thought_signature or part.function_call is not None or part.part_metadata is not None:
        return None
    return part.text or None


def _loose(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None

"""From a stream's bytes to events: `streamGenerateContent`, as server-sent events or as a JSON array.

There is no terminator: a stream is whole when each candidate has said how it ended. Errors come framed, as bare JSON
over many lines, or in a list.
"""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import Event, Finished, Started, TextDelta, Usage
from penstock.errors import CallError
from penstock.wire.gemini.errors import blocked, in_band
from penstock.wire.gemini.fault import fault_in
from penstock.wire.gemini.reading import Voice
from penstock.wire.gemini.shapes import Candidate, Reply, decode_reply
from penstock.wire.gemini.words import created_of, usage_of
from penstock.wire.sse import ServerEvent, SSEDecoder
from penstock.wire.streaming import StreamState, last_events, loose

__all__ = ["StreamDecoder"]

_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class StreamDecoder(StreamState):
    """One stream's state: a `penstock.wire.codec.Decoder`. The wire itself has no last word."""

    __slots__ = ("_answer_id", "_plain", "_sse", "_started", "_usage", "_voices")

    def __init__(self) -> None:
        super().__init__()
        self._sse = SSEDecoder()
        self._voices: dict[int, Voice] = {}
        self._answer_id = ""
        self._started = False
        self._plain: Voice | None = None
        """The first candidate, once it has begun to answer: plain text needs no look at it."""
        self._usage: Usage | None = None

    def _read(self, data: bytes, events: list[Event]) -> None:
        for event in self._sse.feed(data):
            self._take(event, events)
            if self._failure is not None:
                break

    def _conclude(self, events: list[Event]) -> None:
        for event in last_events(self._sse):
            self._take(event, events)
        self._failure = self._failure or self._verdict()
        if self._failure is not None:
            return
        events += [
            Finished(voice.finish or "unknown", voice.finish_raw, index)
            for index, voice in sorted(self._voices.items())
        ]
        self._tell(self._usage, events)

    def _verdict(self) -> CallError | None:
        """Why this is no whole answer: None when it is one."""
        voices = self._voices.values()
        if not voices or any(voice.finish is None for voice in voices):
            stray = self._sse.first_stray
            is_page = stray[:1] == b"<"
            return self._cut("a finish reason", begun=bool(voices), stray=stray if is_page else b"")
        if not any(voice.is_answer for voice in voices):
            return self._error("empty", "the stream ended without text and function call")
        return None

    def _take(self, event: ServerEvent, events: list[Event]) -> None:
        data = event.data
        if event.event == "error":
            self._failure = in_band(loose(data), data, partial=self.partial)
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
                self._tell(self._usage, events)
        if said.prompt_feedback is not None:
            self._blocked(said.prompt_feedback, data)

    def _odd(self, said: Reply, data: bytes, events: list[Event]) -> None:
        """An object without candidates: an error, a count of the prompt, or something to ignore."""
        if said.response_id or said.model_version:
            self._start(said, events)
        whole = loose(data)
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

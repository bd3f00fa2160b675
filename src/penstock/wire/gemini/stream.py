"""From a stream's bytes to events: `streamGenerateContent`, as server-sent events or as a JSON array.

There is no terminator: a stream is whole when each candidate has said how it ended. Errors come framed, as bare JSON
over many lines, or in a list.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from penstock.call import Event, Finished, Started, TextDelta, Usage, UsageUpdate
from penstock.errors import CallError
from penstock.wire.gemini.errors import blocked, in_band
from penstock.wire.gemini.fault import fault_in
from penstock.wire.gemini.reading import Voice
from penstock.wire.gemini.shapes import Candidate, Reply, decode_reply
from penstock.wire.gemini.words import created_of, usage_of
from penstock.wire.pieces import PieceDecoder
from penstock.wire.sse import ServerEvent
from penstock.wire.streaming import StreamState, last_events, loose

__all__ = ["StreamDecoder"]

_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Text(msgspec.Struct, rename="camel", gc=False):
    text: str
    thought: None = None
    thought_signature: None = None
    function_call: None = None
    part_metadata: None = None


class _TextContent(msgspec.Struct, gc=False):
    parts: tuple[_Text]


class _TextCandidate(msgspec.Struct, rename="camel", gc=False):
    content: _TextContent
    finish_reason: str | int | None = None
    index: Literal[0] | None = None
    logprobs_result: None = None
    grounding_metadata: None = None


class _Count(msgspec.Struct, rename="camel", gc=False):
    """What `usage_of` reads of a count without sound that leaves nothing open."""

    prompt_token_count: int
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    cached_content_token_count: int = 0
    tool_use_prompt_token_count: int = 0


class _TextReply(msgspec.Struct, rename="camel", gc=False):
    """Nearly every event of a stream: a piece of the first candidate's text and a count, none of the rest."""

    candidates: tuple[_TextCandidate]
    usage_metadata: _Count | None = None
    prompt_feedback: None = None
    error: None = None


_decode_text: Final = msgspec.json.Decoder(_TextReply).decode


class StreamDecoder(StreamState):
    """One stream's state: a `penstock.wire.codec.Decoder`. The wire itself has no last word."""

    __slots__ = ("_answer_id", "_heard", "_sse", "_started", "_usage", "_voices")

    def __init__(self) -> None:
        super().__init__()
        self._sse = PieceDecoder(b"data: ", b"\r\n\r\n")
        self._voices: dict[int, Voice] = {}
        self._answer_id = ""
        self._heard = 0
        """The pieces of the first candidate's text that its voice knows of."""
        self._started = False
        self._usage: Usage | None = None

    def _read(self, data: bytes, events: list[Event]) -> None:
        if self._flows and (pieces := self._sse.pieces(data)) is not None:
            for piece in pieces:
                if not (self._flows and self._take_text(piece, events)):
                    self._take(ServerEvent(piece), events)
                    if self._failure is not None:
                        break
            return
        for event in self._sse.feed(data):
            if not (self._flows and not event.event and self._take_text(event.data, events)):
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

    def _is_stream(self, said: Any) -> bool:
        return isinstance(said, list) and fault_in(said[:1]) is None

    def _take_text(self, data: bytes, events: list[Event]) -> bool:
        """Take an event that is a piece of text like the one before it; False for any other."""
        try:
            if not data.isascii():
                data.decode("utf-8")  # the typed decoder skips what it doesn't read
            said = _decode_text(data)
        except (ValueError, RecursionError):
            self._stem()
            return False
        candidate, count = said.candidates[0], said.usage_metadata
        if candidate.finish_reason or (self._usage is None and count is not None):
            self._flows = False
            return False
        text = candidate.content.parts[0].text
        if text:
            self._text.append(text)
            events.append(TextDelta(text))
        if count is not None:
            thoughts = count.thoughts_token_count
            usage = Usage(
                count.prompt_token_count + count.tool_use_prompt_token_count,
                count.candidates_token_count + thoughts,
                count.cached_content_token_count,
                thoughts,
            )
            if usage != self._usage_told:
                self._usage = self._usage_told = usage
                events.append(UsageUpdate(usage))
        return True

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
            for candidate in found:
                self._candidate(candidate, said, events)
        elif said.error is not None or not self._started:
            self._odd(said, data, events)
        if said.usage_metadata is not None:
            self._usage = usage = usage_of(said.usage_metadata) or self._usage
            if usage is not None and (usage.audio_input_tokens or usage.audio_output_tokens):
                self._flows = False  # a piece's count is read without the kinds of its tokens
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
        if index == 0 and self._heard < len(self._text):
            voice.text.chars += sum(map(len, self._text[self._heard :]))
            self._heard = len(self._text)
        before = len(events)
        voice.take(candidate, self._answer_id, events)
        if len(events) > before:
            self._said = True
            if index == 0:
                texts = [event.text for event in events[before:] if type(event) is TextDelta]
                self._text += texts
                self._heard = len(self._text)
                if texts and voice.finish is None:
                    self._flow()
        if voice.has_failed:
            why = f"generation ended with {voice.finish_raw!r}"
            if voice.finish_message:
                why = f"{why}: {voice.finish_message[:300]}"
            self._failure = self._error("server_error", why)

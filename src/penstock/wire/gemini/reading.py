"""What a candidate says, part by part, as events; whole answers and streams are read alike."""

from __future__ import annotations

from typing import Any, Final

from penstock.call import Event, Finish, PartDelta, ReasoningDelta, RefusalDelta, TextDelta, ToolDelta
from penstock.wire.calls import id_of_its_own
from penstock.wire.gemini.growing import Growing
from penstock.wire.gemini.shapes import Blob, Candidate, FunctionCall, Part, arguments_of
from penstock.wire.gemini.signatures import REASONING, TEXT, Signatures
from penstock.wire.gemini.words import annotations_in, finish_of, logprobs_of

__all__ = ["REFUSAL", "Voice"]

REFUSAL: Final = {"refusal": True}
"""The `partMetadata` by which our server half marks a refusal, for which Gemini has no word."""

_OWN: Final = (
    ("executable_code", "executableCode"),
    ("code_execution_result", "codeExecutionResult"),
    ("tool_call", "toolCall"),
    ("tool_response", "toolResponse"),
)


class Voice:
    """One candidate: what it said so far and how it ended."""

    __slots__ = (
        "_growing",
        "finish",
        "finish_message",
        "finish_raw",
        "has_answered",
        "index",
        "text",
        "thoughts",
        "tools",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.tools = 0
        self.has_answered = False
        """It said something beyond thoughts and signatures."""
        self.finish: Finish | None = None
        self.finish_raw: str | None = None
        self.finish_message = ""
        self._growing: Growing | None = None
        self.text = Signatures(TEXT)
        self.thoughts = Signatures(REASONING)

    def take(self, candidate: Candidate, answer_id: str, events: list[Event]) -> None:
        """Add what `candidate` says; `answer_id` is the stem of the ids that calls get when they have none."""
        content = candidate.content
        if content is not None and content.parts:
            for part in content.parts:
                self._part(part, answer_id, events)
        if candidate.logprobs_result is not None:
            logprobs = logprobs_of(candidate.logprobs_result)
            if logprobs is not None:
                events.append(TextDelta("", self.index, logprobs))
        if candidate.grounding_metadata is not None:
            pages = annotations_in(candidate.grounding_metadata)
            if pages:
                events.append(PartDelta({"annotations": pages}, self.index))
        if candidate.finish_reason:
            self._end_call(events)
            for signatures in (self.thoughts, self.text):
                if placed := signatures.settle():
                    events.append(_signed(placed, self.index))
            # Older models say it in every event.
            self.finish, self.finish_raw = finish_of(candidate.finish_reason, has_tool_calls=self.tools > 0)
            self.finish_message = candidate.finish_message or ""

    @property
    def has_failed(self) -> bool:
        """Generation ended in an error. A call of a function that nobody declared is there all the same: an answer."""
        return self.finish == "error" and not self.tools

    @property
    def is_answer(self) -> bool:
        """Whether there is anything to give to the caller. Cut short or filtered with nothing to show is an answer."""
        return self.has_answered or self.finish in ("length", "content_filter")

    def _part(self, part: Part, answer_id: str, events: list[Event]) -> None:
        text = part.text
        if text is not None and part.function_call is None:
            if text:
                self._text(text, part, events)
            self._sign(part, events)
        elif part.function_call is not None:
            self._call(part.function_call, part.thought_signature, answer_id, events)
        elif part.inline_data is not None:
            self.has_answered = True
            events.append(PartDelta(_shown(part), self.index))
        else:
            self._own(part, events)

    def _call(self, call: FunctionCall, signature: str | None, answer_id: str, events: list[Event]) -> None:
        extra = {"google": {"thought_signature": signature}} if signature else None
        if self._growing is not None and not call.name:
            self._growing.add(call.partial_args)
            if extra is not None:
                events.append(ToolDelta(self.tools - 1, choice=self.index, extra=extra))
        else:
            self._end_call(events)
            comes_in_pieces = call.will_continue or call.partial_args is not None
            arguments = "" if comes_in_pieces else arguments_of(call)
            name = call.name or ""
            # An answer's id tells it from any other; without one, what is called does as far as it can.
            known = (answer_id, name) if answer_id else (name, arguments)
            id_ = call.id or id_of_its_own(*known, self.index, self.tools)
            events.append(ToolDelta(self.tools, id_, name, arguments, self.index, extra))
            self.tools += 1
            self.has_answered = True
            if self.finish == "stop":
                self.finish = "tool_calls"
            if comes_in_pieces:
                self._growing = Growing()
                self._growing.add(call.partial_args)
        if not call.will_continue:
            self._end_call(events)

    def _end_call(self, events: list[Event]) -> None:
        """The arguments that came piece by piece are whole: only now are they JSON."""
        if self._growing is not None:
            events.append(ToolDelta(self.tools - 1, arguments=self._growing.json(), choice=self.index))
            self._growing = None

    def _text(self, text: str, part: Part, events: list[Event]) -> None:
        if part.thought:
            self.thoughts.chars += len(text)
            events.append(ReasoningDelta(text, self.index))
            return
        self.has_answered = True
        if part.part_metadata == REFUSAL:
            events.append(RefusalDelta(text, self.index))
        else:
            self.text.chars += len(text)
            events.append(TextDelta(text, self.index))

    def _sign(self, part: Part, events: list[Event]) -> None:
        if part.thought_signature:
            signatures = self.thoughts if part.thought else self.text
            events.append(_signed(signatures.sign(part.thought_signature), self.index))

    def _own(self, part: Part, events: list[Event]) -> None:
        """What Google's own tools did: kept as it is, to be sent back."""
        own = {name: value for field, name in _OWN if (value := getattr(part, field)) is not None}
        if own:
            self.has_answered = True
            signature = {"thoughtSignature": part.thought_signature} if part.thought_signature else {}
            events.append(_signed({"parts": [{**own, **signature}]}, self.index))
        else:
            self._sign(part, events)


def _signed(google: dict[str, Any], index: int) -> PartDelta:
    return PartDelta({"extra_content": {"google": google}}, index)


def _shown(part: Part) -> dict[str, Any]:
    """A picture or sound of the answer, in the form that OpenAI's wire has for it; a picture keeps its signature."""
    blob = part.inline_data or Blob()
    mime, data = blob.mime_type or "image/png", blob.data or ""
    if mime.startswith("audio/"):
        return {"audio": {"data": data, "format": mime.removeprefix("audio/")}}
    extra = {"extra_content": {"google": {"thought_signature": part.thought_signature}}}
    image = {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{data}"}}
    return {"images": [{**image, **(extra if part.thought_signature else {})}]}

"""From a 200's body to a completion, or to the reason why it isn't one: a 200 is not yet a success."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import Call, Choice, Completion, Message
from penstock.errors import CallError, ErrorKind
from penstock.http import WireReply
from penstock.wire.anthropic.errors import answer_id_of, in_band
from penstock.wire.anthropic.shapes import Block, Reply, decode_reply
from penstock.wire.anthropic.words import (
    ANSWER_TOOL,
    answers_by_tool,
    encrypted_thought,
    finish_of,
    signed_thought,
    source_of,
    usage_of,
)
from penstock.wire.calls import id_of_its_own
from penstock.wire.fault import fault_in, kept, read_fault

__all__ = ["arguments_of", "completion_in", "owed_space"]


def completion_in(call: Call, reply: WireReply) -> Completion:
    """The message in a 2xx.

    Raises `CallError`: `transport` for what is no JSON object or no message, `empty` for one that says nothing, the
    error's own class when the body holds one.
    """
    body = reply.body
    try:
        if not body.isascii():
            # The typed decoder skips what it doesn't read, so invalid UTF-8 is looked for here.
            body.decode("utf-8")
        said = decode_reply(body)
    except (ValueError, RecursionError) as error:
        raise _no_message(reply, error) from error
    if said.content is None and said.completion is not None and not said.error:
        said.content = [Block("text", said.completion)]
    if said.content is None or said.error:
        raise _no_message(reply)
    heard = _Heard(by_tool=answers_by_tool(call.body))
    for block in said.content:
        heard.take(block)
    message, choice = heard.message(said), None
    if call.prefill and message["content"]:
        message["content"] = message["content"].removeprefix(owed_space(call))
    finish = finish_of(said.stop_reason, has_tool_calls=bool(heard.calls), by_tool=heard.answered)
    choice = Choice(message, finish, said.stop_reason)
    if not (heard.says_something or finish in ("length", "content_filter")):
        raise _broken(reply, "the answer holds no text, no tool call and no refusal", "empty")
    return Completion(
        kind="chat" if said.completion is None else "completion",
        choices=(choice,),
        usage=usage_of(said.usage),
        model=said.model or "",
        id=said.id or "",
        raw=body,
        request_id=answer_id_of(reply.headers),
    )


def owed_space(call: Call) -> str:
    """The white space that a continued message ended in: it was cut off, so the answer may begin with it again."""
    messages = call.body.get("messages")
    if not call.prefill or not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        return ""
    content = messages[-1].get("content")
    return content[len(content.rstrip()) :] if isinstance(content, str) else ""


def arguments_of(block: Block) -> str:
    """A tool call's arguments, in the provider's own spelling."""
    raw = bytes(block.input).decode("utf-8", "replace")
    return raw if raw and raw != "null" else "{}"


class _Heard:
    """What the blocks of a message say together."""

    __slots__ = ("_by_tool", "annotations", "answered", "calls", "text", "thinking", "thoughts")

    def __init__(self, *, by_tool: bool) -> None:
        self._by_tool = by_tool
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.thoughts: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.answered = False
        """The answer came as the arguments of a tool."""

    @property
    def says_something(self) -> bool:
        return bool(self.calls or any(self.text))

    def take(self, block: Block) -> None:
        match block.type:
            case "text" if not self.answered:
                self.text.append(block.text or "")
                self.annotations += filter(None, map(source_of, block.citations or ()))
            case "tool_use" if self._by_tool and block.name == ANSWER_TOOL:
                # What was said before it is no part of the answer.
                self.text = [arguments_of(block)]
                self.answered = True
            case "tool_use":
                function = {"name": block.name or "", "arguments": arguments_of(block)}
                id_ = block.id or id_of_its_own(len(self.calls), block.name or "")
                self.calls.append({"id": id_, "type": "function", "function": function})
            case "thinking":
                self.thinking.append(block.thinking or "")
                if block.signature:
                    self.thoughts.append(signed_thought(len(self.thoughts), block.thinking or "", block.signature))
            case "redacted_thinking":
                self.thoughts.append(encrypted_thought(len(self.thoughts), block.data or ""))
            case _:
                pass  # a search or what it found: `raw` has it

    def message(self, said: Reply) -> Message:
        text = "".join(self.text)
        refusal = said.stop_details.explanation if said.stop_details and said.stop_reason == "refusal" else None
        message: Message = {"role": "assistant", "content": text or (None if self.calls or refusal else "")}
        parts: dict[str, Any] = {
            "reasoning_content": "".join(self.thinking),
            "refusal": refusal,
            "tool_calls": self.calls,
            "annotations": self.annotations,
            "reasoning_details": self.thoughts,
        }
        return message | {name: value for name, value in parts.items() if value}


def _no_message(reply: WireReply, cause: Exception | None = None) -> CallError:
    """Why a body holds no message: an error that came under a 200, HTML, nothing at all."""
    body = reply.body.strip()
    if not body:
        return _broken(reply, "the body is empty")
    if body[:1] == b"<":
        return _broken(reply, f"{read_fault(body).message} instead of JSON")
    try:
        whole = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        return _broken(reply, f"the body is no JSON: {error}")
    if fault_in(whole) is not None:
        found = in_band(reply.body, headers=reply.headers)
        found.status = reply.status
        return found
    return _broken(reply, "the body is JSON, but no message" + (f": {cause}" if cause is not None else ""))


def _broken(reply: WireReply, why: str, kind: ErrorKind = "transport") -> CallError:
    return CallError(kind, why, status=reply.status, request_id=answer_id_of(reply.headers), body=kept(reply.body))

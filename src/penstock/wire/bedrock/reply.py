"""From a 200's body to a completion, or to the reason why it isn't one: a 200 is not yet a success."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import Call, Choice, Completion, Message, Usage
from penstock.http import WireReply
from penstock.wire.bedrock.embeddings import vectors_in
from penstock.wire.bedrock.errors import error_in
from penstock.wire.bedrock.shapes import BlockShape, ReplyShape, ToolUseShape, decode_reply
from penstock.wire.bedrock.words import (
    ANSWER_TOOL,
    answers_by_tool,
    finish_of,
    more_in,
    redacted_thought,
    signed_thought,
    source_of,
    usage_of,
)
from penstock.wire.bodies import broken
from penstock.wire.calls import id_of_its_own
from penstock.wire.fault import request_id_of

__all__ = ["completion_in", "embeddings_in", "model_in"]

_Body = dict[str, Any]


def completion_in(call: Call, reply: WireReply) -> Completion:
    """The chat completion in a 2xx.

    Raises `CallError`: `transport` for what is no JSON object or no answer, `empty` for one that says nothing, the
    error's own class when the body holds one, `server_error` when generation ended in an error.
    """
    try:
        # The typed decoder skips what it doesn't read, so invalid UTF-8 is looked for here.
        if not reply.body.isascii():
            reply.body.decode("utf-8")
        said = decode_reply(reply.body)
    except (ValueError, RecursionError):
        said = ReplyShape()
    message = said.output.message if said.output is not None else None
    if message is None or message.content is None:
        whole = _object_in(reply)
        raise error_in(whole, reply) or broken(reply, "the body is JSON, but no answer")
    heard = _Heard(by_tool=answers_by_tool(call.body))
    for index, block in enumerate(message.content):
        heard.take(index, block)
    raw = said.stop_reason
    finish = finish_of(raw, has_tool_calls=bool(heard.calls), by_tool=heard.answered)
    answer = heard.message()
    refusal, reasoning = more_in(said.additional_model_response_fields)
    if refusal:
        answer |= {"content": answer["content"] or None, "refusal": refusal}
    if finish == "error":
        raise broken(reply, f"generation ended with {raw!r}", "server_error", answer.get("content") or "")
    if not (answer.get("content") or refusal or heard.calls or finish in ("length", "content_filter")):
        raise broken(reply, "the answer holds no text and no tool call", "empty")
    return Completion(
        choices=(Choice(answer, finish, raw),),
        usage=usage_of(said.usage, reasoning=reasoning),
        model=model_in(said.trace),
        raw=reply.body,
        request_id=request_id_of(reply.headers),
    )


def embeddings_in(call: Call, reply: WireReply) -> Completion:
    """The vectors in a 2xx, in the order of the inputs. Raises `CallError` as `completion_in` does."""
    said = _object_in(reply)
    found = vectors_in(said)
    if found is None:
        raise error_in(said, reply) or broken(reply, "the body is JSON, but holds no vectors")
    vectors, tokens = found
    asked = call.body.get("input")
    inputs = len(asked) if isinstance(asked, list) else 1
    if asked is not None and len(vectors) != inputs:
        raise broken(reply, f"{len(vectors)} vectors came for {inputs} inputs")
    if tokens is None:
        counted = reply.headers.get("x-amzn-bedrock-input-token-count", "")
        tokens = int(counted) if counted.isascii() and counted.isdecimal() and len(counted) < 16 else None
    return Completion(
        kind="embedding",
        vectors=tuple(vectors),
        usage=None if tokens is None else Usage(tokens),
        # AWS names none; a server like ours does.
        model=model if isinstance(model := said.get("model"), str) else "",
        raw=reply.body,
        request_id=request_id_of(reply.headers),
    )


def model_in(trace: Any) -> str:
    """The model that a prompt router chose, "" where none did: an answer names no other."""
    router = trace.get("promptRouter") if isinstance(trace, dict) else None
    model = router.get("invokedModelId") if isinstance(router, dict) else None
    return model if isinstance(model, str) else ""


def _object_in(reply: WireReply) -> _Body:
    try:
        said = msgspec.json.decode(reply.body)
    except (ValueError, RecursionError) as error:
        if not reply.body.strip():
            raise broken(reply, "the body is empty") from None
        raise broken(reply, f"the body is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise broken(reply, "the body is JSON, but no object")
    return said


class _Heard:
    """What the blocks of one answer say."""

    def __init__(self, *, by_tool: bool) -> None:
        self._by_tool = by_tool
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._details: list[_Body] = []
        self._annotations: list[_Body] = []
        self.calls: list[_Body] = []
        self.answered = False

    def take(self, index: int, block: BlockShape) -> None:
        if block.text is not None:
            self._text.append(block.text)
        if block.tool_use is not None:
            self._call(block.tool_use)
        if isinstance(block.reasoning_content, dict):
            self._think(index, block.reasoning_content)
        if isinstance(block.citations_content, dict):
            self._cite(block.citations_content)

    def _call(self, use: ToolUseShape) -> None:
        if use.type == "server_tool_use" or use.name is None:
            return  # AWS has called that one itself
        arguments = bytes(use.input).decode() or "{}"
        if self._by_tool and use.name == ANSWER_TOOL:
            self._text.append(arguments)
            self.answered = True
            return
        function = {"name": use.name, "arguments": arguments}
        id_ = use.tool_use_id or id_of_its_own(len(self.calls), use.name)
        self.calls.append({"id": id_, "type": "function", "function": function})

    def _think(self, index: int, said: _Body) -> None:
        thought, closed = said.get("reasoningText"), said.get("redactedContent")
        if isinstance(thought, dict) and isinstance(thought.get("text"), str):
            self._thoughts.append(thought["text"])
            if isinstance(thought.get("signature"), str) and thought["signature"]:
                self._details.append(signed_thought(index, thought["text"], thought["signature"]))
        if isinstance(closed, str) and closed:
            self._details.append(redacted_thought(index, closed))

    def _cite(self, said: _Body) -> None:
        content, citations = said.get("content"), said.get("citations")
        for piece in content if isinstance(content, list) else ():
            if isinstance(piece, dict) and isinstance(piece.get("text"), str):
                self._text.append(piece["text"])
        sources = [source_of(one) for one in citations] if isinstance(citations, list) else []
        self._annotations += [source for source in sources if source is not None]

    def message(self) -> Message:
        """OpenAI's assistant message."""
        text = "".join(self._text)
        message: Message = {"role": "assistant", "content": text or (None if self.calls else "")}
        for name, value in (
            ("reasoning_content", "".join(self._thoughts)),
            ("tool_calls", self.calls),
            ("annotations", self._annotations),
            ("reasoning_details", self._details),
        ):
            if value:
                message[name] = value
        return message

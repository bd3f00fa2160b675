"""From a 200's body to a completion, or to the reason why it isn't one: a 200 is not yet a success."""

from __future__ import annotations

from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.call import Call, Choice, Completion, Message
from penstock.errors import ErrorKind
from penstock.http import WireReply
from penstock.wire.bending import decoded
from penstock.wire.bodies import broken, floats_in, object_in
from penstock.wire.calls import id_of_its_own
from penstock.wire.cohere.errors import error_in
from penstock.wire.cohere.shapes import CallShape, MessageShape, ReplyShape, decode_reply
from penstock.wire.cohere.words import finish_of, logprobs_of, tokens_in, usage_of
from penstock.wire.fault import request_id_of

__all__ = ["arguments_of", "completion_in", "embeddings_in"]


def completion_in(reply: WireReply) -> Completion:
    """The chat completion in a 2xx; the first version's form is read as well.

    Raises `CallError`: `transport` for what is no JSON object or no answer, `empty` for one that says nothing, the
    error's own class when the body holds one, `server_error` or `timeout` when generation ended so.
    """
    try:
        # The typed decoder skips what it doesn't read, so invalid UTF-8 is looked for here.
        if not reply.body.isascii():
            reply.body.decode("utf-8")
        said, raw_body = decoded(reply.body, decode_reply)
    except ValueError:
        said, raw_body = ReplyShape(), reply.body
    heard = said.message
    if heard is None and said.text is not None:
        heard = MessageShape(content=said.text, tool_calls=said.tool_calls, citations=said.citations)
    if heard is None:
        whole = object_in(reply)
        raise error_in(whole, reply) or broken(reply, "the body is JSON, but no answer")
    message = _message(heard)
    raw = said.finish_reason
    finish = finish_of(raw, has_tool_calls="tool_calls" in message)
    if finish == "error":
        kind: ErrorKind = "timeout" if raw == "TIMEOUT" else "server_error"
        raise broken(reply, f"generation ended with {raw!r}", kind, message["content"] or "")
    says = message["content"] or "tool_calls" in message or "refusal" in message
    if not says and finish not in ("length", "content_filter"):
        raise broken(reply, "the answer holds no text and no tool call", "empty")
    return Completion(
        choices=(Choice(message, finish, raw, 0, logprobs_of(said.logprobs) if said.logprobs else None),),
        usage=usage_of(said.usage if said.usage is not None else said.meta),
        model=said.model or "",
        id=said.id or said.generation_id or "",
        raw=raw_body,
        request_id=request_id_of(reply.headers),
    )


def _message(heard: MessageShape) -> Message:
    content = heard.content
    blocks = content if isinstance(content, list) else []
    text = content if isinstance(content, str) else "".join([block.text or "" for block in blocks])
    thoughts = "".join([block.thinking or "" for block in blocks]) + (heard.tool_plan or "")
    calls = heard.tool_calls if isinstance(heard.tool_calls, list) else []
    message: Message = {"role": "assistant", "content": text or (None if calls or heard.refusal else "")}
    if thoughts:
        message["reasoning_content"] = thoughts
    if heard.refusal:
        message["refusal"] = heard.refusal
    if calls:
        message["tool_calls"] = [_call(call, index) for index, call in enumerate(calls)]
    if isinstance(heard.citations, list) and heard.citations:
        message["citations"] = heard.citations
    return message


def _call(call: CallShape, index: int) -> dict[str, Any]:
    function = call.function
    name, arguments = (call.name, call.parameters) if function is None else (function.name, function.arguments)
    said = {"name": name or "", "arguments": arguments_of(arguments)}
    return {"id": call.id or id_of_its_own(index, name or ""), "type": "function", "function": said}


def arguments_of(said: Any) -> str:
    """Arguments as the string that they are, or are made where a server sends an object."""
    if isinstance(said, str):
        return said
    return "" if said is None else msgspec.json.encode(said).decode()


def embeddings_in(call: Call, reply: WireReply) -> Completion:
    """The vectors in a 2xx, in the order of the inputs. Raises `CallError` as `completion_in` does."""
    whole = object_in(reply)
    vectors = _vectors_in(whole.get("embeddings"))
    if vectors is None:
        raise error_in(whole, reply) or broken(reply, "the body is JSON, but holds no vectors")
    asked = call.body.get("input")
    if asked is not None and len(vectors) != (wanted := len(asked) if isinstance(asked, list) else 1):
        raise broken(reply, f"{len(vectors)} vectors came for {wanted} inputs")
    id_, model = whole.get("id"), whole.get("model")
    return Completion(
        kind="embedding",
        vectors=tuple(vectors),
        usage=tokens_in(whole.get("meta")),
        model=model if isinstance(model, str) else "",
        id=id_ if isinstance(id_, str) else "",
        raw=reply.body,
        request_id=request_id_of(reply.headers),
    )


def _vectors_in(said: Any) -> list[Sequence[float]] | None:
    """The vectors of one type: floats first, then what stands for them, then what is quantised."""
    if isinstance(said, dict):
        named = ("float", "base64", "int8", "uint8", "binary", "ubinary")
        said = next((said[name] for name in named if said.get(name)), None)
    if not isinstance(said, list) or not said:
        return None
    try:
        return [_floats(vector) for vector in said]
    except (Base64Error, ValueError, TypeError):
        return None


def _floats(vector: Any) -> Sequence[float]:
    if isinstance(vector, str):
        return floats_in(vector)
    if not isinstance(vector, list) or not all(isinstance(number, (int, float)) for number in vector):
        raise ValueError("no vector")
    return vector

"""From a 200's body to a completion, or to the reason why it isn't one: a 200 is not yet a success."""

from __future__ import annotations

from typing import Any

from penstock.call import Call, Choice, Completion, Message, Usage
from penstock.http import WireReply
from penstock.wire.bending import decoded
from penstock.wire.bodies import broken, object_in
from penstock.wire.calls import id_of_its_own
from penstock.wire.fault import request_id_of
from penstock.wire.ollama.errors import error_in
from penstock.wire.ollama.shapes import CallShape, MessageShape, PieceShape, decode_piece
from penstock.wire.ollama.words import arguments_of, created_of, finish_of, logprobs_of, usage_of

__all__ = ["call_of", "completion_in", "embeddings_in", "message_in"]


def completion_in(call: Call, reply: WireReply) -> Completion:
    """The chat or text completion in a 2xx.

    Raises `CallError`: `transport` for what is no JSON object or no answer, `empty` for one that says nothing, the
    error's own class when the body holds one.
    """
    try:
        # The typed decoder skips what it doesn't read, so invalid UTF-8 is looked for here.
        if not reply.body.isascii():
            reply.body.decode("utf-8")
        said, body = decoded(reply.body, decode_piece)
        message = _message(said)
    except (ValueError, RecursionError):
        said, body, message = PieceShape(), reply.body, None
    if message is None or said.error:
        whole = object_in(reply)
        raise error_in(whole, reply) or broken(reply, "the body is JSON, but no answer")
    if said.done is False:
        raise broken(reply, "the answer is cut: it is not done", "transport", message["content"] or "")
    raw = said.done_reason
    finish = finish_of(raw, has_tool_calls="tool_calls" in message)
    if finish == "error":
        raise broken(reply, f"generation ended with {raw!r}", "server_error", message["content"] or "")
    says = message["content"] or "tool_calls" in message or "refusal" in message
    if not says and finish not in ("length", "content_filter"):
        raise broken(reply, "the answer holds no text and no tool call", "empty")
    return Completion(
        kind=call.kind,
        choices=(Choice(message, finish, raw, 0, logprobs_of(said.logprobs)),),
        usage=usage_of(said),
        model=said.model or "",
        created=created_of(said.created_at),
        raw=body,
        request_id=request_id_of(reply.headers),
    )


def message_in(said: PieceShape) -> MessageShape | None:
    """The message of a piece of either kind; None when it holds none."""
    if said.message is None and said.response is not None:
        return MessageShape(said.response, said.thinking)
    return said.message


def _message(said: PieceShape) -> Message | None:
    heard = message_in(said)
    if heard is None:
        return None
    calls = heard.tool_calls or []
    message: Message = {"role": "assistant", "content": heard.content or (None if calls or heard.refusal else "")}
    if heard.thinking:
        message["reasoning_content"] = heard.thinking
    if heard.refusal:
        message["refusal"] = heard.refusal
    if calls:
        message["tool_calls"] = [
            {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id_, name, arguments in (call_of(call, index, said.created_at) for index, call in enumerate(calls))
        ]
    return message


def call_of(call: CallShape, index: int, when: str | None) -> tuple[str, str, str]:
    """A call's id (made where the server gives none), name, and arguments; `when` is the server's time of it.

    Raises `ValueError` for broken ones.
    """
    function = call.function
    name, arguments = ("", "{}") if function is None else (function.name or "", arguments_of(function.arguments))
    return call.id or id_of_its_own(when, index, name, arguments), name, arguments


def embeddings_in(call: Call, reply: WireReply) -> Completion:
    """The vectors in a 2xx, in the order of the inputs. Raises `CallError` as `completion_in` does."""
    whole = object_in(reply)
    vectors: Any = whole.get("embeddings")
    if vectors is None and isinstance(whole.get("embedding"), list):
        vectors = [whole["embedding"]]  # /api/embeddings, the older one
    if not _are_vectors(vectors):
        raise error_in(whole, reply) or broken(reply, "the body is JSON, but holds no vectors")
    asked = call.body.get("input")
    if asked is not None and len(vectors) != (wanted := len(asked) if isinstance(asked, list) else 1):
        raise broken(reply, f"{len(vectors)} vectors came for {wanted} inputs")
    read, model = whole.get("prompt_eval_count"), whole.get("model")
    return Completion(
        kind="embedding",
        vectors=tuple(vectors),
        usage=Usage(read) if isinstance(read, int) and read >= 0 else None,
        model=model if isinstance(model, str) else "",
        raw=reply.body,
        request_id=request_id_of(reply.headers),
    )


def _are_vectors(said: Any) -> bool:
    return (
        isinstance(said, list)
        and bool(said)
        and all(isinstance(vector, list) and vector for vector in said)
        and all(isinstance(number, (int, float)) for vector in said for number in vector)
    )

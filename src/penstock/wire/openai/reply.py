"""From a 200's body to a completion, or to the reason why it isn't one: a 200 is not yet a success."""

from __future__ import annotations

from binascii import Error as Base64Error
from collections.abc import Sequence

import msgspec

from penstock.call import Choice, Completion, Kind
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.bending import decoded
from penstock.wire.bodies import broken, floats_in
from penstock.wire.fault import fault_in, read_fault, tells
from penstock.wire.openai.shapes import Embeddings, Reply, ReplyChoice, Vector, decode_embeddings, decode_reply
from penstock.wire.openai.words import FINISH, finish_of, mend_message, says_something, sources_of, usage_of
from penstock.wire.refusals import in_band

__all__ = ["completion_in", "embeddings_in"]


def completion_in(kind: Kind, reply: WireReply, vendor: Vendor) -> Completion:
    """The chat or text completion in a 2xx.

    Raises `CallError`: `transport` for what is no JSON object or no completion, `empty` for one without an answer,
    the error's own class when the body holds one, `server_error` when generation ended in an error.
    """
    try:
        said, raw = decoded(_checked(reply), decode_reply)
    except ValueError as error:
        raise _no_json(reply, error) from error
    found = said.choices
    if not found or (said.error and tells(said.error)):
        raise _no_choices(reply)
    if len(found) == 1:
        choices: tuple[Choice, ...] = (_choice(found[0], said, kind),)
    else:
        choices = tuple(sorted((_choice(one, said, kind) for one in found), key=_index))
    first = choices[0]
    if found[0].error:
        failed = in_band({"error": found[0].error}, reply.body, reply.headers, partial=Completion(choices=choices).text)
        failed.status = reply.status
        raise failed
    if not first.message["content"] or first.finish == "error":
        _check_answered(choices, reply)
    if said.citations or said.search_results:
        first.message["annotations"] = first.message.get("annotations") or sources_of(
            said.citations, said.search_results
        )
    usage = said.usage or found[0].usage
    if usage is None and said.x_groq is not None:
        usage = said.x_groq.usage
    return Completion(
        kind=kind,
        choices=choices,
        usage=usage_of(usage, reasoning_outside=vendor.reasoning_outside),
        model=said.model or "",
        id=said.id or "",
        created=said.created or 0,
        raw=raw,
        request_id=reply.headers.get(vendor.request_id),
    )


def embeddings_in(reply: WireReply, vendor: Vendor, *, inputs: int | None) -> Completion:
    """The vectors in a 2xx, in the order of the inputs. Raises `CallError` as `completion_in` does."""
    try:
        said, raw = decoded(_checked(reply), decode_embeddings)
    except ValueError as error:
        raise _no_json(reply, error) from error
    if not said.data or said.error:
        raise _no_choices(reply)
    vectors = _in_order(said, reply)
    if inputs is not None and len(vectors) != inputs:
        raise broken(reply, f"{len(vectors)} vectors came for {inputs} inputs")
    return Completion(
        kind="embedding",
        vectors=vectors,
        usage=usage_of(said.usage, reasoning_outside=False),
        model=said.model or "",
        id=said.id or "",
        created=said.created or 0,
        raw=raw,
        request_id=reply.headers.get(vendor.request_id),
    )


def _checked(reply: WireReply) -> bytes:
    """The typed decoder skips what it doesn't read, so invalid UTF-8 is looked for here. Raises `ValueError`."""
    body = reply.body
    if not body.isascii():
        body.decode("utf-8")
    return body


def _index(choice: Choice) -> int:
    return choice.index


def _choice(said: ReplyChoice, whole: Reply, kind: Kind) -> Choice:
    message, raw = said.message, said.finish_reason
    if message is None:
        message = {"role": "assistant", "content": said.text}
        if kind == "completion" and said.text is None:
            message["content"] = ""
    elif (
        "tool_calls" in message
        or message.get("content").__class__ is not str
        or "function_call" in message
        or "audio" in message
        or "role" not in message
        or "reasoning" in message
    ):
        mend_message(message, whole.id or str(whole.created or ""))
        has_tool_calls = bool(message.get("tool_calls") or message.get("function_call"))
        return Choice(message, finish_of(raw, has_tool_calls=has_tool_calls), raw, said.index, said.logprobs)
    # The common case, without a call: no tool was called.
    return Choice(message, FINISH.get(raw, "unknown") if raw else "unknown", raw, said.index, said.logprobs)


def _check_answered(choices: Sequence[Choice], reply: WireReply) -> None:
    """Raises when no choice holds an answer. Cut short or filtered with nothing to show is an answer."""
    failed = next((choice for choice in choices if choice.finish == "error"), None)
    if failed is not None:
        partial = Completion(choices=(failed,)).text
        raise broken(reply, f"generation ended with {failed.finish_raw!r}", "server_error", partial)
    for choice in choices:
        if choice.finish in ("length", "content_filter") or says_something(choice.message):
            return
    raise broken(reply, "the answer holds no text, no tool call and no refusal", "empty")


def _in_order(said: Embeddings, reply: WireReply) -> tuple[Sequence[float], ...]:
    data = said.data or []
    if any(one.index is None for one in data):
        ordered: list[Vector] = data
    else:
        ordered = sorted(data, key=lambda one: one.index or 0)
        if [one.index for one in ordered] != list(range(len(ordered))):
            raise broken(reply, "the vectors' indexes are not those of the inputs")
    try:
        return tuple([_floats(one.embedding) for one in ordered])
    except (Base64Error, ValueError) as error:
        raise broken(reply, "a vector is no base64 of 32-bit floats") from error


def _floats(vector: list[float] | str) -> Sequence[float]:
    if not isinstance(vector, str):
        return vector
    return floats_in(vector)


def _no_json(reply: WireReply, cause: ValueError) -> CallError:
    body = reply.body.strip()
    if not body:
        return broken(reply, "the body is empty")
    if body[:1] == b"<":
        return broken(reply, f"{read_fault(body).message} instead of JSON")
    return broken(reply, f"the body is no JSON object: {cause}")


def _no_choices(reply: WireReply) -> CallError:
    try:
        whole, _ = decoded(reply.body, msgspec.json.decode)
    except (ValueError, RecursionError) as error:
        return broken(reply, f"the body is no JSON object: {error}")
    if fault_in(whole) is not None:
        found = in_band(whole, reply.body, reply.headers)
        found.status = reply.status
        return found
    if isinstance(whole, dict) and ("choices" in whole or "data" in whole):
        return broken(reply, "the answer has no choices", "empty")
    return broken(reply, "the body is JSON, but no answer")

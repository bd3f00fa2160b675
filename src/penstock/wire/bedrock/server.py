"""The server half: an answer or an error as Bedrock sends it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.call import Call, Choice, Completion, Finish, Message, Usage
from penstock.errors import CallError, ErrorKind
from penstock.http import WireReply
from penstock.wire.answering import headers_of, status_of
from penstock.wire.bedrock.embeddings import embedding_object
from penstock.wire.bedrock.errors import NAMES
from penstock.wire.bedrock.words import FINISH, STOP_REASON, more_fields, thought_blocks, usage_object

__all__ = ["encode_error", "encode_reply", "exception_name", "stop_of", "trace_of"]

_JSON: Final = {"content-type": "application/json"}
_encode = msgspec.json.Encoder().encode
_Body = dict[str, Any]

_ERRORS: Final[dict[ErrorKind, tuple[int, str]]] = {
    "rate_limited": (429, "ThrottlingException"),
    "quota_exhausted": (400, "ServiceQuotaExceededException"),
    "too_big_for_limit": (429, "TooBigForLimitException"),
    "overloaded": (503, "ServiceUnavailableException"),
    "server_error": (500, "InternalServerException"),
    "transport": (502, "UpstreamConnectionException"),
    "timeout": (408, "ModelTimeoutException"),
    "auth": (403, "AccessDeniedException"),
    "bad_request": (400, "ValidationException"),
    "context_too_long": (400, "ContextTooLongException"),
    "content_filtered": (400, "ContentFilteredException"),
    "empty": (502, "EmptyAnswerException"),
    "invalid_answer": (502, "InvalidAnswerException"),
}
"""What AWS itself would say, and otherwise a name that our own client half knows."""


def encode_reply(completion: Completion, call: Call | None = None) -> WireReply:
    """A completion's first choice as Converse sends it; vectors in the form of the model that `call` asks."""
    headers = dict(_JSON)
    if completion.request_id:
        headers["x-amzn-requestid"] = completion.request_id
    usage = completion.usage or Usage()
    if completion.kind == "embedding":
        headers["x-amzn-bedrock-input-token-count"] = str(usage.input_tokens)
        vectors = [list(vector) for vector in completion.vectors]
        many = len(vectors) != 1 or (call is not None and "cohere." in call.model)
        said = embedding_object(vectors, usage.input_tokens, one=not many)
        return WireReply(200, headers, _encode({**said, "model": completion.model}))
    choice = completion.choices[0] if completion.choices else Choice({"role": "assistant", "content": ""})
    body: _Body = {
        "output": {"message": {"role": "assistant", "content": _blocks(choice.message)}},
        "stopReason": stop_of(choice.finish, choice.finish_raw, refused=bool(choice.message.get("refusal"))),
        "usage": usage_object(usage),
        "metrics": {"latencyMs": round(completion.latency_s * 1000)},
    }
    more = more_fields(choice.message.get("refusal"), usage)
    if more:
        body["additionalModelResponseFields"] = more
    if completion.model:
        body["trace"] = trace_of(completion.model)
    return WireReply(200, headers, _encode(body))


def trace_of(model: str) -> _Body:
    """Which model answered: Converse says so only where a router chose it."""
    return {"promptRouter": {"invokedModelId": model}}


def stop_of(finish: Finish, raw: str | None, *, refused: bool) -> str:
    """The `stopReason`; the provider's own word stays where it means the same here."""
    if refused:
        return "content_filtered"
    if raw is not None and FINISH.get(raw) == finish:
        return raw
    return STOP_REASON[finish]


def _blocks(message: Message) -> list[_Body]:
    blocks = thought_blocks(message.get("reasoning_details"))
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if reasoning and not any("reasoningText" in block["reasoningContent"] for block in blocks):
        blocks.insert(0, {"reasoningContent": {"reasoningText": {"text": reasoning}}})
    content = message.get("content")
    texts = content if isinstance(content, list) else [{"text": content}]
    blocks += [{"text": one["text"]} for one in texts if isinstance(one, dict) and one.get("text")]
    for call in message.get("tool_calls") or ():
        function = call["function"]
        use = {"toolUseId": call["id"], "name": function["name"], "input": _object(function["arguments"])}
        blocks.append({"toolUse": use})
    return blocks


def _object(arguments: str) -> Any:
    """A tool call's arguments as the object they spell, in the same spelling; broken ones inside an object."""
    try:
        if isinstance(msgspec.json.decode(arguments or "{}"), dict):
            return msgspec.Raw((arguments or "{}").encode())
    except (ValueError, RecursionError):
        pass
    return {"INVALID_JSON": arguments}


def exception_name(error: CallError) -> str:
    """The exception's name for an error; its own where that means the same class."""
    if error.code and NAMES.get(error.code.lower()) == error.kind and error.code[:1].isalpha():
        return error.code[:1].upper() + error.code[1:]
    return _ERRORS[error.kind][1]


def encode_error(error: CallError) -> WireReply:
    """The error with the status of its class, and how long to wait where that is known."""
    status = status_of(error, _ERRORS[error.kind][0])
    headers = headers_of(error, {**_JSON, "x-amzn-errortype": exception_name(error)}, request_id="x-amzn-requestid")
    return WireReply(status, headers, _encode({"message": error.message}))

"""From a 200's body to a completion, or to the reason why it isn't one: a 200 is not yet a success."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.call import Choice, Completion, Message
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.bending import decoded
from penstock.wire.bodies import broken
from penstock.wire.calls import id_of_its_own
from penstock.wire.fault import fault_in, read_fault, request_id_of
from penstock.wire.refusals import in_band
from penstock.wire.responses.words import finish_of, image_of, said_of, source_of, thought_texts, thoughts_of, usage_of

__all__ = ["Heard", "call_of", "completion_in", "said_by"]

_UNDER_WAY: Final = ("queued", "in_progress")

_ASIDES: Final = (
    "message",
    "reasoning",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "mcp_list_tools",
)
"""Items that answer nothing by being there; any other that is unknown here asks its reader for something."""
_Object = dict[str, Any]


def completion_in(reply: WireReply, vendor: Vendor) -> Completion:
    """The response in a 2xx.

    Raises `CallError`: `transport` for what is no JSON object or no response, `empty` for one that says nothing, the
    error's own class when the body holds one or the response failed.
    """
    said, raw = _response_in(reply)
    heard = Heard()
    heard.take(said.get("output"))
    finish, word = finish_of(said, has_tool_calls=bool(heard.calls))
    if not (heard.says_something or finish in ("length", "content_filter")):
        raise broken(reply, "the answer holds no text, no tool call and no refusal", "empty")
    logprobs = {"content": heard.logprobs} if heard.logprobs else None
    return Completion(
        choices=(Choice(heard.message(), finish, word, logprobs=logprobs),),
        usage=usage_of(said.get("usage"), reasoning_outside=vendor.reasoning_outside),
        **said_by(said),
        raw=raw,
        request_id=reply.headers.get(vendor.request_id) or request_id_of(reply.headers),
    )


def said_by(response: _Object) -> dict[str, Any]:
    """Who answers: a response's model, id and time."""
    model, id_, created = response.get("model"), response.get("id"), response.get("created_at")
    return {
        "model": model if isinstance(model, str) else "",
        "id": id_ if isinstance(id_, str) else "",
        "created": int(created) if isinstance(created, int | float) and 0 <= created < 2**53 else 0,
    }


def _response_in(reply: WireReply) -> tuple[_Object, bytes]:
    body = reply.body.strip()
    try:
        said, read = decoded(body, msgspec.json.decode)
    except ValueError as error:
        if not body:
            raise broken(reply, "the body is empty") from error
        if body[:1] == b"<":
            raise broken(reply, f"{read_fault(body).message} instead of JSON") from error
        raise broken(reply, f"the body is no JSON: {error}") from error
    if not isinstance(said, dict):
        raise broken(reply, "the body is JSON, but no object")
    status = said.get("status")
    failed = said.get("error") or status in ("failed", "cancelled")
    if failed or not isinstance(said.get("output"), list):
        raise _no_answer(reply, said)
    if status in _UNDER_WAY:
        raise broken(reply, f"the answer is not there yet: {status}", "server_error")
    return said, reply.body if read is body else read


class Heard:
    """What the items of a response say together."""

    __slots__ = ("_thoughts", "acts", "calls", "images", "logprobs", "reasoning", "refusal", "sources", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.reasoning: list[str] = []
        self.calls: list[_Object] = []
        self.images: list[_Object] = []
        self.logprobs: list[Any] = []
        self.sources: list[_Object] = []
        self.acts = False
        """A tool that penstock knows nothing of was called."""
        self._thoughts: list[_Object] = []

    @property
    def says_something(self) -> bool:
        return bool(any(self.text) or self.calls or any(self.refusal) or self.images or self.acts)

    def take(self, items: Any) -> None:
        """The items of `output`, in order; what isn't one is passed over."""
        spoke = thoughts = 0
        for item in items if isinstance(items, list) else ():
            if not isinstance(item, dict):
                continue
            kind = item.get("type")
            if kind == "message":
                spoke = max(spoke, 1 + len(self.calls))
                self._hear(item)
            elif kind == "reasoning":
                self.reasoning += thought_texts(item)
                self._thoughts += thoughts_of(item, thoughts, spoke)
                thoughts += 1
            elif call := call_of(item, len(self.calls)):
                self.calls.append(call)
                spoke += 1
            elif image := image_of(item):
                self.images.append(image)
            elif kind not in _ASIDES:
                self.acts = True

    def _hear(self, item: _Object) -> None:
        for part in said_of(item.get("content"), "output_text", "text", "refusal"):
            refusal, text, logprobs = part.get("refusal"), part.get("text"), part.get("logprobs")
            if isinstance(refusal, str):
                self.refusal.append(refusal)
            if isinstance(text, str):
                self.text.append(text)
            if isinstance(logprobs, list):
                self.logprobs += logprobs
            annotations = part.get("annotations")
            self.sources += filter(None, map(source_of, annotations if isinstance(annotations, list) else ()))

    def message(self) -> Message:
        """All of it as an assistant message."""
        text, refusal = "".join(self.text), "".join(self.refusal)
        says_otherwise = self.calls or refusal or self.images
        message: Message = {"role": "assistant", "content": text or (None if says_otherwise else "")}
        parts: _Object = {
            "reasoning_content": "\n\n".join(self.reasoning),
            "refusal": refusal,
            "tool_calls": self.calls,
            "images": self.images,
            "annotations": self.sources,
            "reasoning_details": self._thoughts,
        }
        return message | {name: value for name, value in parts.items() if value}


def call_of(item: _Object, number: int) -> _Object | None:
    """A tool's call in the form of chats; one of free text has that text for its arguments. None for another item."""
    kind = item.get("type")
    if kind not in ("function_call", "custom_tool_call"):
        return None
    arguments = item.get("arguments" if kind == "function_call" else "input")
    id_, name = item.get("call_id"), item.get("name")
    name = name if isinstance(name, str) else ""
    function = {
        "name": name,
        "arguments": arguments if isinstance(arguments, str) else _spelled(arguments),
    }
    made = id_ if isinstance(id_, str) and id_ else id_of_its_own(number, name)
    return {"id": made, "type": "function", "function": function}


def _spelled(arguments: Any) -> str:
    return "" if arguments is None else msgspec.json.encode(arguments).decode()


def _no_answer(reply: WireReply, said: _Object) -> CallError:
    """Why an object is no response: an error that came under a 200, a response that failed, something else."""
    heard = Heard()
    heard.take(said.get("output"))
    partial = "".join(heard.text)
    if fault_in(said) is not None:
        found = in_band(said, reply.body, reply.headers, partial=partial)
        found.status = reply.status
        return found
    if said.get("status") in ("failed", "cancelled"):
        return broken(reply, f"generation ended with {said['status']!r}", "server_error", partial)
    return broken(reply, "the body is JSON, but no response")

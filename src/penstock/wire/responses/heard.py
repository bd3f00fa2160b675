"""The server half of the items: what a client sent as `input`, as the messages of a chat."""

from __future__ import annotations

from typing import Any, Final

from penstock.errors import CallError
from penstock.wire.dropping import dropped
from penstock.wire.responses.reply import call_of
from penstock.wire.responses.words import WIRE, said_of, thought_texts, thoughts_of

__all__ = ["messages_of", "refusal"]

_Object = dict[str, Any]
_ROLES: Final = ("system", "developer", "user", "assistant")
_OVER: Final = (
    *("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"),
    *("mcp_list_tools", "mcp_call", "compaction"),
)
"""What a provider's own tools once did: the answer that came of it says what it was good for."""


def refusal(message: str, status: int = 400, code: str | None = None) -> CallError:
    """A client's mistake, in OpenAI's way."""
    return CallError("bad_request", message, status=status, code=code)


def messages_of(instructions: Any, asked: Any) -> list[_Object]:
    """The messages of a chat, `instructions` first. Raises `CallError` bad_request for what can't be one."""
    messages: list[_Object] = []
    if isinstance(instructions, str):
        if instructions:
            messages.append({"role": "system", "content": instructions})
    elif instructions is not None:
        raise refusal("Invalid type for 'instructions': expected a string.", code="invalid_type")
    if isinstance(asked, str) and asked:
        return [*messages, {"role": "user", "content": asked}]
    if asked is None:
        raise refusal("Missing required parameter: 'input'.", code="missing_required_parameter")
    if not isinstance(asked, list) or not asked:
        raise refusal(
            "Invalid type for 'input': expected a string or an array of at least one item.", code="invalid_type"
        )
    reader = _Reader(messages)
    for number, item in enumerate(asked):
        if not isinstance(item, dict):
            raise refusal(f"Invalid type for 'input[{number}]': expected an object.", code="invalid_type")
        reader.read(item, f"input[{number}]")
    reader.close()
    return messages


class _Reader:
    """The messages so far, and the assistant's turn that is open: what it said, called and thought."""

    __slots__ = ("_messages", "_spoke", "_turn")

    def __init__(self, messages: list[_Object]) -> None:
        self._messages = messages
        self._turn: _Object | None = None
        self._spoke = 0

    def read(self, item: _Object, where: str) -> None:
        kind = item.get("type")
        if kind in (None, "message"):
            self._message(item, where)
        elif kind in ("function_call", "custom_tool_call"):
            self._call(item, where)
        elif kind == "reasoning":
            self._thought(item)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._result(item, where)
        elif kind == "item_reference":
            raise refusal(f"Item with id '{str(item.get('id'))[:200]}' not found.", 404, "item_not_found")
        elif kind in _OVER:
            dropped(WIRE, str(kind), "other wires have no word for what a provider's own tool did")
        else:
            raise refusal(f"Invalid value for '{where}.type': {str(kind)[:100]!r}.", code="invalid_value")

    def close(self) -> None:
        """The assistant's turn is over."""
        if self._turn is not None:
            self._turn.setdefault("content", None)
            self._messages.append(self._turn)
        self._turn = None
        self._spoke = 0

    def _message(self, item: _Object, where: str) -> None:
        role, content = item.get("role"), item.get("content")
        if role not in _ROLES:
            raise refusal(f"Invalid value for '{where}.role': {str(role)[:100]!r}.", code="invalid_value")
        if not isinstance(content, str | list):
            raise refusal(f"Invalid type for '{where}.content': expected a string or an array.", code="invalid_type")
        if role != "assistant":
            self.close()
            self._messages.append({"role": role, "content": _content(content, where)})
            return
        if self._turn is not None and "content" in self._turn:
            self.close()
        turn = self._open()
        turn.update(_said(content, where))
        self._spoke = max(self._spoke, 1 + len(turn.get("tool_calls", ())))

    def _open(self) -> _Object:
        if self._turn is None:
            self._turn = {"role": "assistant"}
        return self._turn

    def _call(self, item: _Object, where: str) -> None:
        call = call_of(item, 0)
        if call is None or not call["function"]["name"] or not isinstance(item.get("call_id"), str):
            raise refusal(f"Missing required parameter: '{where}.name' or '{where}.call_id'.")
        if item["type"] == "custom_tool_call":
            function = call["function"]
            call = {
                "id": call["id"],
                "type": "custom",
                "custom": {"name": function["name"], "input": function["arguments"]},
            }
        self._open().setdefault("tool_calls", []).append(call)
        self._spoke += 1

    def _thought(self, item: _Object) -> None:
        turn = self._open()
        said, details = thought_texts(item), turn.setdefault("reasoning_details", [])
        count = len({detail["index"] for detail in details})
        details += thoughts_of(item, count, self._spoke)
        if said:
            before = turn.get("reasoning_content")
            turn["reasoning_content"] = "\n\n".join([*([before] if before else []), *said])
        if not details:
            del turn["reasoning_details"]

    def _result(self, item: _Object, where: str) -> None:
        id_, output = item.get("call_id"), item.get("output")
        if not isinstance(id_, str):
            raise refusal(f"Missing required parameter: '{where}.call_id'.", code="missing_required_parameter")
        if not isinstance(output, str | list):
            raise refusal(f"Invalid type for '{where}.output': expected a string or an array.", code="invalid_type")
        self.close()
        self._messages.append({"role": "tool", "tool_call_id": id_, "content": _content(output, where)})


def _said(content: str | list[Any], where: str) -> _Object:
    """What an assistant's message says: text, and perhaps a refusal."""
    if isinstance(content, str):
        return {"content": content}
    parts = _objects(content, where)
    refusals = [
        part["refusal"] for part in parts if part.get("type") == "refusal" and isinstance(part.get("refusal"), str)
    ]
    texts = [
        text
        for part in said_of(content, "output_text", "text", "input_text")
        if isinstance(text := part.get("text"), str)
    ]
    said: _Object = {"content": "".join(texts) if texts or not refusals else None}
    return said | {"refusal": "".join(refusals)} if refusals else said


def _content(content: str | list[Any], where: str) -> str | list[_Object]:
    return content if isinstance(content, str) else [_part(part) for part in _objects(content, where)]


def _objects(content: list[Any], where: str) -> list[_Object]:
    if not all(isinstance(part, dict) for part in content):
        raise refusal(f"Invalid type for '{where}.content': expected an array of objects.", code="invalid_type")
    return content


def _part(part: _Object) -> _Object:
    """A content part in a chat's form, where chats have it."""
    rest = {name: value for name, value in part.items() if name not in _OWN and value is not None}
    match part.get("type"):
        case "input_text" | "output_text":
            return {**{name: value for name, value in part.items() if value is not None}, "type": "text"}
        case "input_image" if isinstance(part.get("image_url"), str):
            detail = {"detail": part["detail"]} if part.get("detail") else {}
            return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}, **rest}
        case "input_file":
            file = {name: part[name] for name in ("file_id", "file_data", "filename") if part.get(name) is not None}
            if part.get("file_url") is not None:
                file["file_data"] = part["file_url"]
            return {"type": "file", "file": file, **rest}
    return part


_OWN: Final = frozenset(("type", "image_url", "detail", "file_id", "file_data", "file_url", "filename"))

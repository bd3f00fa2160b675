"""The server half of a request: what a client of the Messages API asked, in OpenAI's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from penstock.call import Call
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.anthropic.forms import FORMS, Form, read_path
from penstock.wire.anthropic.heard import neutral_messages
from penstock.wire.anthropic.request import BUDGETS
from penstock.wire.anthropic.words import ANSWER_TOOL

__all__ = ["decode_request"]

_ANY_OBJECT: Final = {"type": "object"}
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_Body = dict[str, Any]


def decode_request(request: WireRequest, form: Form) -> Call:
    """The call that a client made: `id` is empty, `model` as it wrote it.

    Raises `CallError` bad_request with Anthropic's status for an unknown path, a wrong method, or a malformed body.
    """
    path = request.url.partition("?")[0].partition("#")[0].rstrip("/")
    found = read_path(FORMS[form], path)
    if found is None:
        raise _refusal("Not Found", 404)
    if request.method != "POST":
        raise _refusal("Method Not Allowed", 405)
    said = _body(request.body)
    model, stream = found
    if model is None:
        model = said.get("model")
        stream = said.get("stream") or False
    if not isinstance(model, str) or not model:
        raise _refusal("model: Field required")
    if not isinstance(stream, bool):
        raise _refusal("stream: Input should be a valid boolean")
    most, messages = said.get("max_tokens"), said.get("messages")
    if most is None:
        raise _refusal("max_tokens: Field required")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise _refusal("max_tokens: Input should be greater than or equal to 1")
    if messages is None:
        raise _refusal("messages: Field required")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise _refusal("messages: at least one message is required")
    body: _Body = {"model": model, "messages": neutral_messages(said.get("system"), messages), "max_tokens": most}
    for name, value in said.items():
        read = _FIELDS.get(name)
        if read is not None and value is not None:
            read(body, value)
        elif read is None and name not in _READ:
            body[name] = value
    if stream:
        body["stream"] = True
    return Call(id="", model=model, body=body, stream=stream, prefill=body["messages"][-1].get("role") == "assistant")


def _body(data: bytes) -> _Body:
    try:
        data.decode("utf-8")
        body = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise _refusal("The request body is not a JSON object")
    return body


def _refusal(message: str, status: int = 400) -> CallError:
    code = "not_found_error" if status == 404 else "invalid_request_error"
    return CallError("bad_request", message, status=status, code=code)


def _tools(body: _Body, value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise _refusal("tools: Input should be a valid list")
    tools = []
    for tool in value:
        if tool.get("name") == ANSWER_TOOL and tool.get("type") in (None, "custom"):
            schema = tool.get("input_schema")
            body["response_format"] = (
                {"type": "json_object"}
                if schema == _ANY_OBJECT
                else {"type": "json_schema", "json_schema": {"name": ANSWER_TOOL, "schema": schema}}
            )
        else:
            tools.append(_tool(tool))
    if tools:
        body["tools"] = tools


def _tool(tool: _Body) -> _Body:
    if tool.get("type") not in (None, "custom") or "input_schema" not in tool:
        return tool
    function: _Body = {"name": tool.get("name")}
    for mine, theirs in (("description", "description"), ("input_schema", "parameters"), ("strict", "strict")):
        if tool.get(mine) is not None:
            function[theirs] = tool[mine]
    made: _Body = {"type": "function", "function": function}
    mark = tool.get("cache_control")
    return made if mark is None else {**made, "cache_control": mark}


def _tool_choice(body: _Body, value: Any) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if value_is_forced := (kind == "tool"):
        name = value.get("name")
    if value_is_forced and name != ANSWER_TOOL:
        body["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif isinstance(kind, str) and kind in _CHOICES:
        body["tool_choice"] = _CHOICES[kind]
    elif not value_is_forced:
        raise _refusal("tool_choice: Input should be auto, any, tool or none")
    if value.get("disable_parallel_tool_use"):
        body["parallel_tool_calls"] = False


def _thinking(body: _Body, value: Any) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "enabled":
        budget = value.get("budget_tokens")
        if not isinstance(budget, int) or budget < 1024:
            raise _refusal("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        body["reasoning_effort"] = next((effort for effort, most in BUDGETS.items() if budget <= most), "xhigh")
    elif kind == "disabled":
        body["reasoning_effort"] = "none"
    elif kind == "adaptive":
        body.setdefault("reasoning_effort", "high")
    else:
        body["thinking"] = value


def _output_config(body: _Body, value: Any) -> None:
    value = value if isinstance(value, dict) else {}
    form = value.get("format")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        wrapper = {"name": ANSWER_TOOL, "schema": form.get("schema"), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": wrapper}
    if value.get("effort") is not None and body.get("reasoning_effort") != "none":
        body["reasoning_effort"] = value["effort"]


def _metadata(body: _Body, value: Any) -> None:
    if isinstance(value, dict) and value.get("user_id") is not None:
        body["user"] = value["user_id"]


def _service_tier(body: _Body, value: Any) -> None:
    body["service_tier"] = "default" if value == "standard_only" else value


def _stop(body: _Body, value: Any) -> None:
    body["stop"] = value


_FIELDS: Final[dict[str, Callable[[_Body, Any], None]]] = {
    "tools": _tools,
    "tool_choice": _tool_choice,
    "thinking": _thinking,
    "output_config": _output_config,
    "metadata": _metadata,
    "service_tier": _service_tier,
    "stop_sequences": _stop,
}
_READ: Final = frozenset(("model", "messages", "max_tokens", "system", "stream", "anthropic_version"))

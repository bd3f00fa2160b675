"""Forms and functions among a request's options, and what they make of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.answer import Answer, ToolCall
from penstock.call import Completion
from penstock.errors import ConfigError, InvalidAnswer, PenstockError
from penstock.schema import Form, Tool, form_of, tool_of

if TYPE_CHECKING:
    from penstock.client.request import Row

__all__ = ["DEFAULT_REASKS", "answer_of", "read_form", "settled_of"]

DEFAULT_REASKS = 2
"""How often an answer in another form is asked again."""


def read_form(options: Mapping[str, Any], params: dict[str, Any]) -> tuple[Form | None, tuple[Tool, ...]]:
    """The form and the functions, put into `params` as what is asked. Raises `ConfigError`."""
    form = None
    if options.get("schema") is not None:
        if "response_format" in params:
            raise ConfigError("schema and response_format exclude each other: schema brings one of its own")
        form = form_of(options["schema"])
        params["response_format"] = form.response_format
    elif options.get("reasks") is not None:
        raise ConfigError("reasks: only an answer with a schema is asked again")
    functions: list[Tool] = []
    if options.get("tools"):
        tools: list[Any] = []
        for given in options["tools"]:
            if callable(given):
                functions.append(tool_of(given))
                tools.append(functions[-1].definition)
            elif isinstance(given, Mapping):
                tools.append(given)
            else:
                raise ConfigError(f"tools: expected functions or tools in OpenAI's form, got {given!r:.80}")
        names = [tool.name for tool in functions]
        if len(set(names)) < len(names):
            raise ConfigError(f"tools: two functions are called {next(n for n in names if names.count(n) > 1)}")
        params["tools"] = tools
    return form, tuple(functions)


def answer_of(completion: Completion, row: Row, *, model: str | None) -> Answer:
    """The answer with what was asked of it read. Raises `InvalidAnswer` for another form than its row's."""
    parsed = None if row.form is None else _parsed(row.form, completion)
    calls = None
    if row.functions and completion.choices:
        by_name = {tool.name: tool for tool in row.functions}

        def read(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            return by_name[name].bound(arguments) if name in by_name else arguments

        calls = [ToolCall(call, read) for call in completion.message.get("tool_calls") or ()]
    return Answer(completion, body=row.body, model=model, prompt=row.prompt, parsed=parsed, calls=calls)


def _parsed(form: Form, completion: Completion) -> Any:
    try:
        return form.read(completion)
    except InvalidAnswer:
        # It was held against the form before it was masked, and may not fit it since: then it is plain JSON.
        if not any(found.guard == "redact" and found.done == "masked" for found in completion.guards):
            raise
        return form.read_plain(completion)


def settled_of(completion: Completion, row: Row, *, model: str | None) -> Answer:
    """The same, or how it ended without one."""
    try:
        return answer_of(completion, row, model=model)
    except PenstockError as error:
        return Answer(None, body=row.body, model=model, error=error, prompt=row.prompt)

"""Marks of a prompt's cached beginning (`cache_control`), for providers that know none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from penstock.wire.dropping import dropped

__all__ = ["without_marks"]

_MARK: Final = "cache_control"
_INNER: Final = ("content", "tool_calls")


def without_marks(asked: dict[str, Any], wire: str, why: str) -> dict[str, Any]:
    """The same chat without marks on messages, parts, calls and tools, and a warning that says `why`.

    What has none stays the same object; the caller's own is never changed.
    """
    made: dict[str, Any] | None = None
    for name in _BARE:
        given = asked.get(name)
        if given.__class__ is list and (bare := _bare_list(given, _BARE[name])) is not given:
            made = made if made is not None else {**asked}
            made[name] = bare
    if made is None:
        return asked
    dropped(wire, _MARK, why)
    return made


def _bare_list(given: list[Any], bared: Callable[[dict[str, Any]], dict[str, Any]]) -> list[Any]:
    bare = given
    for at, one in enumerate(given):
        if one.__class__ is not dict:
            continue
        said = bared(one)
        if said is not one:
            bare = bare if bare is not given else [*given]
            bare[at] = said
    return bare


def _bare_message(message: dict[str, Any]) -> dict[str, Any]:
    bare = _without(message)
    for name in _INNER:
        inner = message.get(name)
        if inner.__class__ is list and any(one.__class__ is dict and _MARK in one for one in inner):
            bare = {**bare, name: [_without(one) if one.__class__ is dict else one for one in inner]}
    return bare


def _bare_tool(tool: dict[str, Any]) -> dict[str, Any]:
    bare = _without(tool)
    function = tool.get("function")
    if function.__class__ is dict and _MARK in function:
        bare = {**bare, "function": _without(function)}
    return bare


def _without(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name != _MARK} if _MARK in one else one


_BARE: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {"messages": _bare_message, "tools": _bare_tool}

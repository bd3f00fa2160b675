"""Ids of tool calls: made where a server gives none, and each one's own in a history, whoever made them.

Steps that different providers answered stand in one history; an id that two calls share is refused by some ("tool_use
ids must be unique"), and others give a result to the wrong call.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

__all__ = ["id_of_its_own", "with_ids"]

_Object = dict[str, Any]


def id_of_its_own(*said: object) -> str:
    """An id for a call that came without one, of what is known of it: its answer's id, its place, its name.

    Always the same for the same; letters, digits and a line, which every wire takes.
    """
    return f"call_{blake2b(repr(said).encode('utf-8', 'surrogatepass'), digest_size=10).hexdigest()}"


def with_ids(
    messages: Any, spelled: Callable[[str], str] = str, *, needed: bool = True, most: int | None = None
) -> Any:
    """The messages, each call in them with an id that no other has and that its result names.

    `spelled` is how the wire writes an id, `most` how many characters it takes; without `needed`, calls that have none
    stay so. What is already so stays the same object.
    """
    if isinstance(messages, list):
        for message in messages:
            if isinstance(message, dict) and message.get("tool_calls"):
                return _Writer(spelled, needed=needed, most=most).all(messages)
    return messages


class _Writer:
    """The ids so far, and the calls of the last step that have no result yet."""

    __slots__ = ("_latest", "_most", "_needed", "_open", "_spelled", "_taken")

    def __init__(self, spelled: Callable[[str], str], *, needed: bool, most: int | None) -> None:
        self._most = most
        self._spelled = spelled
        self._needed = needed
        self._taken: set[str] = set()
        self._open: list[tuple[str, str, Any]] = []
        """The id that was given, the one that is sent, the name."""
        self._latest: dict[str, str] = {}
        """From an id that was given to the one that was last sent for it."""

    def all(self, messages: list[Any]) -> list[Any]:
        said = [self._one(message) if isinstance(message, dict) else message for message in messages]
        same = all(one is other for one, other in zip(said, messages, strict=True))
        return messages if same else said

    def _one(self, message: _Object) -> _Object:
        if message.get("role") == "tool":
            return self._result(message)
        calls = message.get("tool_calls")
        if not calls or not isinstance(calls, list):
            return message
        self._open.clear()
        sent = [self._call(call) if isinstance(call, dict) else call for call in calls]
        if all(one is other for one, other in zip(sent, calls, strict=True)):
            return message
        return {**message, "tool_calls": sent}

    def _call(self, call: _Object) -> _Object:
        given = str(call.get("id") or "")
        function = call.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        sent = given if self._most is None or len(given) <= self._most else id_of_its_own(given)
        if given or self._needed:
            again = 0
            while not sent or self._spelled(sent) in self._taken:
                sent = id_of_its_own(given, function, again)
                again += 1
            self._taken.add(self._spelled(sent))
        self._open.append((given, sent, name))
        self._latest[given] = sent
        return call if sent == given else {**call, "id": sent}

    def _result(self, message: _Object) -> _Object:
        given, name = str(message.get("tool_call_id") or ""), message.get("name")
        # Those of its id, or any for a result that names none; of several the one of its name, or else the first.
        mine = [one for one in self._open if one[0] == given] or ([] if given else self._open)
        if mine:
            found = next((one for one in mine if name and one[2] == name), mine[0])
            self._open.remove(found)
            sent = found[1]
        else:
            sent = self._latest.get(given, given)
        return message if sent == given else {**message, "tool_call_id": sent}

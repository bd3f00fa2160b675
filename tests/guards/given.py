"""Calls, answers and streams for tests of guards. Values that look like secrets are put together, never written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.call import Call, Choice, Completion, Event, Finished, Reply, Started, TextDelta
from penstock.fold import Fold
from penstock.handler import Handler, OpenStream
from penstock.testing import Chunks, ScriptedHandler, run

__all__ = ["CARD", "EMAIL", "KEY", "a_call", "answering", "asked", "said", "streamed"]

EMAIL = "anna" + "@example.com"
CARD = "4111 1111 " + "1111 1111"
KEY = "sk-" + "a1B2c3D4" * 5


def a_call(text: str = "hi", **fields: Any) -> Call:
    body = fields.pop("body", None) or {"messages": [{"role": "user", "content": text}]}
    return Call(id="req", model="m", body=body, **fields)


def said(text: str | None, **message: Any) -> Completion:
    content = {"role": "assistant", "content": text, **message}
    return Completion(choices=(Choice(content, "stop"),), target="t/m", requests_sent=1, cost_usd=0.5, raw=b'{"a":1}')


def answering(*answers: Completion | Chunks) -> ScriptedHandler:
    return ScriptedHandler(answers)


def streamed(pieces: Iterable[str]) -> Chunks:
    return Chunks([Started(), *map(TextDelta, pieces), Finished("stop")])


def asked(handler: Handler, call: Call) -> tuple[Any, list[Event]]:
    """The reply, and for a stream its answer and its events."""

    async def main() -> tuple[Reply, list[Event]]:
        reply = await handler(call)
        if isinstance(reply, Completion):
            return reply, []
        assert isinstance(reply, OpenStream)
        events = [event async for event in reply]
        fold = Fold(call.kind)
        for event in events:
            fold.add(event)
        completion = fold.completion()
        completion.guards = reply.guards
        return completion, events

    return run(main)

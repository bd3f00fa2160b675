"""Whether what a caller heard is the answer: the simulator's text is a function of the prompt, and made here anew."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from tests.fuzz.callers import Caller
from tests.fuzz.play import End, Story
from tests.fuzz.wires import in_dialect
from tests.fuzz.worlds import World

from penstock.call import Call, Choice, Completion
from penstock.simulator.behaviour import decide
from penstock.simulator.content import digest_of

__all__ = ["truth", "wrong_text"]


def truth(world: World, caller: Caller, target: str) -> Completion:
    """What `target` answers when nothing is wrong."""
    name, _, model = target.partition("/")
    host = world.hosts[name]
    body = in_dialect(caller.body, host)
    call = Call(id="", model=model, body=body, kind=caller.kind)
    behaviour = host.truth(model)
    return decide(call, behaviour, digest=digest_of(body), rng=random.Random(0), at_s=0.0, tries=0).completion


def wrong_text(story: Story) -> Iterator[str]:
    """An answer is the answer of the target that it names, whole; what was heard of an unfinished one begins so."""
    for end in story.ends.values():
        if end.completion is None:
            continue
        who = f"c{end.caller.number}"
        if end.how != "answered":
            if not _is_beginning(story.world, end):
                yield f"{who} heard what nobody said: {_texts(end.completion)!r}"
            continue
        target = end.stream.target if end.stream is not None else end.completion.target
        if target not in story.world.routes[end.caller.route].targets:
            yield f"{who} was answered by {target!r}, which isn't in its route"
            continue
        yield from (f"{who} {wrong}" for wrong in _differences(end.completion, truth(story.world, end.caller, target)))


def _differences(heard: Completion, told: Completion) -> Iterator[str]:
    if heard.vectors != told.vectors and [list(vector) for vector in heard.vectors] != [
        list(vector) for vector in told.vectors
    ]:
        yield "got other vectors"
    if len(heard.choices) != len(told.choices):
        yield f"got {len(heard.choices)} choices, not {len(told.choices)}"
        return
    for got, wanted in zip(heard.choices, told.choices, strict=True):
        text, whole = _said(got), _said(wanted)
        if got.finish == "content_filter":
            if not whole.startswith(text):
                yield f"got a filtered text that isn't the beginning: {text!r}"
        elif heard.malformed_events:
            if not _with_a_hole(text, whole):
                yield f"got {text!r}, marked as damaged, instead of {whole!r}"
        elif text != whole or got.finish != wanted.finish:
            yield f"got {text!r} ({got.finish}) instead of {whole!r} ({wanted.finish})"
    filtered = any(choice.finish == "content_filter" for choice in heard.choices)
    if heard.usage is not None and not filtered and not heard.malformed_events and heard.usage != told.usage:
        yield f"got {heard.usage} instead of {told.usage}"


def _said(choice: Choice) -> str:
    message: dict[str, Any] = choice.message
    calls = message.get("tool_calls") or ()
    tools = "".join(f"{call['function']['name']}({call['function']['arguments']}" for call in calls)
    return (message.get("content") or "") + tools


def _texts(completion: Completion) -> list[str]:
    return [_said(choice) for choice in completion.choices]


def _with_a_hole(text: str, whole: str) -> bool:
    """Whether `text` is `whole` without one stretch of it."""
    return len(text) <= len(whole) and any(
        whole.startswith(text[:at]) and whole.endswith(text[at:]) for at in range(len(text) + 1)
    )


def _is_beginning(world: World, end: End) -> bool:
    """Whether all that a caller heard is the beginning of an answer of one of its targets."""
    assert end.completion is not None
    said = {choice.index: _said(choice) for choice in end.completion.choices}
    damaged = end.stream is not None and end.stream.malformed_events > 0
    for target in world.routes[end.caller.route].targets:
        whole = {choice.index: _said(choice) for choice in truth(world, end.caller, target).choices}
        if all(whole.get(index, "").startswith(text) or damaged for index, text in said.items()):
            return True
    return False

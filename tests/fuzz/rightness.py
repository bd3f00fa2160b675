"""Whether what a caller heard is the answer: the simulator's text is a function of the prompt, and made here anew."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec
from tests.fuzz.callers import Caller
from tests.fuzz.play import End, Story
from tests.fuzz.truthfulness import paired
from tests.fuzz.wires import in_dialect
from tests.fuzz.worlds import World

from penstock.call import Call, Choice, Completion, Seam
from penstock.simulator.behaviour import decide
from penstock.simulator.content import digest_of

__all__ = ["truth", "wrong_text"]


def truth(world: World, caller: Caller, target: str, asked: dict[str, Any] | None = None) -> Completion:
    """What `target` answers when nothing is wrong; `asked` is the request, the caller's own unless given."""
    name, _, model = target.partition("/")
    host = world.hosts[name]
    body = in_dialect(caller.body if asked is None else asked, host)
    call = Call(id="", model=model, body=body, kind=caller.kind)
    behaviour = host.truth(model)
    return decide(call, behaviour, digest=digest_of(body), rng=random.Random(0), at_s=0.0, tries=0).completion


def wrong_text(story: Story) -> Iterator[str]:
    """An answer is the answer of the target that it names, whole; what was heard of an unfinished one begins so."""
    for end in story.ends.values():
        if end.completion is None:
            continue
        who = f"c{end.caller.number}"
        target = end.stream.target if end.stream is not None else end.completion.target
        if target not in story.world.routes[end.caller.route].targets:
            yield f"{who} was answered by {target!r}, which isn't in its route"
            continue
        try:
            told = _mended(story, end, truth(story.world, end.caller, target))
        except _Unfit as unfit:
            yield f"{who} {unfit}"
            continue
        if end.how == "answered":
            yield from (f"{who} {wrong}" for wrong in _differences(end, told))
        elif not _is_beginning(story.world, end, told):
            yield f"{who} heard {_texts(end.completion)!r} of {_texts(told)!r}"


class _Unfit(Exception):
    """A stream goes on with what can't be its continuation."""


def _seams(end: End) -> list[tuple[int, Seam]]:
    """Where a streamed answer goes on in another stream, with the number of the attempt."""
    attempts = () if end.stream is None else end.stream.attempts
    return [(number, attempt.seam) for number, attempt in enumerate(attempts) if attempt.seam is not None]


def _mended(story: Story, end: End, last: Completion) -> Completion:
    """What an answer over several streams has to be, `last` being what the last target says when nothing is wrong."""
    seams = _seams(end)
    if not seams:
        return last
    sent = [one for _, one in paired(story, end)]
    whole = truth(story.world, end.caller, seams[0][1].from_target)
    for number, seam in seams:
        kept = _said(whole.choices[0])[: seam.at_chars]
        if seam.rung == "anew":
            whole = truth(story.world, end.caller, seam.to_target)
            if not _said(whole.choices[0]).startswith(kept):
                raise _Unfit(f"has {kept!r}, which {seam.to_target} didn't say")
        else:
            one = sent[number]
            assert one is not None, "an answer goes on in a request that was never sent"
            asked = msgspec.json.decode(one.body)
            prefix = _prefix(end.caller, asked)
            if prefix.rstrip() != kept.rstrip():
                raise _Unfit(f"has {kept!r}, and {seam.to_target} was asked to continue {prefix!r}")
            rest = truth(story.world, end.caller, seam.to_target, asked)
            choice = rest.choices[0]
            message = {**choice.message, "content": kept + _new_of(_said(choice), kept)}
            whole = msgspec.structs.replace(rest, choices=(msgspec.structs.replace(choice, message=message),))
    return whole


def _new_of(rest: str, kept: str) -> str:
    """White space at the end of what is to be continued isn't sent, and comes again."""
    gap = kept[len(kept.rstrip()) :]
    again = next((length for length in range(len(gap), 0, -1) if rest.startswith(gap[:length])), 0)
    return rest[again:]


def _prefix(caller: Caller, asked: dict[str, Any]) -> str:
    """What a request wants continued."""
    if "messages" in asked:
        last = asked["messages"][-1]
        return str(last["content"]) if last["role"] == "assistant" else ""
    return str(asked["prompt"]).removeprefix(caller.body["prompt"])


def _differences(end: End, told: Completion) -> Iterator[str]:
    heard = end.completion
    assert heard is not None
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
    damaged = filtered or heard.malformed_events or _seams(end)
    if heard.usage is not None and not damaged and heard.usage != told.usage:
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


def _is_beginning(world: World, end: End, told: Completion) -> bool:
    """Whether all that a caller heard is the beginning of what it was to hear.

    An event that nobody could read may be missing: how many there were is said at the end only.
    """
    assert end.completion is not None
    whole = {choice.index: _said(choice) for choice in told.choices}
    for choice in end.completion.choices:
        said, all_of_it = _said(choice), whole.get(choice.index, "")
        if not all_of_it.startswith(said) and not (_may_be_damaged(world) and _is_in(said, all_of_it)):
            return False
    return True


def _may_be_damaged(world: World) -> bool:
    phases = (phase for host in world.hosts.values() for _, phase in host.phases)
    faults = (fault for phase in phases for behaviour in phase.models.values() for fault in behaviour.faults)
    return any(fault.fault == "malformed_event" for fault in faults)


def _is_in(said: str, whole: str) -> bool:
    """Whether `said` is a beginning of `whole` with a hole in it."""
    return any(whole.startswith(said[:at]) and said[at:] in whole for at in range(len(said) + 1))

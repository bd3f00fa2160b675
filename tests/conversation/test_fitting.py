"""What is sent always fits, holds what must be sent, and parts no tool call from its results."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conversation.given import CALL, histories, said

from penstock.conversation.context import Measures, fitted, limit_of
from penstock.conversation.fitting import Overfull, blocks_of, choose
from penstock.conversation.state import Summary
from penstock.errors import ContextTooLong
from penstock.tokens import Counter
from penstock.wiring import TargetContext

GPT = TargetContext(target="openai/gpt-4", model="gpt-4", length=8192, output=2048)
SMALL = TargetContext(target="sim/small", model="small", length=900, output=200)

contexts = st.sampled_from([(), (GPT,), (SMALL,), (GPT, SMALL), (SMALL, GPT)])
summaries = st.one_of(st.none(), st.integers(0, 40).map(lambda count: "It was about the moon. " * count + "Yes."))


def sent_of(messages, limit, summary=None, targets=()):
    return fitted(messages, summary, targets, Measures(), max_tokens=limit, params={})


def must_of(messages):
    last = max(index for index, message in enumerate(messages) if message.role == "user")
    return {index for index, message in enumerate(messages) if message.is_kept or index == last}


@settings(max_examples=400, deadline=None)
@given(histories(), st.integers(40, 1500), summaries, st.integers(1, 30), contexts)
def test_what_is_sent_never_exceeds_a_limit_and_holds_what_must_be_sent(messages, limit, text, covers, targets):
    summary = None if text is None else Summary(text, min(covers, len(messages)))
    try:
        sent = sent_of(messages, limit, summary, targets)
    except ContextTooLong:
        return
    assert sent.tokens <= limit
    assert Counter(sent.target.partition("/")[2]).request("chat", {"messages": sent.messages}) == sent.tokens
    for target in targets:
        room = limit_of(target, Counter(target.model), limit, None)
        fits = Counter(target.model).request("chat", {"messages": sent.messages}) <= room
        assert fits or not _can_hold_the_least(messages, target, limit)
    assert must_of(messages) <= set(sent.indexes)
    assert sent.indexes == sorted(set(sent.indexes))
    assert [messages[index].body for index in sent.indexes][-1] == sent.messages[-1] == messages[-1].body


def _can_hold_the_least(messages, target, limit):
    try:
        sent_of(messages, limit, None, (target,))
    except ContextTooLong:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(histories(), st.integers(40, 1500), summaries, st.integers(1, 30))
def test_a_tool_call_goes_with_its_results_or_not_at_all(messages, limit, text, covers):
    summary = None if text is None else Summary(text, min(covers, len(messages)))
    try:
        sent = sent_of(messages, limit, summary)
    except ContextTooLong:
        return
    chosen = set(sent.indexes)
    for block in blocks_of(messages):
        together = set(range(block.start, block.end))
        assert together <= chosen or not together & chosen
    open_ = []
    for body in sent.messages:
        if body["role"] == "tool":
            assert body["tool_call_id"] in open_
            open_.remove(body["tool_call_id"])
        else:
            assert not open_
            open_ = [call["id"] for call in body.get("tool_calls") or ()]
    assert not open_


@settings(max_examples=200, deadline=None)
@given(histories(), st.integers(0, 1500))
def test_only_what_must_be_sent_can_be_too_much(messages, room):
    counts = [Counter("gpt-4").message(message.body) for message in messages]
    least = sum(counts[index] for index in _with_blocks(messages, must_of(messages) | {len(messages) - 1}))
    if least <= room:
        assert least <= sum(counts[index] for index in choose(messages, counts, room)) <= room
        return
    with pytest.raises(Overfull) as caught:
        choose(messages, counts, room)
    assert (caught.value.needed, caught.value.room) == (least, room)


def _with_blocks(messages, indexes):
    blocks = [set(range(block.start, block.end)) for block in blocks_of(messages)]
    return set().union(*(block for block in blocks if block & indexes))


@settings(max_examples=200, deadline=None)
@given(histories())
def test_with_room_enough_everything_is_sent_as_it_stands(messages):
    sent = sent_of(messages, 1_000_000)
    assert (sent.messages, sent.left_out) == ([message.body for message in messages], 0)


def test_a_window_begins_with_a_question():
    messages = [said("system", "Be brief."), said("user", "one " * 30), said("assistant", "uno"), said("user", "two")]
    sent = sent_of(messages, 40)
    assert [body["role"] for body in sent.messages] == ["system", "user"]
    assert sent.left_out == 2


def test_what_must_be_sent_and_has_no_room_is_told_with_its_parts():
    messages = [said("system", "moon " * 100), said("user", "why?", pinned=True)]
    with pytest.raises(ContextTooLong) as caught:
        sent_of(messages, 50)
    assert "1 pinned message" in str(caught.value)
    assert "too many for the 50 that may be sent: max_tokens is 50" in str(caught.value)


def test_the_answer_keeps_its_room_in_the_targets_context():
    asked = [said("user", "why?")]
    exact = fitted(asked, None, (GPT,), Measures(), max_tokens=None, params={"max_tokens": 4096})
    assert exact.limit == math.floor((8192 - 4096) / (1 + Counter("gpt-4").error))
    assert fitted(asked, None, (GPT,), Measures(), max_tokens=None, params={}).limit > exact.limit
    with pytest.raises(ContextTooLong, match="reads and writes 8,192, of which 8,190 are kept for the answer"):
        fitted(asked, None, (GPT,), Measures(), max_tokens=None, params={"max_tokens": 8190})


def test_the_smallest_of_the_targets_decides():
    messages = [said("user", "moon " * 250), said("assistant", "yes"), said("user", "moon " * 250)]
    assert len(sent_of(messages, None, targets=(GPT,)).indexes) == 3
    assert len(sent_of(messages, None, targets=(GPT, SMALL)).indexes) == 1


def test_a_target_that_has_room_only_without_the_summary_decides_too():
    messages = [said("user", "one"), said("assistant", "uno"), said("user", "moon " * 475)]
    summary = Summary("They counted for a while.", 2)
    assert sent_of(messages, None, summary, (GPT,)).summary is not None
    sent = sent_of(messages, None, summary, (GPT, SMALL))
    assert (sent.summary, sent.indexes) == (None, [2])
    assert "no room for the summary" in sent.trouble


def test_tools_are_counted():
    tools = [{"type": "function", "function": {"name": "look", "description": "Look at the sky. " * 20}}]
    asked = [said("user", "why?")]
    plain = fitted(asked, None, (GPT,), Measures(), max_tokens=None, params={})
    assert fitted(asked, None, (GPT,), Measures(), max_tokens=None, params={"tools": tools}).tokens > plain.tokens + 50


def test_a_summary_stands_in_the_one_system_message():
    messages = [said("system", "Be brief."), said("user", "one"), said("assistant", "uno"), said("user", "two")]
    sent = sent_of(messages, 100, Summary("They counted.", 3))
    assert [body["role"] for body in sent.messages] == ["system", "user"]
    assert "Be brief." in sent.messages[0]["content"]
    assert "They counted." in sent.messages[0]["content"]
    assert messages[0].content == "Be brief."


def test_a_summary_without_room_is_left_out_and_it_is_said():
    messages = [said("user", "one"), said("assistant", "uno"), said("user", "two")]
    sent = sent_of(messages, 20, Summary("They counted for a long time. " * 20, 2))
    assert (sent.summary, sent.indexes) == (None, [2])
    assert "no room for the summary" in sent.trouble


def test_results_of_several_calls_are_one_block():
    calls = [CALL, {**CALL, "id": "call_2"}]
    results = [said("tool", "a", fields={"tool_call_id": call["id"]}) for call in calls]
    messages = [said("user", "look"), said("assistant", None, fields={"tool_calls": calls}), *results]
    assert [(block.start, block.end) for block in blocks_of(messages)] == [(0, 1), (1, 4)]

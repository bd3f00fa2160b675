"""Conversations of every shape, for Hypothesis and by hand."""

from __future__ import annotations

from hypothesis import strategies as st

from penstock.conversation.message import Message, new_message

__all__ = ["CALL", "histories", "said"]

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def said(role, content, **more):
    """A message, added at the start of time."""
    return new_message(role, content, at_s=0.0, **more)


words = st.integers(0, 60).map(lambda count: "moon " * count + "?")


@st.composite
def turns(draw) -> list[Message]:
    """A question and what follows it: an answer, perhaps after rounds of tool calls; perhaps nothing yet."""
    pins = st.integers(0, 9).map(lambda roll: roll == 0)
    made = [said("user", draw(words), pinned=draw(pins))]
    for _ in range(draw(st.integers(0, 2))):
        calls = [{**CALL, "id": f"call_{number}"} for number in range(draw(st.integers(1, 3)))]
        made.append(said("assistant", None, fields={"tool_calls": calls}, pinned=draw(pins)))
        results = draw(st.permutations(calls))
        made += [said("tool", draw(words), fields={"tool_call_id": call["id"]}, pinned=draw(pins)) for call in results]
    if draw(st.booleans()):
        made.append(said("assistant", draw(words), pinned=draw(pins)))
    if draw(st.integers(0, 9)) == 0:
        made.append(said("system", draw(words)))
    return made


@st.composite
def histories(draw) -> list[Message]:
    """A whole conversation with at least one question."""
    head = [said("system", draw(words))] if draw(st.booleans()) else []
    greeting = [said("assistant", draw(words))] if draw(st.integers(0, 4)) == 0 else []
    rest = draw(st.lists(turns(), min_size=1, max_size=12))
    return [*head, *greeting, *(message for turn in rest for message in turn)]

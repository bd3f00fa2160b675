"""The fold of a stream is the completion that came in pieces."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.call import (
    Choice,
    Completion,
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)
from penstock.fold import Fold, fold


def message_of(*events, kind="chat"):
    return fold(events, kind).choices[0].message


def test_a_stream_folds_to_its_completion():
    events = [
        Started("m", "c", 7),
        TextDelta("Hel"),
        TextDelta("lo"),
        Finished("stop", "stop"),
        UsageUpdate(Usage(1, 2)),
    ]
    choice = Choice({"role": "assistant", "content": "Hello"}, "stop", "stop")
    assert fold(events) == Completion(choices=(choice,), usage=Usage(1, 2), model="m", id="c", created=7)


def test_the_last_usage_counts_and_nothing_is_summed():
    assert fold([UsageUpdate(Usage(1, 2)), UsageUpdate(Usage(1, 5))]).usage == Usage(1, 5)


def test_tool_fragments_are_joined_by_their_index():
    events = [ToolDelta(0, "a", "f", "{"), ToolDelta(1, "b", "g", "[]"), ToolDelta(0, arguments="}")]
    assert message_of(*events)["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "[]"}},
    ]


def test_content_is_null_beside_tool_calls_and_refusals_as_in_one_piece():
    assert message_of(ToolDelta(0, "a", "f", "{}"))["content"] is None
    assert message_of(RefusalDelta("no"))["content"] is None
    assert message_of(ReasoningDelta("hm"))["content"] == ""


def test_reasoning_and_refusal_have_their_fields():
    message = message_of(ReasoningDelta("h"), ReasoningDelta("m"), RefusalDelta("no"))
    assert (message["reasoning_content"], message["refusal"]) == ("hm", "no")


def test_choices_that_take_turns_are_kept_apart():
    folded = fold([TextDelta("b", 1), TextDelta("a"), TextDelta("B", 1), Finished("length", "length", 1)])
    assert [(c.index, c.message["content"], c.finish) for c in folded.choices] == [
        (0, "a", "unknown"),
        (1, "bB", "length"),
    ]


def test_log_probabilities_are_joined_list_by_list():
    first, second = {"content": [1], "refusal": None}, {"content": [2, 3], "refusal": None}
    folded = fold([TextDelta("a", 0, first), TextDelta("b"), TextDelta("c", 0, second)])
    assert folded.choices[0].logprobs == {"content": [1, 2, 3], "refusal": None}
    assert first == {"content": [1], "refusal": None}


def test_a_text_completion_has_only_text():
    assert message_of(TextDelta("a"), TextDelta("b"), kind="completion") == {"role": "assistant", "content": "ab"}


def test_a_fold_can_be_asked_at_any_time():
    folded = Fold()
    assert (folded.text, folded.completion().choices) == ("", ())
    folded.add(TextDelta("a"))
    assert (folded.text, folded.completion().text) == ("a", "a")
    folded.add(TextDelta("b"))
    assert (folded.text, folded.completion(malformed_events=2).malformed_events) == ("ab", 2)


EVENTS = [
    Started("m", "c", 7),
    TextDelta("a"),
    TextDelta("b", 1),
    TextDelta("c", 0, {"content": [{"token": "c"}]}),
    ReasoningDelta("r"),
    RefusalDelta("no", 1),
    ToolDelta(0, "i", "f", "{"),
    ToolDelta(0, arguments="}"),
    Finished("stop", "stop"),
    Finished("length", "max", 1),
    UsageUpdate(Usage(1, 2)),
    UsageUpdate(Usage(1, 5)),
]


@given(st.lists(st.sampled_from(EVENTS)))
def test_events_one_by_one_make_what_they_make_all_together(events: list[Event]):
    one_by_one, together = Fold(), Fold()
    for event in events:
        one_by_one.add(event)
    together.add_all(events)
    assert one_by_one.completion() == together.completion()

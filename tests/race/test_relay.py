"""One answer over as many streams as it takes: the caller has every character once, or an error that says which."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.race.given import a_call, an_error
from tests.race.ladder import BODY, STOP, TEXT, Ladder, cut, heard, text_of, words

from penstock.call import (
    Call,
    Event,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Rung,
    Seam,
    Started,
    TextDelta,
    ToolDelta,
)
from penstock.errors import CallError, DeadlineExceeded
from penstock.fold import fold
from penstock.handler import OpenStream
from penstock.race.relay import PrefillRefusals, Relay
from penstock.testing import Chunks, run

# One stream.


def test_a_stream_that_does_not_break_passes_as_it_is() -> None:
    whole = [Started("m", "one"), ReasoningDelta("hm"), *words(TEXT), ToolDelta(0, "a", "f", "{}"), *STOP]
    assert heard(Ladder(), Chunks(whole)) == (whole, None)


def test_what_breaks_after_the_finish_takes_nothing_away() -> None:
    ladder = Ladder()
    events, error = heard(ladder, cut(*words(TEXT), Finished("stop")))
    assert (text_of(events), error, ladder.asked) == (TEXT, None, [])


# The first rung.


def test_a_broken_answer_is_continued_from_the_text_so_far() -> None:
    ladder = Ladder(prefill=[Chunks([Started("m", "two"), *words(TEXT[40:]), *STOP])])
    events, error = heard(ladder, cut(*words(TEXT[:40])))
    assert (text_of(events), error) == (TEXT, None)
    assert [type(event) for event in events].count(Started) == 1
    assert events[-2:] == STOP
    ((rung, call),) = ladder.asked
    assert (rung, call.prefill) == ("prefill", True)
    assert call.body["messages"] == [*BODY["messages"], {"role": "assistant", "content": TEXT[:40].rstrip()}]


def test_the_seam_stands_on_the_attempt_that_it_leads_to() -> None:
    ladder = Ladder(prefill=[Chunks([*words(TEXT[40:]), *STOP])])
    heard(ladder, cut(*words(TEXT[:40])))
    assert ladder.seams == [None, Seam(at_chars=40, rung="prefill", from_target="sim/0", to_target="sim/1")]


def test_the_caller_gets_a_continuation_as_it_comes() -> None:
    ladder = Ladder(prefill=[Chunks([TextDelta("window"), 100, *STOP])])

    async def main() -> float:
        stream = await ladder.relay(cut(*words(TEXT[:40])))
        async with stream:
            while await anext(stream) != TextDelta("window"):
                pass
            return asyncio.get_running_loop().time()

    assert run(main) == 0


@pytest.mark.parametrize("again", [TEXT, "\n\n" + TEXT, " " + TEXT], ids=["as it was", "after lines", "after a blank"])
@pytest.mark.parametrize("at", [40, 41, 42, len(TEXT)])
def test_a_provider_that_begins_again_is_cut_where_it_goes_on(again: str, at: int) -> None:
    ladder = Ladder(prefill=[Chunks([*words(again, size=7), *STOP])])
    events, error = heard(ladder, cut(*words(TEXT[:at])))
    assert (text_of(events), error) == (TEXT, None)


@pytest.mark.parametrize("said", [TEXT[41:], TEXT[42:]], ids=["with the blank", "without it"])
def test_a_blank_at_the_seam_is_there_once(said: str) -> None:
    ladder = Ladder(prefill=[Chunks([*words(said), *STOP])])
    events, error = heard(ladder, cut(*words(TEXT[:42])))
    assert (text_of(events), error) == (TEXT, None)


def test_a_provider_that_begins_again_in_other_words_did_not_continue() -> None:
    other = TEXT[:30] + " something else entirely"
    ladder = Ladder(prefill=[Chunks([*words(other), *STOP])], anew=[Chunks([*words(TEXT), *STOP])])
    events, error = heard(ladder, cut(*words(TEXT[:40])))
    assert (text_of(events), error) == (TEXT, None)
    assert [rung for rung, _ in ladder.asked] == ["prefill", "anew"]
    assert ladder.seams[1] is None


def test_a_continuation_that_breaks_is_continued_again() -> None:
    ladder = Ladder(
        prefill=[cut(*words(TEXT[40:60])), cut(*words(TEXT[60:80])), Chunks([*words(TEXT[80:]), *STOP])],
    )
    events, error = heard(ladder, cut(*words(TEXT[:40])))
    assert (text_of(events), error) == (TEXT, None)
    assert [seam.at_chars for seam in ladder.seams if seam] == [40, 60, 80]
    assert [seam.from_target for seam in ladder.seams if seam] == ["sim/0", "sim/1", "sim/2"]


def test_a_refusal_to_continue_is_remembered_and_no_error_of_the_answer() -> None:
    refusals = PrefillRefusals()
    refused = an_error("bad_request", target="sim/strict", status=400)
    ladder = Ladder(prefill=[refused], anew=[Chunks([*words(TEXT), *STOP])], refusals=refusals)
    events, error = heard(ladder, cut(*words(TEXT[:40])))
    assert (text_of(events), error) == (TEXT, None)
    assert not refusals.takes(a_call(body=BODY), "sim/strict")
    assert refusals.takes(a_call(body=BODY), "sim/0")
    assert refusals.takes(a_call(body={**BODY, "tools": [{}]}), "sim/strict")


def test_an_answer_that_never_left_is_no_refusal() -> None:
    refusals = PrefillRefusals()
    ladder = Ladder(prefill=[an_error("bad_request", target="sim/x", sent=False)], refusals=refusals)
    heard(ladder, cut(*words(TEXT[:40])))
    assert refusals.takes(a_call(body=BODY), "sim/x")


@pytest.mark.parametrize(
    "changed",
    [
        {"response_format": {"type": "json_object"}},
        {"messages": [*BODY["messages"], {"role": "assistant", "content": "It"}]},
        {"guided_json": {"type": "object"}},
        {"messages": []},
    ],
    ids=["form", "begun", "guided", "no messages"],
)
def test_what_wants_a_whole_answer_is_asked_anew(changed: dict[str, Any]) -> None:
    ladder = Ladder(anew=[Chunks([*words(TEXT), *STOP])])
    events, error = heard(ladder, cut(*words(TEXT[:40])), body={**BODY, **changed})
    assert (text_of(events), error) == (TEXT, None)
    assert [rung for rung, _ in ladder.asked] == ["anew"]


@pytest.mark.parametrize("said", ["The valley hears", "0, " * 40], ids=["short", "the same again and again"])
def test_a_beginning_that_could_not_be_recognised_is_asked_anew(said: str) -> None:
    ladder = Ladder(anew=[Chunks([*words(said + "end"), *STOP])])
    events, error = heard(ladder, cut(*words(said)))
    assert (text_of(events), error) == (said + "end", None)
    assert [rung for rung, _ in ladder.asked] == ["anew"]


def test_a_continuation_has_the_tokens_that_are_left() -> None:
    ladder = Ladder(prefill=[Chunks([*words(TEXT[40:]), *STOP])])
    heard(ladder, cut(*words(TEXT[:40])), body={**BODY, "max_tokens": 50, "max_completion_tokens": 5})
    body = ladder.asked[0][1].body
    assert (body["max_tokens"], body["max_completion_tokens"]) == (50 - 10, 1)


def test_a_text_completion_goes_on_with_its_prompt() -> None:
    ladder = Ladder(prefill=[Chunks([*words(TEXT[43:]), *STOP])])
    call = a_call(kind="completion", body={"prompt": "Once: "}, stream=True)

    async def main() -> str:
        ladder._step = cut(*words(TEXT[:43]))
        relay = Relay(call, await ladder.open(call, "sim/0"), again=ladder.again)
        return fold([event async for event in relay.stream()], "completion").text

    assert run(main) == TEXT
    assert ladder.asked[0][1].body["prompt"] == "Once: " + TEXT[:43]


# The second rung.


def test_an_answer_asked_anew_gives_only_what_is_new() -> None:
    ladder = Ladder(anew=[Chunks([Started("m", "two"), *words(TEXT, size=7), *STOP])])
    events, error = heard(ladder, cut(*words(TEXT[:40])))
    assert (text_of(events), error) == (TEXT, None)
    assert ladder.asked[-1][1].prefill is False
    assert ladder.seams[-1] == Seam(at_chars=40, rung="anew", from_target="sim/0", to_target="sim/1")


def test_an_answer_that_was_whole_but_for_its_finish_is_whole() -> None:
    ladder = Ladder(anew=[Chunks([*words(TEXT), *STOP])])
    events, error = heard(ladder, cut(*words(TEXT)))
    assert (text_of(events), events[-2:], error) == (TEXT, STOP, None)


def test_other_words_end_the_answer_with_what_had_come() -> None:
    ladder = Ladder(anew=[Chunks([TextDelta("The river keeps"), 1000, TextDelta("its level")])])
    events, error = heard(ladder, cut(*words(TEXT[:40]), kind="overloaded"))
    assert error is not None
    assert text_of(events) == error.partial == TEXT[:40]
    assert (error.kind, "differs from character 4 on" in str(error)) == ("overloaded", True)
    assert not any(isinstance(event, Finished) for event in events)


def test_an_answer_that_ends_sooner_than_the_first_is_another_answer() -> None:
    ladder = Ladder(anew=[Chunks([*words(TEXT[:20]), *STOP])])
    events, error = heard(ladder, cut(*words(TEXT[:40])))
    assert error is not None
    assert (text_of(events), error.partial) == (TEXT[:40], TEXT[:40])
    assert "ended after 20 characters" in str(error)


def test_failures_on_the_way_are_tried_again_and_bounded() -> None:
    ladder = Ladder(prefill=[an_error("overloaded")] * 100, anew=[an_error("transport")] * 100)
    events, error = heard(ladder, cut(*words(TEXT[:40])))
    assert error is not None
    assert (text_of(events), error.partial) == (TEXT[:40], TEXT[:40])
    assert [rung for rung, _ in ladder.asked] == ["prefill"] * 4 + ["anew"] * 12


def test_log_probabilities_stay_with_whole_pieces_only() -> None:
    said = {"content": [{"token": "a"}]}
    pieces = [TextDelta(TEXT[:38], 0, said), TextDelta(TEXT[38:43], 0, said), TextDelta(TEXT[43:], 0, said)]
    events, _ = heard(Ladder(anew=[Chunks([*pieces, *STOP])]), cut(*words(TEXT[:40])))
    assert [event for event in events if isinstance(event, TextDelta)][-2:] == [
        TextDelta(TEXT[40:43]),
        TextDelta(TEXT[43:], 0, said),
    ]


# Reasoning.


def test_thoughts_that_come_again_are_heard_once() -> None:
    anew = Chunks([ReasoningDelta("let me see"), TextDelta(TEXT), *STOP])
    ladder = Ladder(anew=[anew])
    events, error = heard(ladder, cut(ReasoningDelta("let me")))
    assert error is None
    assert fold(events).message == {"role": "assistant", "content": TEXT, "reasoning_content": "let me see"}
    assert ladder.seams[-1] == Seam(at_chars=0, rung="anew", from_target="sim/0", to_target="sim/1")


def test_other_thoughts_follow_the_ones_that_broke_off() -> None:
    ladder = Ladder(anew=[Chunks([ReasoningDelta("let us"), ReasoningDelta(" think"), TextDelta(TEXT), *STOP])])
    events, _ = heard(ladder, cut(ReasoningDelta("let me")))
    assert fold(events).message["reasoning_content"] == "let melet us think"


def test_thoughts_of_a_later_stream_are_not_heard_after_text() -> None:
    ladder = Ladder(anew=[Chunks([ReasoningDelta("hm, again"), *words(TEXT), *STOP])])
    events, _ = heard(ladder, cut(ReasoningDelta("hm"), *words(TEXT[:40])))
    assert fold(events).message["reasoning_content"] == "hm"


# What comes beside text.


def test_sources_come_with_the_text_that_is_new() -> None:
    told, late = PartDelta({"annotations": ["a"]}), PartDelta({"annotations": ["b"]})
    anew = Chunks([*words(TEXT[:20]), told, *words(TEXT[20:]), late, *STOP])
    events, _ = heard(Ladder(anew=[anew]), cut(*words(TEXT[:20]), told, *words(TEXT[20:40])))
    assert [event for event in events if isinstance(event, PartDelta)] == [told, late]


def test_an_image_instead_of_the_text_is_another_answer() -> None:
    ladder = Ladder(anew=[Chunks([PartDelta({"images": ["i"]}), *STOP])])
    events, error = heard(ladder, cut(*words(TEXT[:40])))
    assert (text_of(events), error is not None) == (TEXT[:40], True)


# The last rung.


@pytest.mark.parametrize(
    "said",
    [ToolDelta(0, "a", "f", '{"x"'), RefusalDelta("I "), PartDelta({"audio": {"data": "A"}}), TextDelta("b", 1)],
    ids=["a tool call", "a refusal", "sound", "another choice"],
)
def test_what_no_stream_can_continue_ends_with_an_error(said: Event) -> None:
    ladder = Ladder(anew=[Chunks([*words(TEXT), *STOP])])
    _, error = heard(ladder, cut(*words(TEXT[:40]), said))
    assert error is not None
    assert (error.partial, ladder.asked) == (TEXT[:40], [])


def test_several_choices_are_asked_anew_only_while_nothing_has_come() -> None:
    body = {**BODY, "n": 2}
    both = [TextDelta("a"), TextDelta("b", 1), Finished("stop"), Finished("stop", choice=1)]
    events, error = heard(Ladder(anew=[Chunks(both)]), cut(), body=body)
    assert (events[1:], error) == (both, None)
    ladder = Ladder(anew=[Chunks(both)])
    _, error = heard(ladder, cut(TextDelta("a")), body=body)
    assert error is not None
    assert ladder.asked == []


def test_nothing_is_tried_where_the_settings_say_so() -> None:
    ladder = Ladder(anew=[Chunks([*words(TEXT), *STOP])])
    _, error = heard(ladder, cut(*words(TEXT[:40])), on_break="error")
    assert error is not None
    assert (error.partial, ladder.asked) == (TEXT[:40], [])


@pytest.mark.parametrize(("fallback_on", "tries"), [(frozenset(), 0), (frozenset(["content_filtered"]), 1)])
def test_what_concerns_no_other_target_is_not_taken_to_one(fallback_on: frozenset[Any], tries: int) -> None:
    ladder = Ladder(prefill=[Chunks([*words(TEXT[40:]), *STOP])])
    heard(ladder, cut(*words(TEXT[:40]), kind="content_filtered"), fallback_on=fallback_on)
    assert len(ladder.asked) == tries


def test_a_deadline_that_passes_meanwhile_is_told_with_the_partial_text() -> None:
    class Late(Ladder):
        async def again(self, call: Call, rung: Rung, error: CallError) -> OpenStream:
            raise DeadlineExceeded("the deadline passed", (), error)

    _, error = heard(Late(), cut(*words(TEXT[:40])))
    assert error is not None
    assert (error.partial, "the deadline passed" in str(error)) == (TEXT[:40], True)

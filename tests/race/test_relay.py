"""One answer over as many streams as it takes: the caller has every character once, or an error that says which."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from tests.race.given import a_call, an_error

from penstock.call import (
    Attempt,
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
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError, DeadlineExceeded, Unanswered
from penstock.fold import fold
from penstock.handler import OpenStream
from penstock.race.relay import PrefillRefusals, Relay
from penstock.testing import Chunks, ScriptedHandler, run

TEXT = "The valley hears a steady hum of current, and every window along the shore is lit by it."
BODY = {"messages": [{"role": "user", "content": "What does the valley hear?"}]}
STOP = [Finished("stop"), UsageUpdate(Usage(10, 20))]


def words(text: str, *, size: int = 4) -> list[Event]:
    return [TextDelta(text[at : at + size]) for at in range(0, len(text), size)]


def cut(*events: Event | float, kind: Any = "transport") -> Chunks:
    return Chunks([Started("m", "one"), *events, an_error(kind)])


class Ladder:
    """What `again` finds: for each rung a script of streams or errors, and a record of what it was asked."""

    def __init__(self, prefill: Iterable[Any] = (), anew: Iterable[Any] = (), *, refusals: Any = None) -> None:
        self.scripts = {"prefill": iter(list(prefill)), "anew": iter(list(anew))}
        self.asked: list[tuple[Rung, Call]] = []
        self.streams: list[OpenStream] = []
        self.handler = ScriptedHandler(lambda call: self._step)
        self.refusals = refusals or PrefillRefusals()
        self._step: Any = None

    async def again(self, call: Call, rung: Rung, error: CallError) -> OpenStream:
        self.asked.append((rung, call))
        self._step = next(self.scripts[rung], None)
        if self._step is None:
            raise Unanswered(f"nobody is left for {rung}", (), error)
        return await self.open(call, f"sim/{len(self.streams)}")

    async def open(self, call: Call, name: str) -> OpenStream:
        stream = await self.handler(call)
        assert isinstance(stream, OpenStream)
        stream.target = name
        stream.attempts = (Attempt(id=name, target=name),)
        self.streams.append(stream)
        return stream

    async def relay(self, first: Chunks, *, body: Any = BODY, **options: Any) -> OpenStream:
        call = a_call(body=body, stream=True)
        self._step = first
        relay = Relay(call, await self.open(call, "sim/0"), again=self.again, refusals=self.refusals, **options)
        return relay.stream()

    @property
    def seams(self) -> list[Seam | None]:
        return [stream.attempts[-1].seam for stream in self.streams]


def heard(ladder: Ladder, first: Chunks, **options: Any) -> tuple[list[Event], CallError | None]:
    """Every event that the caller got, and the error that the answer ended with."""
    events: list[Event] = []

    async def main() -> CallError | None:
        try:
            async for event in await ladder.relay(first, **options):
                events.append(event)
        except CallError as error:
            return error
        return None

    error = run(main)
    assert ladder.handler.open == 0, "every stream is closed"
    return events, error


def text_of(events: list[Event]) -> str:
    return fold(events).text


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


# Accounts.


def test_the_usage_is_the_sum_of_the_streams_that_say_theirs() -> None:
    ladder = Ladder(
        prefill=[cut(*words(TEXT[40:60])), Chunks([*words(TEXT[60:]), Finished("stop"), UsageUpdate(Usage(30, 5))])]
    )
    events, _ = heard(ladder, cut(TextDelta(TEXT[:40]), UsageUpdate(Usage(10, 12))))
    assert [event for event in events if isinstance(event, UsageUpdate)] == [
        UsageUpdate(Usage(10, 12)),
        UsageUpdate(Usage(40, 17)),
    ]


def test_a_stream_that_did_not_fit_was_paid_for() -> None:
    unfit = [UsageUpdate(Usage(7, 7)), TextDelta(TEXT[:30] + "!"), *STOP]
    silent = [*words(TEXT), Finished("stop")]
    events, _ = heard(Ladder(prefill=[Chunks(unfit)], anew=[Chunks(silent)]), cut(*words(TEXT[:40])))
    assert fold(events).usage == Usage(7, 7)


def test_lost_events_of_every_stream_mark_the_answer() -> None:
    async def main() -> int:
        ladder = Ladder(prefill=[Chunks([*words(TEXT[40:]), *STOP])])
        stream = await ladder.relay(cut(*words(TEXT[:40])))
        ladder.streams[0].malformed_events = 1
        assert len([event async for event in stream]) > 0
        return stream.malformed_events

    assert run(main) == 1


def test_the_answer_names_the_target_whose_words_come() -> None:
    async def main() -> list[str]:
        stream = await Ladder(prefill=[Chunks([*words(TEXT[40:]), *STOP])]).relay(cut(*words(TEXT[:40])))
        before = stream.target
        async for _ in stream:
            pass
        return [before, stream.target]

    assert run(main) == ["sim/0", "sim/1"]


# Leaving.


@pytest.mark.parametrize("events", [0, 3, 12, 14])
def test_leaving_closes_whichever_stream_is_open(events: int) -> None:
    ladder = Ladder(prefill=[Chunks([*words(TEXT[40:]), 1000])])

    async def main() -> None:
        async with await ladder.relay(cut(*words(TEXT[:40]))) as stream:
            for _ in range(events):
                await anext(stream)

    run(main)
    assert ladder.handler.open == 0


class Slow(Ladder):
    """It takes 10 s until the next stream is open."""

    async def again(self, call: Call, rung: Rung, error: CallError) -> OpenStream:
        await asyncio.sleep(10)
        return await super().again(call, rung, error)


async def read_all(stream: OpenStream) -> str:
    async with stream:
        return text_of([event async for event in stream])


@pytest.mark.parametrize("after_s", [5, 15])
def test_a_caller_that_goes_away_during_the_climb_leaves_nothing_open(after_s: float) -> None:
    ladder = Slow(prefill=[Chunks([*words(TEXT[40:]), 1000])])

    async def main() -> None:
        task = asyncio.create_task(read_all(await ladder.relay(cut(*words(TEXT[:40])))))
        await asyncio.sleep(after_s)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main)
    assert ladder.handler.open == 0


def test_a_stream_that_opens_after_its_answer_was_closed_is_closed() -> None:
    ladder = Slow(prefill=[Chunks([*words(TEXT[40:]), *STOP])])

    async def main() -> str:
        stream = await ladder.relay(cut(*words(TEXT[:40])))
        task = asyncio.create_task(read_all(stream))
        await asyncio.sleep(5)
        await stream.aclose()
        return await task

    assert run(main) == TEXT[:40]
    assert ladder.handler.open == 0

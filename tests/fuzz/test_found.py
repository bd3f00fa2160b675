"""What random schedules have found wrong with the engine, each in a world as small as it gets."""

from __future__ import annotations

from tests.fuzz.given import a_caller, a_host, a_route, a_world
from tests.fuzz.judge import complaints
from tests.fuzz.play import play

from penstock.simulator.scenario import Fault


def test_a_target_that_refused_for_good_is_not_asked_again_after_a_break() -> None:
    refusing = a_host("alpha", faults=(Fault(fault="status", status=400),))
    breaking = a_host("groq", tokens_per_s=20.0, faults=(Fault(fault="cut_stream", first_tries=2),))
    route = a_route("alpha/one", "groq/one", fallback_on=("bad_request",))
    story = play(a_world(route, refusing, breaking, callers=(a_caller(stream=True),)))
    assert complaints(story) == []
    assert [sent.target for sent in story.sent].count("alpha/one") == 1


def test_a_target_that_refused_for_good_after_a_break_is_not_asked_again_after_the_next() -> None:
    breaking = a_host("alpha", tokens_per_s=20.0, faults=(Fault(fault="cut_stream", first_tries=3),))
    refusing = a_host("groq", faults=(Fault(fault="status", status=400),))
    route = a_route("alpha/one", "groq/one", fallback_on=("bad_request",))
    story = play(a_world(route, breaking, refusing, callers=(a_caller(stream=True),)))
    assert complaints(story) == []


def test_the_last_chance_is_not_given_to_who_failed_before_while_another_was_never_asked() -> None:
    failing = a_host("alpha", faults=(Fault(fault="status", status=500, first_tries=1), Fault(fault="hang")))
    silent = a_host("groq", faults=(Fault(fault="hang"),))
    route = a_route("alpha/one", "groq/one", "vllm/one", stream_inside="off")
    hosts = (failing, silent, a_host("vllm", ttft_s=0.5))
    story = play(a_world(route, *hosts, callers=(a_caller(body={"max_tokens": 10}),)))
    assert story.ends[0].how == "answered"


def test_what_was_never_sent_is_no_attempt() -> None:
    limited = a_host("alpha", limits={"tpm": 500})
    route = a_route("alpha/one", "groq/one", max_attempts=1)
    story = play(a_world(route, limited, a_host("groq"), callers=(a_caller(body={"max_tokens": 1000}),)))
    assert complaints(story) == []
    assert story.ends[0].how == "answered"


def test_an_answer_of_nothing_counts_also_after_a_break() -> None:
    breaking = a_host("alpha", tokens_per_s=20.0, faults=(Fault(fault="cut_stream"),))
    empty = a_host("groq", faults=(Fault(fault="empty_answer"),))
    route = a_route("alpha/one", "groq/one")
    story = play(a_world(route, breaking, empty, callers=(a_caller(stream=True),)))
    assert complaints(story) == []
    assert [sent.target for sent in story.sent].count("groq/one") <= 2


def test_a_stream_that_breaks_again_and_again_is_not_mended_for_nothing() -> None:
    breaking = a_host("alpha", tokens_per_s=100.0, faults=(Fault(fault="cut_stream"),))
    story = play(a_world(a_route("alpha/one"), breaking, callers=tuple(a_caller(n, stream=True) for n in range(3))))
    assert complaints(story) == []
    assert len(story.sent) <= 3 + 10 + 3 * 2


def test_a_slow_stream_does_not_keep_a_whole_answer_from_being_in_time() -> None:
    slow = a_host("alpha", ttft_s=0.5, tokens_per_s=0.3)
    route = a_route("alpha/one", "groq/one")
    story = play(a_world(route, slow, a_host("groq", ttft_s=0.5), callers=(a_caller(deadline_s=10.0),)))
    assert complaints(story) == []
    assert story.ends[0].how == "answered"

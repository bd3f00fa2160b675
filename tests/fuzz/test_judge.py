"""The judge sees what is wrong: stories that went well are told wrongly, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from tests.fuzz.given import a_caller, a_host, a_route, a_world
from tests.fuzz.judge import complaints
from tests.fuzz.play import Story, play
from tests.fuzz.wires import Sent

from penstock.call import Completion
from penstock.errors import CallError, Unanswered
from penstock.simulator.scenario import Fault


def a_story() -> Story:
    """Three callers, one of them of a stream, at a host that fails each request once."""
    failing = a_host("alpha", ttft_s=0.5, faults=(Fault(fault="status", status=500, first_tries=1),))
    callers = (a_caller(0), a_caller(1), a_caller(2, stream=True))
    story = play(a_world(a_route("alpha/one", "groq/one"), failing, a_host("groq", ttft_s=0.5), callers=callers))
    assert complaints(story) == []
    return story


def answer(story: Story, caller: int) -> Completion:
    completion = story.ends[caller].completion
    assert completion is not None
    return completion


def cut_short(story: Story) -> None:
    end, whole = story.ends[0], answer(story, 0).choices[0]
    message = {**whole.message, "content": whole.message["content"][:-1]}
    end.completion = msgspec.structs.replace(
        answer(story, 0), choices=(msgspec.structs.replace(whole, message=message),)
    )


def said_twice(story: Story) -> None:
    end, whole = story.ends[2], answer(story, 2).choices[0]
    message = {**whole.message, "content": whole.message["content"] * 2}
    end.completion = msgspec.structs.replace(
        answer(story, 2), choices=(msgspec.structs.replace(whole, message=message),)
    )


def given_up(story: Story) -> None:
    error = CallError("server_error", "it failed", target="alpha/one")
    story.ends[0].how, story.ends[0].completion = "unanswered", None
    story.ends[0].error = Unanswered("it failed", answer(story, 1).attempts[:1], error)


def late(story: Story) -> None:
    story.ends[0].waits.append((0.0, 31.0))


def unheard(story: Story) -> None:
    del story.ends[0]
    story.sent[:] = [sent for sent in story.sent if sent.caller != 0]


def ended_twice(story: Story) -> None:
    story.ends[0].ends = 2


def outlived(story: Story) -> None:
    story.sent[-1].ended_s = 100.0


def asked_after_the_end(story: Story) -> None:
    first = story.sent[0]
    story.sent.append(
        Sent(0, 99, 50.0, first.target, "", first.body, stream=False, status=200, end="whole", ended_s=50.5)
    )


def asked_in_secret(story: Story) -> None:
    first = story.sent[0]
    story.sent.insert(
        0, Sent(0, 99, 0.0, first.target, "", first.body, stream=False, status=500, end="whole", ended_s=0.0)
    )


def asked_again_for_good(story: Story) -> None:
    first, again = (sent for sent in story.sent if sent.caller == 0)
    first.status, again.target = 400, first.target


def told_in_another_order(story: Story) -> None:
    completion = answer(story, 0)
    completion.attempts = completion.attempts[::-1]


def counted_wrongly(story: Story) -> None:
    story.stats.requests += 1


def cancelled_by_nobody(story: Story) -> None:
    story.ends[0].how = "cancelled"


def believes_in_a_cancel(story: Story) -> None:
    story.ends[0].cancelling = 1


def left_over(story: Story) -> None:
    story.remains.append("alpha/one: 1 permits are out, 0 wait in line")


@pytest.mark.parametrize(
    "wrong",
    [
        asked_after_the_end,
        asked_again_for_good,
        asked_in_secret,
        believes_in_a_cancel,
        cancelled_by_nobody,
        counted_wrongly,
        cut_short,
        ended_twice,
        given_up,
        late,
        left_over,
        outlived,
        said_twice,
        told_in_another_order,
        unheard,
    ],
    ids=lambda wrong: wrong.__name__,
)
def test_the_judge_sees_it(wrong: Callable[[Story], None]) -> None:
    story = a_story()
    wrong(story)
    assert complaints(story)

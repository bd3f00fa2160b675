"""Who gets no answer although somebody could have given one is complained about; who can't be sure of one isn't."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.fuzz.answering import unanswered_for_no_reason
from tests.fuzz.given import a_caller, a_host, a_route, a_world
from tests.fuzz.play import Story, play

from penstock.call import Attempt
from penstock.errors import CallError, DeadlineExceeded
from penstock.simulator.scenario import Fault


def told(
    *,
    deadline_s: float = 2.0,
    most: int | None = None,
    kind: Any = "timeout",
    sound: bool = True,
    fault: Any = "status",
) -> list[str]:
    """The complaints about a call that is said to have got no answer, its second target having been well."""
    down = dataclasses.replace(a_host("alpha", faults=(Fault(fault=fault, status=500),)), answers_within_s=0.2)
    well = dataclasses.replace(a_host("groq", ttft_s=0.1), answers_within_s=0.2, is_sound=sound)
    route = a_route("alpha/one", "groq/one", max_attempts=most)
    story: Story = play(a_world(route, down, well, callers=(a_caller(deadline_s=deadline_s),)))
    end = story.ends[0]
    assert (end.how, list(unanswered_for_no_reason(story))) == ("answered", [])
    attempt = Attempt(id="c0-1", target="alpha/one", outcome="failed", error_kind=kind)
    end.completion, end.error = None, DeadlineExceeded("late", [attempt], CallError(kind, "late"))
    return list(unanswered_for_no_reason(story))


@pytest.mark.parametrize("world", [{}, {"deadline_s": 20.0}, {"most": 4}])
def test_a_sound_second_target_and_time_left_mean_an_answer(world: dict[str, Any]) -> None:
    assert len(told(**world)) == 1


@pytest.mark.parametrize(
    "world", [{"deadline_s": 1.0}, {"most": 2}, {"kind": "bad_request"}, {"sound": False}, {"fault": "slow_drip"}]
)
def test_nobody_is_blamed_where_the_world_guarantees_nothing(world: dict[str, Any]) -> None:
    assert told(**world) == []

from __future__ import annotations

import pytest
from tests.race.given import a_call, an_answer, an_error, build

from penstock.call import Completion
from penstock.errors import Overloaded
from penstock.testing import Delayed, ScriptedTarget, run


def test_the_first_answer_is_the_answer() -> None:
    target = ScriptedTarget("sim/fast", [Delayed(2, an_answer())])

    async def main() -> Completion:
        return await build(target)(a_call())  # type: ignore[return-value]

    answer = run(main)
    assert (answer.text, answer.target, answer.latency_s, answer.requests_sent) == ("hello", "sim/fast", 2, 1)
    assert [attempt.outcome for attempt in answer.attempts] == ["answered"]
    assert [permit.ending for permit in target.permits] == ["settled"]


def test_a_server_error_is_tried_again() -> None:
    target = ScriptedTarget("sim/fast", [an_error("server_error", status=500), an_answer()])

    async def main() -> Completion:
        return await build(target)(a_call())  # type: ignore[return-value]

    answer = run(main)
    assert [attempt.outcome for attempt in answer.attempts] == ["failed", "answered"]
    assert [permit.ending for permit in target.permits] == ["refused", "settled"]


def test_a_server_that_asks_to_come_back_after_the_deadline_ends_it_at_once() -> None:
    target = ScriptedTarget("sim/fast", [an_error("overloaded", retry_after_s=500)])

    async def main() -> None:
        with pytest.raises(Overloaded):
            await build(target)(a_call())

    run(main)

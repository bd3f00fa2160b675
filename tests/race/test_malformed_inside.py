from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from penstock.call import Attempt, Call, Event, Finished, TextDelta
from penstock.errors import CallError
from penstock.handler import OpenStream
from penstock.race.inside import read_inside
from penstock.race.triggers import Try
from penstock.testing import ScriptedTarget, run


async def _events() -> AsyncIterator[Event]:
    yield TextDelta(text="half of ")
    yield Finished(finish="stop")


def test_an_answer_with_a_hole_is_a_failed_attempt_while_nobody_has_any_of_it():
    async def read() -> None:
        stream = OpenStream(_events())
        stream.malformed_events = 1
        permit = ScriptedTarget("a/m", []).try_admit(Call(id="a", model="a/m", body={}), 0.0)
        attempt = Try(Attempt(id="a-1", target="a/m"), 0, 0.0, streams=True, ticket=0)
        with pytest.raises(CallError, match="no JSON") as caught:
            await read_inside(stream, attempt, "chat", permit, lambda: 0.0)
        assert (caught.value.kind, caught.value.partial) == ("transport", "half of ")

    run(read())

"""Of a packed request only the inputs fail that are the reason; what is nobody's is everybody's."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.wiring.embedder import Embedder, outcome, packed

from penstock.call import Call, Completion
from penstock.errors import BadRequest, BudgetExceeded, InputError, ServerError
from penstock.packing import Packer


@given(st.sets(st.integers(0, 15)), st.integers(16, 16))
def test_only_the_bad_inputs_of_a_request_fail(bad: set[int], count: int) -> None:
    async def play(ask: Any, packer: Packer) -> list[Any]:
        texts = [f"bad {n}" if n in bad else f"{n}" for n in range(count)]
        return list(await asyncio.gather(*(outcome(ask(text)) for text in texts)))

    found = packed(Embedder(), play)
    assert found == [BadRequest if n in bad else float(n) for n in range(count)]


def test_one_bad_input_among_many_costs_two_requests_for_each_halving() -> None:
    embedder = Embedder()

    async def play(ask: Any, packer: Packer) -> list[Any]:
        texts = ["bad" if n == 77 else f"{n}" for n in range(256)]
        return list(await asyncio.gather(*(outcome(ask(text)) for text in texts)))

    found = packed(embedder, play, max_size=256)
    assert found.count(BadRequest) == 1
    assert found[77] is BadRequest
    assert len(embedder.asked) == 1 + 2 * 8


def test_when_every_part_of_a_large_request_is_refused_the_inputs_are_not_asked_one_by_one() -> None:
    embedder = Embedder()

    async def play(ask: Any, packer: Packer) -> list[Any]:
        return list(await asyncio.gather(*(outcome(ask(f"bad {n}")) for n in range(256))))

    assert packed(embedder, play, max_size=256) == [BadRequest] * 256
    assert len(embedder.asked) == 31


def test_an_error_that_is_nobodys_input_is_everybodys_and_is_not_asked_again() -> None:
    embedder = Embedder()

    async def play(ask: Any, packer: Packer) -> list[Any]:
        errors = await asyncio.gather(ask("broken"), ask("1"), return_exceptions=True)
        return list(errors)

    first, second = packed(embedder, play)
    assert isinstance(first, ServerError)
    assert isinstance(second, ServerError)
    assert first is not second, "each raised with a traceback of its own"
    assert len(embedder.asked) == 1


def test_a_fault_is_raised_where_the_answers_are_awaited_and_says_where_it_was() -> None:
    class Faulty(Embedder):
        async def __call__(self, call: Call) -> Completion:
            raise ZeroDivisionError("a fault")

    async def play(ask: Any, packer: Packer) -> list[Any]:
        return list(await asyncio.gather(ask("1"), ask("2"), return_exceptions=True))

    for error in packed(Faulty(), play):
        assert isinstance(error, ZeroDivisionError)
        assert error.__cause__ is not None
        assert error.__cause__.__traceback__ is not None


def test_a_budget_that_is_too_small_for_all_does_for_some() -> None:
    class Spender(Embedder):
        left = 5

        async def __call__(self, call: Call) -> Completion:
            if len(call.body["input"]) > self.left:
                raise BudgetExceeded("no more")
            self.left -= len(call.body["input"])
            return await super().__call__(call)

    async def play(ask: Any, packer: Packer) -> list[Any]:
        return list(await asyncio.gather(*(outcome(ask(f"{n}")) for n in range(16))))

    found = packed(Spender(), play)
    assert found.count(BudgetExceeded) == 11
    assert all(one in (BudgetExceeded, float(n)) for n, one in enumerate(found))


def test_what_is_no_json_is_its_callers_error() -> None:
    async def play(ask: Any, packer: Packer) -> list[Any]:
        return list(await asyncio.gather(outcome(ask("1", extra=object())), outcome(ask("2"))))

    assert packed(Embedder(), play) == [InputError, 2.0]


def test_many_bad_inputs_take_no_good_one_with_them() -> None:
    async def play(ask: Any, packer: Packer) -> list[Any]:
        texts = [f"bad {n}" if n % 8 else f"{n}" for n in range(128)]
        return list(await asyncio.gather(*(outcome(ask(text)) for text in texts)))

    found = packed(Embedder(), play, max_size=16)
    assert found == [BadRequest if n % 8 else float(n) for n in range(128)]


def test_bad_inputs_in_one_half_are_found_each_when_the_other_half_is_good() -> None:
    async def play(ask: Any, packer: Packer) -> list[Any]:
        texts = [f"bad {n}" if n < 64 and n % 2 else f"{n}" for n in range(128)]
        return list(await asyncio.gather(*(outcome(ask(text)) for text in texts)))

    found = packed(Embedder(), play, max_size=128)
    assert found == [BadRequest if n < 64 and n % 2 else float(n) for n in range(128)]

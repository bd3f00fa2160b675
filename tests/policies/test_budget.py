from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import BudgetExceeded, ConfigError
from penstock.policies.budget import Budget, Daybook, Hold
from penstock.testing import run


def what() -> str:
    return "a request"


def test_what_doesnt_fit_waits_for_others_to_settle() -> None:
    async def main() -> None:
        budget = Budget(usd=1.0)
        first = await budget.hold({}, 0.8, what=what)
        assert budget.try_hold({}, 0.8) is None
        second = asyncio.ensure_future(budget.hold({}, 0.8, what=what))
        await asyncio.sleep(1)
        assert not second.done()
        first.settle(0.1)
        assert (await second).units == 8 * 10**11
        assert budget.spent_usd == 0.1
        assert budget.held_usd == 0.8

    run(main)


def test_what_can_never_fit_any_more_is_refused_at_once_and_says_why() -> None:
    async def main() -> None:
        budget = Budget(usd=1.0)
        (await budget.hold({}, 0.5, what=what)).settle(0.3)
        with pytest.raises(BudgetExceeded, match=r"budget of \$1 leaves too little: \$0.3 is spent.* up to \$0.8"):
            await budget.hold({}, 0.8, what=what)

    run(main)


def test_those_in_line_are_told_when_nothing_in_flight_can_free_enough() -> None:
    async def main() -> None:
        budget = Budget(usd=1.0)
        first = await budget.hold({}, 0.9, what=what)
        waiting = [asyncio.ensure_future(budget.hold({}, amount, what=what)) for amount in (0.5, 0.2)]
        await asyncio.sleep(0)
        first.settle(0.7)
        with pytest.raises(BudgetExceeded):
            await waiting[0]
        assert (await waiting[1]).units == 2 * 10**11

    run(main)


def test_an_attempt_of_which_nobody_told_the_price_counts_in_full() -> None:
    async def main() -> None:
        budget = Budget(usd=1.0)
        (await budget.hold({}, 0.4, what=what)).settle(None)
        (await budget.hold({}, 0.4, what=what)).free()
        assert budget.spent_usd == 0.4

    run(main)


def test_a_cancelled_wait_takes_nothing_and_lets_the_next_one_in() -> None:
    async def main() -> None:
        budget = Budget(usd=1.0)
        first = await budget.hold({}, 0.6, what=what)
        big = asyncio.ensure_future(budget.hold({}, 0.9, what=what))
        small = asyncio.ensure_future(budget.hold({}, 0.3, what=what))
        await asyncio.sleep(0)
        big.cancel()
        assert (await small).units == 3 * 10**11
        first.free()
        assert budget.held_usd == 0.3

    run(main)


def test_each_tag_has_its_own_budget() -> None:
    async def main() -> None:
        budget = Budget(per_tag={"team": 1.0, "team=search": 2.0})
        assert budget.try_hold({"team": "ads"}, 1.5) is None
        assert budget.try_hold({"team": "search"}, 1.5) is not None
        assert budget.try_hold({"team": "ads"}, 0.9) is not None
        assert budget.try_hold({"job": "night"}, 50.0) is not None
        with pytest.raises(BudgetExceeded, match="for the tag team=ads") as caught:
            await budget.hold({"team": "ads"}, 1.5, what=what)
        assert caught.value.which == "tag"

    run(main)


def test_a_full_tag_keeps_no_other_tag_waiting() -> None:
    async def main() -> None:
        budget = Budget(per_tag={"*": 1.0})
        first = await budget.hold({"a": "1"}, 0.9, what=what)
        waiting = asyncio.ensure_future(budget.hold({"a": "1"}, 0.9, what=what))
        await asyncio.sleep(0)
        assert budget.try_hold({"a": "2"}, 0.9) is not None
        first.free()
        await waiting

    run(main)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), usd=st.floats(0.01, 5.0), tagged=st.booleans())
def test_nothing_is_ever_spent_above_a_budget(seed: int, usd: float, tagged: bool) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        budget = Budget(usd=usd, per_tag={"*": usd / 3} if tagged else None)
        ended = {"spent": 0.0, "calls": 0}

        async def one() -> None:
            await asyncio.sleep(rng.random())
            most = rng.uniform(0.0, usd / 4)
            tags = {"t": str(rng.randrange(3))} if tagged else {}
            try:
                async with asyncio.timeout(rng.choice([0.5, 1000.0])):
                    hold = await budget.hold(tags, most, what=what)
            except (BudgetExceeded, TimeoutError):
                return
            finally:
                ended["calls"] += 1
            assert budget.spent_usd + budget.held_usd <= usd + 1e-12
            await asyncio.sleep(rng.random() * 3)
            cost = rng.choice([None, 0.0, most, most * rng.random()])
            hold.settle(cost)
            ended["spent"] += most if cost is None else cost
            assert budget.spent_usd + budget.held_usd <= usd + 1e-12

        await asyncio.gather(*(one() for _ in range(200)))
        assert ended["calls"] == 200
        assert budget.held_usd == 0.0
        assert budget.spent_usd == pytest.approx(ended["spent"], abs=1e-9)
        assert budget.spent_usd <= usd

    run(main)


# A day.


def test_processes_share_a_day_and_never_pass_it_together(tmp_path) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        books = [Daybook(tmp_path / "spending.json", 1.0, now=lambda: 1e9) for _ in range(3)]
        budgets = [Budget(day=book) for book in books]
        spent = 0.0
        rng = random.Random(4)
        for _ in range(400):
            hold = rng.choice(budgets).try_hold({}, 0.01)
            if hold is not None:
                hold.settle(0.007)
                spent += 0.007
        for budget in budgets:
            budget.close()
        assert 0.9 < spent <= 1.0
        assert sum(budget.spent_usd for budget in budgets) == pytest.approx(spent)

    run(main)


def test_a_day_gives_back_what_was_claimed_and_not_needed_and_the_next_begins_anew(tmp_path) -> None:  # type: ignore[no-untyped-def]
    clock = [1e9]

    async def main() -> None:
        path = tmp_path / "spending.json"
        budget = Budget(day=Daybook(path, 1.0, now=lambda: clock[0]))
        (await budget.hold({}, 0.9, what=what)).settle(0.5)
        budget.close()
        other = Budget(day=Daybook(path, 1.0, now=lambda: clock[0]))
        with pytest.raises(BudgetExceeded, match="the budget per day") as caught:
            await other.hold({}, 0.6, what=what)
        assert caught.value.which == "day"
        assert other.try_hold({}, 0.5) is not None
        clock[0] += 86_400.0
        assert other.try_hold({}, 0.9) is not None

    run(main)


def test_a_damaged_file_of_a_day_is_told_and_left_alone(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "spending.json"
    path.write_text("[1, 2")
    with pytest.raises(ConfigError, match="move the file away"):
        Budget(day=Daybook(path, 1.0)).try_hold({}, 0.1)
    assert path.read_text() == "[1, 2"


def test_a_day_that_others_have_spent_meanwhile_is_told_and_not_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        mine, other = (Budget(day=Daybook(tmp_path / "day.json", 1.0, now=lambda: 1000.0)) for _ in range(2))
        (await mine.hold({}, 0.001, what=what)).settle(0.001)
        await other.hold({}, 0.985, what=what)
        with pytest.raises(BudgetExceeded):
            await asyncio.wait_for(mine.hold({}, 0.05, what=what), 100)

    run(main)


def test_those_in_line_are_told_when_another_process_took_what_was_left(tmp_path: Path) -> None:
    async def main() -> None:
        mine, other = (Budget(day=Daybook(tmp_path / "day.json", 1.0, now=lambda: 1000.0)) for _ in range(2))
        held = await mine.hold({}, 0.5, what=what)
        waiting = [asyncio.ensure_future(mine.hold({}, 0.7, what=what)) for _ in range(3)]
        await asyncio.sleep(0)
        await other.hold({}, 0.45, what=what)
        held.settle(0.0)
        for one in waiting:
            with pytest.raises(BudgetExceeded):
                await asyncio.wait_for(one, 100)

    run(main)


def test_a_refusal_for_the_day_says_what_all_processes_have_left(tmp_path: Path) -> None:
    async def main() -> None:
        mine, other = (Budget(day=Daybook(tmp_path / "day.json", 1.0, now=lambda: 1000.0)) for _ in range(2))
        (await other.hold({}, 0.9, what=what)).settle(0.9)
        (await mine.hold({}, 0.00005, what=what)).settle(0.00005)
        with pytest.raises(BudgetExceeded, match=r"leaves too little: \$0\.09995 of it is left today.* up to \$0\.8"):
            await mine.hold({}, 0.8, what=what)

    run(main)


def test_small_sums_are_written_out() -> None:
    async def main() -> None:
        budget = Budget(usd=0.00006)
        (await budget.hold({}, 0.00005, what=what)).settle(0.00005)
        with pytest.raises(BudgetExceeded, match=r"\$0\.00005 is spent"):
            await budget.hold({}, 0.00005, what=what)

    run(main)


def test_who_waits_at_midnight_is_let_in_on_the_new_day(tmp_path: Path) -> None:
    async def main() -> None:
        clock = [86_399.9]
        budget = Budget(day=Daybook(tmp_path / "day.json", 1.0, now=lambda: clock[0]))
        first = await budget.hold({}, 0.9, what=what)
        waiting = asyncio.ensure_future(budget.hold({}, 0.8, what=what))
        await asyncio.sleep(0)
        clock[0] += 0.2
        first.settle(0.9)
        (await asyncio.wait_for(waiting, 100)).settle(0.8)
        with pytest.raises(BudgetExceeded, match=r"\$0\.2 of it is left today"):
            await budget.hold({}, 0.3, what=what)
        budget.close()
        other = Budget(day=Daybook(tmp_path / "day.json", 1.0, now=lambda: clock[0]))
        assert other.try_hold({}, 0.2) is not None

    run(main())


@pytest.mark.parametrize("seed", range(20))
def test_no_day_is_passed_whatever_happens_around_midnight(tmp_path: Path, seed: int) -> None:
    rng, clock, most = random.Random(seed), [86_000.0], 1.0
    taken: dict[int, float] = {}
    budgets = [Budget(day=Daybook(tmp_path / "day.json", most, now=lambda: clock[0])) for _ in range(3)]
    held: list[tuple[int, float, Hold]] = []
    for _ in range(500):
        clock[0] += rng.choice((0.0, 0.5, 5.0, 2000.0))
        day, amount = int(clock[0] // 86_400), rng.uniform(0.001, 0.1)
        hold = rng.choice(budgets).try_hold({}, amount)
        if hold is not None:
            taken[day] = taken.get(day, 0.0) + amount
            held.append((day, amount, hold))
        while held and rng.random() < 0.5:
            day, amount, hold = held.pop(rng.randrange(len(held)))
            cost = rng.uniform(0.0, amount)
            hold.settle(cost)
            taken[day] -= amount - cost
        assert max(taken.values(), default=0.0) <= most + 1e-9


def test_a_day_that_cant_be_written_is_told_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "day.json"
    budget = Budget(day=Daybook(path, 1.0, now=lambda: 1000.0))
    hold = budget.try_hold({}, 0.1)
    assert hold is not None
    hold.settle(0.05)
    path.with_name(f"{path.name}.{os.getpid()}").mkdir()
    with pytest.raises(ConfigError, match=r"day\.json"):
        budget.try_hold({}, 0.5)
    budget.close()

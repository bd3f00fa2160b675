from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import penstock
from penstock.testing import run

CONFIG = {"providers": {"sim": {"prices": {"*": {"input": 1.0, "output": 2.0}}}}}


def cost_of(usage: penstock.Usage) -> float:
    return (usage.input_tokens + 2 * usage.output_tokens) / 1e6


def test_an_answer_a_stream_and_an_embedding_say_what_they_cost() -> None:
    with penstock.Client("sim/fast", config=CONFIG) as client:
        answer = client.generate("hi")
        assert answer.cost == pytest.approx(cost_of(answer.usage)) == answer.attempts[0].cost_usd
        assert pickle.loads(pickle.dumps(answer)).cost == answer.to_dict()["cost"] == answer.cost
        with client.stream("hello") as stream:
            list(stream)
        assert stream.answer.cost == pytest.approx(cost_of(stream.answer.usage))
        client.embed([f"text {n}" for n in range(3000)])
        stats = client.stats()
        assert stats.cost_usd == pytest.approx(cost_of(stats.usage))
        assert stats.routes == {"sim/fast": pytest.approx(stats.cost_usd)}


def test_an_unknown_price_is_none_everywhere() -> None:
    with penstock.Client("sim/fast", config={}) as client:
        assert client.generate("hi").cost is None
        assert client.stats().cost_usd is None
        assert client.stats().targets["sim/fast"].cost_usd is None


def test_a_refusal_costs_nothing_and_the_answer_after_it_what_it_costs() -> None:
    with penstock.Client("sim/down", "sim/fast", config=CONFIG) as client:
        answer = client.generate("hi")
        assert answer.attempts[0].cost_usd == 0.0
        assert answer.cost == pytest.approx(cost_of(answer.usage))
        assert client.stats().targets["sim/down"].cost_usd == 0.0


def test_what_a_journal_kept_says_what_it_had_cost(tmp_path: Path) -> None:
    journal = tmp_path / "run.penstock"
    with penstock.Client("sim/fast", config=CONFIG) as client:
        first = client.run(["a", "b"], journal=journal)
    with penstock.Client("sim/fast", config=CONFIG) as client:
        again = client.run(["a", "b"], journal=journal)
        assert client.stats().requests == 0
    assert [answer.cost for answer in again] == pytest.approx([answer.cost for answer in first])


def test_a_client_keeps_its_budget_and_says_so() -> None:
    with penstock.Client("sim/fast", config=CONFIG, budget=0.0005) as client:
        answers = list(client.map([f"question {n}" for n in range(50)], max_tokens=50))
        answered = [answer for answer in answers if answer.error is None]
        refused = [answer for answer in answers if isinstance(answer.error, penstock.BudgetExceeded)]
        assert answered
        assert refused
        assert len(answered) + len(refused) == 50
        assert sum(answer.cost or 0.0 for answer in answered) <= 0.0005
        assert [answer.cost for answer in refused] == [0.0] * len(refused)
        with pytest.raises(penstock.BudgetExceeded, match="max_tokens bounds it"):
            client.generate("hi")


def test_a_deadline_at_a_budget_that_others_hold_is_a_deadline_and_names_the_budget() -> None:
    async def main() -> penstock.Unanswered:
        client = penstock.AsyncClient("sim/fast", config=CONFIG, budget=0.0005)
        async with client, client.stream("hi", max_tokens=100):
            with pytest.raises(penstock.Unanswered) as told:
                await client.generate("hi", max_tokens=100, deadline=0.05)
        return told.value

    error = run(main())
    assert type(error) is penstock.DeadlineExceeded
    assert "deadline passed after 0 attempts, waiting for room in the budget" in str(error)
    assert error.requests_sent == 0


def test_a_budget_outlives_the_loop_that_it_was_begun_on() -> None:
    client = penstock.AsyncClient("sim/fast", config=CONFIG, budget=0.0005)

    async def main() -> str:
        try:
            async with client:
                await client.generate("hi", max_tokens=100)
        except penstock.BudgetExceeded:
            return "exceeded"
        return "answered"

    ended = [run(main()) for _ in range(20)]
    assert ended[0] == "answered"
    assert ended[-1] == "exceeded"


@pytest.mark.parametrize("budget", [0, -1, True, "much", {"usd": 0}, {"usd": 1, "per_week": 3}, float("nan"), [1]])
def test_a_budget_that_cant_be_meant_is_refused(budget: object) -> None:
    with pytest.raises(penstock.ConfigError, match="budget"):
        penstock.Client("sim/fast", config=CONFIG, budget=budget)  # type: ignore[arg-type]


def test_a_budget_over_an_unknown_price_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(penstock.ConfigError, match=r"\[providers.sim.prices\]"):
        penstock.Client("sim/fast", config={}, budget=1)


def test_tokens_are_counted_in_public() -> None:
    assert penstock.count_tokens("hello world", model="openai/gpt-4o").tokens == 2

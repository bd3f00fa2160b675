"""Spending against a budget in virtual time: 500 callers at once, random costs, targets that fail in every way.

What was spent is what the simulated providers served, by their own ledgers: an answer that nobody waited for any more
counts in full.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from penstock.call import Call, Completion
from penstock.clock import Clock
from penstock.config import parse_config, read_budget
from penstock.config.values import Where
from penstock.errors import BudgetExceeded, Unanswered
from penstock.handler import OpenStream
from penstock.simulator.distributions import Lognormal
from penstock.simulator.memory import BASE_URL, SimTransport
from penstock.simulator.scenario import Behaviour, Fault, FaultName, Scenario
from penstock.testing import run
from penstock.wiring import Engine, Overrides, build

__all__ = ["Spent", "simulate"]

TARGETS = ("one", "two", "three")
FAULTS: tuple[FaultName, ...] = (
    *("status", "reset", "close", "hang", "empty_answer", "error_in_200", "invalid_json", "truncated_body"),
    *("reset_mid_body", "hang_mid_body", "malformed_event", "stream_error", "cut_stream"),
)
_WIDEST_S = 900.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What became of one seed's calls."""

    budget_usd: float
    billed_usd: float
    """By the providers' own ledgers."""
    booked_usd: float
    """As the budget counted."""
    answered: int
    unanswered: int
    refused: int
    """Calls that the budget left nothing for."""
    held_usd: float
    """Still held at the end: nothing, or something was lost."""

    @property
    def above(self) -> float:
        """US dollars above the budget."""
        return max(0.0, self.billed_usd - self.budget_usd)


def simulate(seed: int, *, callers: int = 500, calls_each: int = 4, share: float | None = None) -> Spent:
    """One world: prices, faults, sizes and the budget drawn from `seed`; the budget is a `share` of what is wanted."""
    rng = random.Random(seed)
    prices = {name: (rng.uniform(0.1, 20.0), rng.uniform(0.1, 80.0)) for name in TARGETS}
    whole_usd = callers * calls_each * 120 * sum(output for _, output in prices.values()) / 3 / 1e6
    budget_usd = round(whole_usd * (share or rng.uniform(0.2, 0.9)), 4)
    return run(_main(rng, seed, prices, budget_usd, callers, calls_each))


async def _main(
    rng: random.Random,
    seed: int,
    prices: dict[str, tuple[float, float]],
    budget_usd: float,
    callers: int,
    calls_each: int,
) -> Spent:
    transports: dict[str, SimTransport] = {}

    def connect(provider: str, clock: Clock) -> SimTransport:
        transports[provider] = SimTransport(_scenario(rng), clock, seed=seed)
        return transports[provider]

    engine = _engine(rng, prices, budget_usd, connect)
    counts = {"answered": 0, "unanswered": 0, "refused": 0}
    await asyncio.gather(
        *(_caller(engine, random.Random(rng.getrandbits(64)), calls_each, counts) for _ in range(callers))
    )
    budget = engine.money.budget
    assert budget is not None
    billed = sum(_billed(transport, prices[name]) for name, transport in transports.items())
    spent = Spent(budget_usd, billed, budget.spent_usd, **counts, held_usd=budget.held_usd)
    await engine.aclose()
    return spent


def _engine(rng: random.Random, prices: dict[str, tuple[float, float]], budget_usd: float, connect: object) -> Engine:
    providers = {
        name: {"base_url": BASE_URL, "prices": {"m": {"input": given, "output": written}}}
        for name, (given, written) in prices.items()
    }
    config = parse_config({"providers": providers}, environ={})
    said = Overrides(
        hedge="auto",
        deadline_s=30.0,
        max_attempts=6,
        stream_inside=rng.choice(["auto", "off"]),
        budget=read_budget(budget_usd, Where("budget")),
    )
    return build(config, overrides=said, rng=random.Random(rng.getrandbits(64)), transports=connect)  # type: ignore[arg-type]


def _scenario(rng: random.Random) -> Scenario:
    kinds = rng.sample(FAULTS, rng.choice([0, 4]))
    faults = tuple(Fault(fault=kind, probability=rng.uniform(0.0, 0.12)) for kind in kinds)
    behaviour = Behaviour(
        ttft_s=Lognormal(median=rng.uniform(0.1, 1.0), sigma=0.8),
        tokens_per_s=Lognormal(median=rng.uniform(20, 200), sigma=0.5),
        output_tokens=Lognormal(median=rng.choice([50, 200, 5000]), sigma=1.0),
        faults=faults,
    )
    return Scenario(models={"*": behaviour})


async def _caller(engine: Engine, rng: random.Random, calls: int, counts: dict[str, int]) -> None:
    for number in range(calls):
        await asyncio.sleep(rng.uniform(0.0, 2.0))
        targets = tuple(f"{name}/m" for name in rng.sample(TARGETS, len(TARGETS)))
        body = {
            "messages": [
                {
                    "role": "user",
                    "content": f"{rng.getrandbits(64)} {number} " + "how far is the sea " * rng.randrange(60),
                }
            ],
            "max_tokens": rng.randrange(8, 400),
        }
        call = Call(id=f"c{rng.getrandbits(32)}", model="", body=body, stream=rng.random() < 0.4)
        task = asyncio.ensure_future(_ask(engine, targets, call, rng))
        if rng.random() < 0.1:
            # Some go away.
            await asyncio.wait([task], timeout=rng.uniform(0.0, 3.0))
            task.cancel()
        await asyncio.wait([task], timeout=_WIDEST_S)
        assert task.done(), "a call hangs"
        if not task.cancelled():
            counts[task.result()] += 1


async def _ask(engine: Engine, targets: tuple[str, ...], call: Call, rng: random.Random) -> str:
    try:
        reply = await engine.handler(targets)(call)
        if isinstance(reply, Completion):
            return "answered"
        assert isinstance(reply, OpenStream)
        async with reply:
            leaves_after = rng.choice([1_000_000, 1_000_000, 5])
            async for _ in reply:
                leaves_after -= 1
                if not leaves_after:
                    break
    except BudgetExceeded:
        return "refused"
    except Unanswered:
        return "unanswered"
    return "answered"


def _billed(transport: SimTransport, price: tuple[float, float]) -> float:
    """Everything that was served or begun: all but what was refused with a status."""
    given, written = price
    return sum(
        row["input_tokens"] * given / 1e6 + row["output_tokens"] * written / 1e6
        for row in transport.ledger.rows()
        if row["status"] < 400
    )

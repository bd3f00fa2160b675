"""A client that always has more to ask, the real limiter, and a provider that enforces its limits, in virtual time."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from penstock.call import Call, RateLimits, Usage
from penstock.clock import LoopClock
from penstock.credentials import KeyPool, Secret
from penstock.errors import CallError
from penstock.policies.limit import Limiter, Limits, Permit
from penstock.simulator.limits import Admission, Refusal
from penstock.simulator.scenario import Limits as Enforced
from penstock.testing import run

__all__ = ["KINDS", "Kind", "Told", "Used", "World", "measured"]

Kind = Literal["bucket", "small bucket", "fixed", "sliding", "fixed 1 s", "sliding 1 s"]
Told = Literal["known", "headers", "unknown", "unknown, seconds", "unknown, silent"]
"""`unknown`: refusals say when to come again, to the millisecond; in whole seconds; `silent`: not even that."""

KINDS: dict[Kind, dict[str, object]] = {
    "bucket": {"kind": "token_bucket"},
    "small bucket": {"kind": "token_bucket", "burst": 0.1},
    "fixed": {"kind": "fixed_window"},
    "sliding": {"kind": "sliding_window"},
    "fixed 1 s": {"kind": "fixed_window", "window_s": 1.0},
    "sliding 1 s": {"kind": "sliding_window", "window_s": 1.0},
}

NET_S, NET_JITTER_S = 0.015, 0.003
"""One way: a constant, and the mean of an exponential."""

_MOST_TOKENS = 4096
_SETTLED_S = 60.0
"""The first minute, and the first one after a change, aren't measured: what was saved up is used there."""


@dataclass(frozen=True, kw_only=True)
class World:
    kind: Kind
    told: Told
    rpm: int
    latency_s: float = 2.0
    minutes: int = 5
    seed: int = 1
    keys: int = 1
    tokens: Literal["none", "reserved", "used"] = "none"
    """With tokens, the limit is `rpm` x the mean of a request's tokens, and no request limit is enforced."""
    change: float = 1.0
    """Half-way all limits are multiplied by this."""
    tenants: float = 0.0
    """The mean share of the quota that others take; it wanders between nothing and twice that."""


@dataclass
class Used:
    """What was found, from the second minute on."""

    share: float
    per_1000: float
    """Refusals for each thousand answers."""
    first_minute: int
    """Refusals in the first minute, and in the first one after a change."""
    requests: int


class _Provider:
    """Enforces the limits of each key, and counts."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self.mean_tokens = _mean_tokens(world)
        self.accepted = self.refused = self.early_refusals = 0
        self.amount = self.quota = 0.0
        self.scale = 1.0
        self._spared: list[tuple[float, float]] = [(0.0, _SETTLED_S)]
        self._others_share = 0.0
        self.limits_of(0.0)

    def limits_of(self, now_s: float) -> None:
        world = self._world
        rpm = max(1, round(world.rpm * self.scale))
        self.limits = Enforced(
            rpm=None if world.tokens != "none" else rpm,
            tpm=None if world.tokens == "none" else round(rpm * self.mean_tokens),
            charge="used" if world.tokens == "used" else "reserved",
            **KINDS[world.kind],  # type: ignore[arg-type]
        )
        self._admissions = [Admission(self.limits, now_s) for _ in range(world.keys)]

    def change(self, now_s: float) -> None:
        self.scale = self._world.change
        self._spared.append((now_s, now_s + _SETTLED_S))
        self.limits_of(now_s)

    def is_measured(self, now_s: float) -> bool:
        return not any(start_s <= now_s < end_s for start_s, end_s in self._spared)

    def ask(self, key: int, tokens: int, now_s: float) -> Refusal | None:
        refusal = self._admissions[key].ask(now_s, tokens)
        if not self.is_measured(now_s):
            self.early_refusals += refusal is not None
        elif refusal is None:
            self.accepted += 1
            self.amount += tokens if self._world.tokens != "none" else 1
        else:
            self.refused += 1
        return refusal

    def told(self, key: int, now_s: float) -> RateLimits:
        seen = self._admissions[key].snapshots(now_s)
        requests, tokens = seen.get("requests"), seen.get("tokens")
        return RateLimits(
            requests_limit=requests and requests.limit,
            requests_remaining=requests and requests.remaining,
            requests_reset_s=requests and requests.reset_s,
            tokens_limit=tokens and tokens.limit,
            tokens_remaining=tokens and tokens.remaining,
            tokens_reset_s=tokens and tokens.reset_s,
        )

    def quota_per_s(self) -> float:
        """What all keys together may use, less what others took."""
        unit = self.mean_tokens if self._world.tokens != "none" else 1.0
        return self._world.rpm * self.scale * self._world.keys * unit / 60.0

    async def others(self, until_s: float) -> None:
        """Other tenants: Poisson, at a rate that changes every 20 s."""
        loop, rng, world = asyncio.get_running_loop(), self._rng, self._world
        next_s, share = 0.0, world.tenants
        while loop.time() < until_s:
            if loop.time() >= next_s:
                share, next_s = rng.uniform(0, 2 * world.tenants), loop.time() + 20.0
            await asyncio.sleep(rng.expovariate(max(share, 0.01) * world.rpm * self.scale / 60.0))
            now_s = loop.time()
            if self._admissions[0].ask(now_s, 0) is None and self.is_measured(now_s):
                self.quota -= 1


class _Client:
    """Sends whatever the limiter lets through, refused calls first, in so many slots."""

    def __init__(self, world: World, provider: _Provider, limiter: Limiter, rng: random.Random) -> None:
        self._world = world
        self._provider = provider
        self._limiter = limiter
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._free = asyncio.Event()
        self._again: deque[tuple[Call, Usage]] = deque()
        self._slots = max(64, math.ceil(3 * world.rpm / 60 * world.keys * world.latency_s))
        self.sent = 0

    async def feed(self, until_s: float) -> None:
        while self._loop.time() < until_s:
            if self._slots <= 0:
                self._free.clear()
                await self._free.wait()
            self._slots -= 1
            call, usage = self._again.popleft() if self._again else self._fresh()
            permit = await self._limiter.admit(call)
            self.sent += 1
            self._loop.call_later(self._net_s(), self._arrive, call, usage, permit)

    def _fresh(self) -> tuple[Call, Usage]:
        world = self._world
        if world.tokens == "none":
            return Call(id="", model="m", body={}, priority=1), Usage(10, 10)
        usage = Usage(self._input_tokens(), _output_tokens(self._rng))
        body = {"max_tokens": _MOST_TOKENS}
        return Call(id="", model="m", body=body, priority=1, estimate=usage.input_tokens + _MOST_TOKENS), usage

    def _input_tokens(self) -> int:
        return round(self._rng.uniform(100, 500))

    def _net_s(self) -> float:
        return NET_S + self._rng.expovariate(1 / NET_JITTER_S)

    def _arrive(self, call: Call, usage: Usage, permit: Permit) -> None:
        now_s = self._loop.time()
        assert permit.key is not None
        key = int(permit.key.reveal().rpartition("-")[2])
        charged = call.estimate if self._world.tokens == "reserved" else usage.total_tokens
        refusal = self._provider.ask(key, charged, now_s)
        told = self._provider.told(key, now_s) if self._world.told == "headers" else None
        if refusal is None:
            latency_s = self._world.latency_s * self._rng.lognormvariate(0.0, 0.4)
            self._loop.call_later(latency_s + self._net_s(), self._answered, permit, usage, told)
        else:
            wait_s = _WAITS.get(self._world.told, _exact)(refusal.wait_s)
            self._loop.call_later(self._net_s(), self._refused, call, usage, permit, told, wait_s)

    def _answered(self, permit: Permit, usage: Usage, told: RateLimits | None) -> None:
        if told is not None:
            permit.learn(told)
        permit.settle(usage)
        self._leave()

    def _refused(self, call: Call, usage: Usage, permit: Permit, told: RateLimits | None, wait_s: float | None) -> None:
        if told is not None:
            permit.learn(told)
        self._again.append((call, usage))
        permit.refused(CallError("rate_limited", "refused", status=429, retry_after_s=wait_s), self._loop.time())
        self._leave()

    def _leave(self) -> None:
        self._slots += 1
        self._free.set()


def _exact(wait_s: float) -> float | None:
    return math.ceil(wait_s * 1000) / 1000


_WAITS: dict[Told, Callable[[float], float | None]] = {
    "unknown, seconds": lambda wait_s: float(math.ceil(wait_s)),
    "unknown, silent": lambda _: None,
}


def _output_tokens(rng: random.Random) -> int:
    """Heavy-tailed: half of them below 200 tokens, one in a hundred ten times that, up to `max_tokens`."""
    return min(_MOST_TOKENS, max(1, round(rng.lognormvariate(math.log(200), 1.0))))


def _mean_tokens(world: World) -> float:
    if world.tokens == "none":
        return 1.0
    rng = random.Random(7)
    if world.tokens == "reserved":
        return 300.0 + _MOST_TOKENS
    return 300.0 + sum(_output_tokens(rng) for _ in range(20_000)) / 20_000


def measured(world: World) -> Used:
    """Play the world; the same one always comes out the same."""
    return run(_play(world), seed=world.seed)


async def _play(world: World) -> Used:
    loop, until_s = asyncio.get_running_loop(), world.minutes * 60.0
    rng = random.Random(world.seed)
    provider = _Provider(world, rng)
    pool = KeyPool([Secret(f"sk-test-not-a-key-{n}") for n in range(world.keys)], name="sim")
    limiter = Limiter(pool, clock=LoopClock(), name="sim/quota", limits=_known(world, provider), rng=rng)
    if world.change != 1.0:
        loop.call_at(until_s / 2, lambda: provider.change(loop.time()))
    others = asyncio.create_task(provider.others(until_s)) if world.tenants else None
    client = _Client(world, provider, limiter, rng)
    feed = asyncio.create_task(client.feed(until_s))
    # The quota is measured over the minutes that count, whether something was asked or not.
    for second in range(round(until_s)):
        await asyncio.sleep(max(0.0, second + 0.5 - loop.time()))
        if provider.is_measured(second + 0.5):
            provider.quota += provider.quota_per_s()
    await asyncio.sleep(until_s - loop.time())
    feed.cancel()
    if others is not None:
        others.cancel()
    accepted = max(1, provider.accepted)
    return Used(
        provider.amount / provider.quota, 1000 * provider.refused / accepted, provider.early_refusals, client.sent
    )


def _known(world: World, provider: _Provider) -> Limits:
    if world.told != "known":
        return Limits(charges_max_tokens=world.tokens == "reserved")
    return Limits(rpm=provider.limits.rpm, tpm=provider.limits.tpm, charges_max_tokens=world.tokens == "reserved")

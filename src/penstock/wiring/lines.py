"""The lines to the providers: what an engine opens on its loop, one of each kind for whoever asks the same target."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from penstock.clock import Clock
from penstock.config import RouteTimeouts, TargetName
from penstock.credentials import KeyPool
from penstock.credentials.signing import Credential
from penstock.endpoint import Endpoint
from penstock.errors import CallError, ConfigError
from penstock.http import Pool, Transport
from penstock.policies.limit import Limiter, Limits
from penstock.transport import open_transport
from penstock.wiring.ambient import ambient_credential
from penstock.wiring.limiting import limits_of
from penstock.wiring.money import Money
from penstock.wiring.providers import ProviderPlan
from penstock.wiring.routes import phases
from penstock.wiring.running import address_of, key_pool, open_provider_transport
from penstock.wiring.settings import Manner, Overrides, Transports
from penstock.wiring.target import LimitedTarget, Standing
from penstock.wiring.wires import Speaker, dialect_of

__all__ = ["Lines"]

_MOST_TARGETS = 10_000


class Lines:
    """Connections, codecs, signatures, limits and what is known of each target. Keys outlive a loop, the rest doesn't.

    `clock` is that of the running loop; asking for it may be what lets go of a loop that is gone.
    """

    def __init__(
        self,
        plan: Callable[[str], ProviderPlan],
        clock: Callable[[], Clock],
        *,
        environ: Callable[[], Mapping[str, str]],
        overrides: Overrides,
        manner: Manner,
        money: Money,
        rng: random.Random,
        transports: Transports | None,
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._environ = environ
        self._overrides = overrides
        self._manner = manner
        self._money = money
        self._rng = rng
        self._open_transport = transports
        self._concurrency = overrides.concurrency or 0
        self.pools: dict[str, KeyPool] = {}
        self.forget()

    def forget(self) -> None:
        """Everything that belongs to a loop."""
        self._transports: dict[str, Transport] = {}
        self._speakers: dict[tuple[str, str], Speaker] = {}
        self._credentials: dict[str, Credential | None] = {}
        self._targets: dict[tuple[TargetName, RouteTimeouts], LimitedTarget] = {}
        self.standings: dict[str, Standing] = {}

    def begin(self) -> None:
        """On another loop: connections went with theirs, keys and their counts stay."""
        self.pools = {name: pool.copied() for name, pool in self.pools.items()}

    def widen(self, concurrency: int) -> None:
        """Make pools whose size nobody set big enough for so many requests."""
        self._concurrency = max(self._concurrency, concurrency)

    def close(self) -> list[Transport]:
        """End what runs; the connections, which are still to be closed."""
        for target in self._targets.values():
            target.close()
        return list(self._transports.values())

    def target(self, name: TargetName, timeouts: RouteTimeouts) -> LimitedTarget:
        """A target behind its limits. Raises `ConfigError`."""
        target = self._targets.get((name, timeouts))
        if target is None:
            if len(self._targets) >= _MOST_TARGETS:
                raise ConfigError(f"more than {_MOST_TARGETS} different models in one engine")
            speaker = self.speaker(name)
            bounds = phases(timeouts)
            endpoint = Endpoint(
                speaker.codec,
                self.transport(name.provider),
                model=dialect_of(self._plan(name.provider), name.model).model or name.model,
                name=str(name),
                now=self._clock().now,
                timeouts=bounds,
                stream_timeouts=bounds,
                sign=speaker.sign,
                credential=speaker.credential,
            )
            target = self._targets[name, timeouts] = LimitedTarget(
                self._standing(name), endpoint, prefills=speaker.codec.prefills(name.model)
            )
        return target

    def _standing(self, name: TargetName) -> Standing:
        standing = self.standings.get(str(name))
        if standing is None:
            limiter = Limiter(
                self.pool(name.provider),
                clock=self._clock(),
                name=str(name),
                limits=self.limits(self._plan(name.provider)),
                rng=self._rng,
            )
            door, bill = self._money.door(limiter, name), self._money.bill(name)
            standing = self.standings[str(name)] = Standing.begin(limiter, self._rng, door=door, bill=bill)
        return standing

    def limits(self, plan: ProviderPlan) -> Limits:
        """What a provider's plan and the engine's settings say of them."""
        return limits_of(plan, self._overrides, self._manner)

    def pool(self, provider: str) -> KeyPool:
        """A provider's keys."""
        pool = self.pools.get(provider)
        if pool is None:
            pool = self.pools[provider] = key_pool(self._plan(provider))
        return pool

    def transport(self, provider: str) -> Transport:
        """A provider's connections. Raises `ConfigError`."""
        transport = self._transports.get(provider)
        if transport is None:
            try:
                transport = (
                    open_provider_transport(self._plan(provider), self._clock(), concurrency=self._concurrency)
                    if self._open_transport is None
                    else self._open_transport(provider, self._clock())
                )
            except CallError as error:
                raise ConfigError(f"{provider}: {error.message}") from error
            self._transports[provider] = transport
        return transport

    def speaker(self, name: TargetName) -> Speaker:
        """The codec and the signature for a model; models of one provider that speak alike share them."""
        plan = self._plan(name.provider)
        dialect = dialect_of(plan, name.model)
        place = (name.provider, dialect.name)
        speaker = self._speakers.get(place)
        if speaker is None:
            codec = dialect.open(plan, address_of(plan))
            speaker = self._speakers[place] = Speaker(codec, dialect.sign(), self._credential(plan))
        return speaker

    def _credential(self, plan: ProviderPlan) -> Credential | None:
        if plan.name not in self._credentials:

            def open_(pool: Pool) -> Transport:
                transport = self._transports[f"{plan.name} credentials"] = open_transport("wreq", pool)
                return transport

            self._credentials[plan.name] = ambient_credential(plan, self._environ(), open_)
        return self._credentials[plan.name]

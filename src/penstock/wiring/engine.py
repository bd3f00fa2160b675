"""The tree of a running engine: one transport and one key pool a provider, one limit a target, one race a selection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Literal

from penstock.call import Call, Completion, Kind, Usage
from penstock.catalog import is_reasoning
from penstock.clock import Clock, LoopClock
from penstock.config import Config, RouteTimeouts, Selection, TargetName, resolve
from penstock.credentials import KeyPool
from penstock.endpoint import Endpoint
from penstock.errors import CallError, ConfigError
from penstock.handler import Handler
from penstock.http import Timeouts, Transport, WireReply
from penstock.observers.logging import PromptLog, prompts_wanted
from penstock.policies.limit import Limiter, Limits
from penstock.race import RaceSettings, RaceStats, RetryBudget, race
from penstock.wire.openai import OpenAICodec
from penstock.wiring.estimate import Asked, estimate
from penstock.wiring.providers import ProviderPlan, known_providers, plan_provider
from penstock.wiring.reports import EngineStats, TargetReport, limits_text, plan_text, race_text
from penstock.wiring.running import (
    Keys,
    LimitedTarget,
    copied_pool,
    key_pool,
    list_models,
    open_codec,
    open_provider_transport,
)
from penstock.wiring.settings import Manner, Models, Overrides, Transports

__all__ = ["Engine", "build"]

_FIRST_TOKEN_S = 120.0
_FIRST_TOKEN_OF_REASONING_S = 300.0
_DEADLINE_S = 120.0
_MOST_HANDLERS = 10_000
_MOST_TARGETS = 10_000


def build(
    config: Config,
    *,
    patience: Literal["interactive", "batch"] = "interactive",
    overrides: Overrides | None = None,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    transports: Transports | None = None,
) -> Engine:
    """An engine, which opens nothing before it is asked. Needs no running loop; `clock` is the loop's own unless given.

    `transports` opens a provider's connections instead of what its configuration says.
    Raises `ConfigError` for an override that can't be meant.
    """
    settings = overrides or Overrides()
    if settings.base_url is not None and not settings.base_url.startswith(("http://", "https://")):
        raise ConfigError(
            f'base_url: expected an address such as "http://127.0.0.1:8000/v1", got "{settings.base_url}"'
        )
    return Engine(config, patience=patience, overrides=settings, clock=clock, rng=rng, transports=transports)


class Engine:
    """Everything between a call and the providers. Lives on one loop at a time; made by `build`."""

    def __init__(
        self,
        config: Config,
        *,
        patience: Literal["interactive", "batch"],
        overrides: Overrides,
        clock: Clock | None,
        rng: random.Random | None,
        transports: Transports | None = None,
    ) -> None:
        self.config = config
        self.race_stats = RaceStats()
        """Live counts of every race of this engine."""
        self._manner = Manner(patience=patience, else_deadline_s=None if patience == "batch" else _DEADLINE_S)
        self._overrides = overrides
        self._concurrency = overrides.concurrency or 0
        self._given_clock = clock
        self._rng = rng or random.Random()
        self._open_transport = transports
        # "custom" has no address of its own: it is for those who give one with the command.
        self._known = [*known_providers(config), "custom"]
        self._plans: dict[str, ProviderPlan] = {}
        self._pools: dict[str, KeyPool] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forget()

    def _forget(self) -> None:
        """Everything that belongs to a loop."""
        self._clock: Clock | None = None
        self._transports: dict[str, tuple[OpenAICodec, Transport]] = {}
        self._limiters: dict[str, Limiter] = {}
        self._targets: dict[tuple[TargetName, RouteTimeouts], LimitedTarget] = {}
        self._budgets: dict[Selection, RetryBudget] = {}
        self._handlers: dict[tuple[str | tuple[str, ...] | None, Manner | None], Handler] = {}

    # Without a loop.

    def check(self, models: Models) -> Selection:
        """The targets that `models` means. Raises `ConfigError` for an unknown one, a missing address or key."""
        selection = resolve(self.config, models, self._known)
        for target in selection.targets:
            self.plan(target.provider).check()
        return selection

    def plan(self, provider: str) -> ProviderPlan:
        """What is decided about a provider. Raises `ConfigError`."""
        plan = self._plans.get(provider)
        if plan is None:
            plan = self._plans[provider] = plan_provider(self.config, provider, base_url=self._overrides.base_url)
        return plan

    def keys(self, provider: str) -> Keys:
        """The provider's keys, to be replaced while running. Call `replace` on the engine's loop."""
        if provider not in self._known:
            raise ConfigError(f'unknown provider "{provider}"')
        return Keys(provider, lambda: self._pool(provider))

    def estimator(self) -> Callable[[Asked], int]:
        """From what is asked to the tokens that it may cost at a limiter."""
        return estimate

    def encode(self, completion: Completion) -> bytes:
        """The completion as OpenAI's object of its kind."""
        from penstock.wire.openai.server import encode_reply

        return encode_reply(completion).body

    def decode(self, kind: Kind, target: str, raw: bytes) -> Completion:
        """The completion in a target's body that was kept. Raises `CallError` when it is none."""
        plan = self.plan(target.partition("/")[0])
        reply = WireReply(200, {}, raw)
        return OpenAICodec(plan.vendor, "http://kept.invalid").decode_reply(
            Call(id="", model="", body={}, kind=kind), reply
        )

    def waiting(self) -> int:
        """Calls that wait at a limit or between two attempts, now."""
        return self.race_stats.waiting

    # On the loop.

    @property
    def clock(self) -> Clock:
        """The clock that deadlines are instants of; the running loop's."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop or self._clock is None:
            # Connections belong to a loop. One that is gone took them along; keys and counts stay.
            self._forget()
            self._pools = {name: copied_pool(pool) for name, pool in self._pools.items()}
            self._loop = loop
            self._clock = self._given_clock or LoopClock(loop)
        return self._clock

    def handler(self, models: Models = None, *, manner: Manner | None = None) -> Handler:
        """The handler for these models; the same one for the same models and manner.

        Raises `ConfigError` as `check` does.
        """
        if asyncio.get_running_loop() is not self._loop:
            _ = self.clock
        asked = models if models is None or isinstance(models, str) else tuple(models)
        handler = self._handlers.get((asked, manner))
        if handler is None:
            if len(self._handlers) >= _MOST_HANDLERS:
                self._handlers.clear()
            handler = self._handlers[asked, manner] = self._race(self.check(asked), manner or self._manner)
        return handler

    def targets(self, models: Models = None) -> tuple[LimitedTarget, ...]:
        """The targets of these models, behind their limits. Raises `ConfigError`."""
        selection = self.check(models)
        timeouts = self._timeouts_of(selection, None)
        return tuple(self._target(name, timeouts) for name in selection.targets)

    async def list_models(self, provider: str) -> list[str]:
        """The model ids that the provider lists. Raises `ConfigError`, or `CallError` when it refuses or is silent."""
        plan = self.plan(provider)
        plan.check()
        _ = self.clock
        codec, transport = self._connection(provider)
        return await list_models(plan, codec, transport, self._pool(provider))

    async def aclose(self) -> None:
        """Close every connection; what still runs ends with an error. An engine that is asked again opens anew."""
        if asyncio.get_running_loop() is not self._loop:
            return
        for target in self._targets.values():
            target.close()
        transports = [transport for _, transport in self._transports.values()]
        self._forget()
        self._loop = None
        for transport in transports:
            await transport.aclose()

    def widen(self, concurrency: int) -> None:
        """Make pools whose size nobody set big enough for so many requests; those that are open stay as they are."""
        self._concurrency = max(self._concurrency, concurrency)

    # For people.

    def stats(self) -> EngineStats:
        """Counts since the start, for each target and together; call it on the engine's loop."""
        counts = self.race_stats
        targets = {}
        for name, limiter in self._limiters.items():
            target = counts.target(name)
            targets[name] = TargetReport(
                requests=target.started,
                answered=target.answered,
                errors=dict(target.errors),
                usage=target.tokens.usage,
                last_error=target.last_error,
                saturation=limiter.saturation(),
            )
        return EngineStats(
            requests=sum(target.requests for target in targets.values()),
            answered=counts.answered,
            failed=counts.gave_up,
            retries=counts.retries,
            refusals=counts.refusals,
            waiting=counts.waiting,
            usage=sum((target.usage for target in targets.values()), Usage()),
            cost_usd=None,
            targets=targets,
        )

    def tree(self, models: Models = None) -> str:
        """The engine for these models, drawn: what a call goes through, from the caller to the provider."""
        selection = self.check(models)
        route = f" (route {selection.route.name})" if selection.route else ""
        settings = self._settings(selection, self._manner)
        lines = [f"race, {settings.patience}{route}: {race_text(settings)}"]
        for number, target in enumerate(selection.targets, 1):
            plan = self.plan(target.provider)
            last = number == len(selection.targets)
            limits = limits_text(self._limits(plan))
            lines.append(f"{'`' if last else '+'}- limit({limits}) - endpoint({target})")
            bar = " " if last else "|"
            lines.append(f"{bar}    {plan_text(plan)}")
        return "\n".join(lines)

    # Making.

    def _race(self, selection: Selection, manner: Manner) -> Handler:
        budget = self._budgets.get(selection)
        if budget is None:
            if len(self._budgets) >= _MOST_HANDLERS:
                self._budgets.clear()
            budget = self._budgets[selection] = RetryBudget()
        timeouts = self._timeouts_of(selection, manner.timeouts)
        return race(
            [self._target(name, timeouts) for name in selection.targets],
            self._settings(selection, manner),
            clock=self.clock,
            rng=self._rng,
            budget=budget,
            stats=self.race_stats,
            observe=PromptLog() if prompts_wanted() else None,
        )

    def _settings(self, selection: Selection, manner: Manner) -> RaceSettings:
        route, said = selection.route, self._overrides
        own_s = route.deadline_s if route else None
        deadline_s = manner.deadline_s or said.deadline_s or own_s or manner.else_deadline_s
        is_batch = manner.patience == "batch"
        return RaceSettings(
            patience=manner.patience,
            deadline_after_s=None if is_batch else deadline_s,
            deadline_after_send_s=deadline_s if is_batch else None,
            max_attempts=said.max_attempts or (route.max_attempts if route else None),
            fallback_on=frozenset(route.fallback_on if route else ()),
        )

    def _timeouts_of(self, selection: Selection, timeouts: RouteTimeouts | None) -> RouteTimeouts:
        layers = (timeouts, self._overrides.timeouts, selection.route.timeouts if selection.route else None)
        return RouteTimeouts(
            *(
                next((value for layer in layers if layer and (value := getattr(layer, phase)) is not None), None)
                for phase in ("connect", "first_token", "between_tokens", "total")
            )
        )

    def _target(self, name: TargetName, timeouts: RouteTimeouts) -> LimitedTarget:
        target = self._targets.get((name, timeouts))
        if target is None:
            if len(self._targets) >= _MOST_TARGETS:
                raise ConfigError(f"more than {_MOST_TARGETS} different models in one engine")
            codec, transport = self._connection(name.provider)
            unary, stream = _phases(timeouts, name.model)
            endpoint = Endpoint(
                codec,
                transport,
                model=name.model,
                name=str(name),
                now=self.clock.now,
                timeouts=unary,
                stream_timeouts=stream,
            )
            target = self._targets[name, timeouts] = LimitedTarget(self._limiter(name), endpoint)
        return target

    def _limiter(self, name: TargetName) -> Limiter:
        limiter = self._limiters.get(str(name))
        if limiter is None:
            limiter = self._limiters[str(name)] = Limiter(
                self._pool(name.provider),
                clock=self.clock,
                name=str(name),
                limits=self._limits(self.plan(name.provider)),
                rng=self._rng,
            )
        return limiter

    def _limits(self, plan: ProviderPlan) -> Limits:
        own, said = plan.config.limits, self._overrides
        ceiling = said.concurrency if self._manner.patience == "interactive" else None
        return Limits(
            rpm=said.rpm or own.rpm,
            tpm=said.tpm or own.tpm,
            input_tpm=own.input_tpm,
            output_tpm=own.output_tpm,
            charges_max_tokens=plan.vendor.charges_max_tokens,
            max_in_flight=ceiling or own.concurrency,
        )

    def _pool(self, provider: str) -> KeyPool:
        pool = self._pools.get(provider)
        if pool is None:
            pool = self._pools[provider] = key_pool(self.plan(provider))
        return pool

    def _connection(self, provider: str) -> tuple[OpenAICodec, Transport]:
        connection = self._transports.get(provider)
        if connection is None:
            plan = self.plan(provider)
            try:
                transport = (
                    open_provider_transport(plan, self.clock, concurrency=self._concurrency)
                    if self._open_transport is None
                    else self._open_transport(provider, self.clock)
                )
            except CallError as error:
                raise ConfigError(f"{provider}: {error.message}") from error
            connection = self._transports[provider] = (open_codec(plan), transport)
        return connection


def _phases(timeouts: RouteTimeouts, model: str) -> tuple[Timeouts, Timeouts]:
    """For a reply in one piece, and for a stream. Only a stream has a first token to wait for."""
    default = Timeouts()
    connect = timeouts.connect or default.connect
    total = timeouts.total or default.total
    first_s = timeouts.first_token or (_FIRST_TOKEN_OF_REASONING_S if is_reasoning(model) else _FIRST_TOKEN_S)
    between_s = timeouts.between_tokens or default.between_bytes
    return (
        Timeouts(connect=connect, first_byte=None, between_bytes=None, total=total),
        Timeouts(connect=connect, first_byte=first_s, between_bytes=between_s, total=total),
    )

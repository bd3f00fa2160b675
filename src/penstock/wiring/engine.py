"""The tree of a running engine: one transport and one key pool a provider, one limit a target, one race a selection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Literal

from penstock.call import Completion, Kind
from penstock.clock import Clock, LoopClock
from penstock.config import Config, Selection, TargetName, resolve, taken_for
from penstock.errors import ConfigError
from penstock.handler import Handler
from penstock.observers.logging import PromptLog, prompts_wanted
from penstock.race import Hedges, ProbeTurns, RaceSettings, RaceStats, Route, race
from penstock.splitting import Split
from penstock.wiring.again import ask_again
from penstock.wiring.ambient import check_ambient
from penstock.wiring.caching import Caching
from penstock.wiring.estimate import Asked
from penstock.wiring.forecast import Forecast
from penstock.wiring.guarding import guarded, guards_text
from penstock.wiring.lines import Lines
from penstock.wiring.money import Money
from penstock.wiring.prompting import kept_apart, prompt_text, prompted
from penstock.wiring.providers import ProviderPlan, known_providers, plan_provider
from penstock.wiring.reports import EngineStats, engine_stats
from penstock.wiring.rotation import Rotation, rotate
from penstock.wiring.routes import check_overrides, check_policy, race_settings, timeouts_of
from penstock.wiring.running import (
    Keys,
    list_models,
)
from penstock.wiring.settings import Manner, Models, Overrides, Transports
from penstock.wiring.target import LimitedTarget
from penstock.wiring.tree import draw, limits_text, plan_text, race_lines
from penstock.wiring.wires import as_openai, dialect_of, embedding_limit, from_openai, writes_openai

__all__ = ["Engine", "build"]

_DEADLINE_S = 120.0
_MOST_HANDLERS = 10_000


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
    check_overrides(settings)
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
        self._final = engine_stats(self.race_stats, {}, 0.0, {})
        self._manner = Manner(patience=patience, else_deadline_s=None if patience == "batch" else _DEADLINE_S)
        self._overrides = overrides
        self._given_clock = clock
        self._rng = rng or random.Random()
        # "custom" has no address of its own: it is for those who give one with the command.
        self._known = [*known_providers(config), "custom"]
        for name in config.routes:
            resolve(config, name, self._known)
        self._plans: dict[str, ProviderPlan] = {}
        self.caching = Caching(config.cache, overrides, self.plan, by_call=patience == "interactive", ask=self.handler)
        self.money = Money(config, overrides, self.plan, lambda models: self._usable(models).targets[0])
        self._lines = Lines(
            self.plan,
            lambda: self.clock,
            environ=lambda: self.config.environ,
            overrides=overrides,
            manner=self._manner,
            money=self.money,
            rng=self._rng,
            transports=transports,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forget()

    def _forget(self) -> None:
        """Everything that belongs to a loop."""
        self.money.forget()
        self.caching.forget()
        self._lines.forget()
        self._clock: Clock | None = None
        self._routes: dict[Selection, Route] = {}
        self._handlers: dict[tuple[str | tuple[str, ...] | None, Manner | None], Handler] = {}

    # Without a loop.

    def check(self, models: Models) -> Selection:
        """The targets that `models` means.

        Raises `ConfigError` for an unknown one, a missing address or key, and for an engine's hedge or fallback that
        can never come to be.
        """
        selection = self._usable(models)
        check_policy(selection, self._manner, self._overrides)
        self.money.check(selection.targets)
        return selection

    def _usable(self, models: Models) -> Selection:
        selection = resolve(self.config, models, self._known)
        for target in selection.targets:
            try:
                plan = self.plan(target.provider)
                plan.check()
                check_ambient(plan)
                dialect_of(plan, target.model)
            except ConfigError as error:
                if selection.route is None:
                    raise ConfigError(f"{taken_for(self.config, models, target)}{error}") from None
                place = f"{self.config.source}: [routes.{selection.route.name}] targets"
                raise ConfigError(f"{place}: {target}: {error}") from None
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
        return Keys(provider, lambda: self._lines.pool(provider))

    def reread_keys(self, read: Callable[[], Config]) -> Rotation:
        """Take the keys, and nothing else, of the configuration that `read` returns; requests in flight keep theirs.

        Call it on the engine's loop. What can't be read keeps its keys, is logged, and is in the result.
        """
        self.config, rotation = rotate(self.config, read, self._plans, self._lines.pools)
        return rotation

    def estimate(self, models: Models, asked: Asked) -> int:
        """The tokens that it may cost at a limiter, as the first of these models counts."""
        return self.money.tokens(models, asked)

    def forecast(self, models: Models) -> Forecast:
        """What requests to the first of these models would come to. No key is needed. Raises `ConfigError`."""
        name = resolve(self.config, models, self._known).targets[0]
        plan = self.plan(name.provider)
        return Forecast(self.money.bill(name), self._lines.limits(plan), keys=len(plan.keys.keys))

    def writes_openai(self, target: str) -> bool:
        """Whether the body of this target's answers is OpenAI's own object; else `encode` makes one."""
        provider, _, model = target.partition("/")
        return writes_openai(self.plan(provider), model)

    def encode(self, completion: Completion) -> bytes:
        """The completion as OpenAI's object of its kind."""
        return as_openai(completion)

    def decode(self, kind: Kind, target: str, raw: bytes) -> Completion:
        """The completion in OpenAI's object of a target's answer that was kept. Raises `CallError` when it is none."""
        return from_openai(self.plan(target.partition("/")[0]), kind, raw)

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
            if self._loop is not None and self._clock is not None:
                self._final = self._told(self._clock.now())
            self._forget()
            self._loop = loop
            self._clock = self._given_clock or LoopClock(loop)
            self._lines.begin()
        return self._clock

    def handler(self, models: Models = None, *, manner: Manner | None = None) -> Handler:
        """The handler for these models; the same one for the same models and manner.

        Raises `ConfigError` as `check` does; an engine's hedge without a second target is none here.
        """
        if asyncio.get_running_loop() is not self._loop:
            _ = self.clock
        asked = models if models is None or isinstance(models, str) else tuple(models)
        handler = self._handlers.get((asked, manner))
        if handler is None:
            if len(self._handlers) >= _MOST_HANDLERS:
                self._handlers.clear()
            selection = self._usable(asked)
            if manner is not None and manner.hedge is not None:
                check_policy(selection, manner, self._overrides)
            handler = self._handlers[asked, manner] = self._cached(selection, manner or self._manner)
        return handler

    def targets(self, models: Models = None) -> tuple[LimitedTarget, ...]:
        """The targets of these models, behind their limits. Raises `ConfigError`."""
        selection = self._usable(models)
        timeouts = timeouts_of(selection, self._manner, self._overrides)
        return tuple(self._lines.target(name, timeouts) for name in selection.targets)

    async def list_models(self, provider: str) -> list[str]:
        """The model ids that the provider lists. Raises `ConfigError`, or `CallError` when it refuses or is silent."""
        plan = self.plan(provider)
        plan.check()
        _ = self.clock
        speaker = self._lines.speaker(TargetName(provider, ""))
        return await list_models(plan, speaker, self._lines.transport(provider), self._lines.pool(provider))

    async def aclose(self) -> None:
        """Close every connection; what still runs ends with an error. An engine that is asked again opens anew."""
        if asyncio.get_running_loop() is not self._loop:
            return
        await self.caching.aclose()
        transports = self._lines.close()
        self.money.close()
        self._final = self.stats()
        self._forget()
        self._loop = None
        for transport in transports:
            await transport.aclose()

    def widen(self, concurrency: int) -> None:
        """Make pools whose size nobody set big enough for so many requests; those that are open stay as they are."""
        self._lines.widen(concurrency)

    # For people.

    def stats(self) -> EngineStats:
        """Counts since the start, for each target and together; on the engine's loop, or when it is closed."""
        if self._loop is None:
            return self._final
        now_s = self.clock.now()  # before the rest: what belongs to a loop that is gone goes with it
        return self._told(now_s)

    def _told(self, now_s: float) -> EngineStats:
        now = engine_stats(self.race_stats, self._lines.standings, now_s, self._routes, self._final)
        return self.caching.counted(now)

    def tree(self, models: Models = None) -> str:
        """The engine for these models, drawn: what a call goes through, from the caller to the provider."""
        selection = self.check(models)
        settings = race_settings(selection, self._manner, self._overrides)
        timeouts = timeouts_of(selection, self._manner, self._overrides)
        branches = []
        for name in selection.targets:
            plan = self.plan(name.provider)
            way = f"breaker - {self.money.text()}limit({limits_text(self._lines.limits(plan))}) - endpoint({name})"
            branches.append((way, prompt_text(selection, str(name)) + plan_text(plan)))
        above = guards_text(selection, self._overrides) + self.caching.text()
        return above + draw(race_lines(settings, selection, timeouts), branches)

    # Making.

    def _cached(self, selection: Selection, manner: Manner) -> Handler:
        settings = race_settings(selection, manner, self._overrides)
        names = [str(name) for name in selection.targets]
        after_s = settings.deadline_after_s or settings.deadline_after_send_s
        over, again = self._race(selection, manner), ask_again(settings, self.clock)
        over = self.caching.over(over, names, clock=self.clock, deadline_after_s=after_s, again=again)
        return guarded(kept_apart(over, selection), selection, manner, self._overrides, clock=self.clock)

    def _race(self, selection: Selection, manner: Manner) -> Handler:
        settings = race_settings(selection, manner, self._overrides)
        timeouts = timeouts_of(selection, manner, self._overrides)
        handler = race(
            prompted([self._lines.target(name, timeouts) for name in selection.targets], selection),
            settings,
            clock=self.clock,
            rng=self._rng,
            route=self._route(selection, settings),
            stats=self.race_stats,
            observe=PromptLog() if prompts_wanted() else None,
        )
        limit = embedding_limit([(self.plan(name.provider), name.model) for name in selection.targets])
        if limit is None:
            return handler
        split = Split(limit, lambda target: self.handler(target, manner=manner), self.clock, settings.deadline_after_s)
        return split(handler)

    def _route(self, selection: Selection, settings: RaceSettings) -> Route:
        route = self._routes.get(selection)
        if route is None:
            if len(self._routes) >= _MOST_HANDLERS:
                self._routes.clear()
            route = Route(hedges=Hedges(settings.hedge_budget), turns=ProbeTurns(rng=self._rng))
            self._routes[selection] = route
        return route

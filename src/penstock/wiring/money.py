"""What an engine's attempts cost, and the budget that they are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.call import Call, Kind, Usage
from penstock.config import Config, PriceConfig, TargetName
from penstock.config.folders import state_file
from penstock.errors import ConfigError
from penstock.policies.budget import Budget, BudgetGate, Daybook
from penstock.policies.limit import Limiter
from penstock.prices import Own, PriceBook, Pricing
from penstock.tokens.counter import Counter
from penstock.wiring.dear import keeps_for_an_hour, may_be_heard, may_be_spoken
from penstock.wiring.estimate import Asked, estimate_tokens, most_input, most_output
from penstock.wiring.providers import ProviderPlan
from penstock.wiring.settings import Models, Overrides

__all__ = ["Money", "TargetBill", "spending_path"]

_MOST_COUNTERS = 10_000
_EACH, _EVERY = 64, 16
"""The first answers teach how many tokens a model counts, then one of so many."""
_PRICE_FIELDS = Own.__struct_fields__


class TargetBill:
    """One model's bill: a `penstock.race.Bill`, and what a budget asks."""

    __slots__ = ("_answers", "_output_by_default", "counter", "name", "pricing")

    def __init__(self, name: str, pricing: Pricing, *, output_by_default: int) -> None:
        self.name = name
        self.pricing = pricing
        self._output_by_default = output_by_default
        self.counter = Counter(name)
        """Its tokens; it learns from what the provider counts."""
        self._answers = 0

    def cost(self, call: Call, usage: Usage, model: str) -> float | None:
        self._answers = answers = self._answers + 1
        if answers <= _EACH or not answers % _EVERY:
            self.counter.learn(call.kind, call.body, usage.input_tokens)
        pricing = self.pricing
        if "service_tier" in call.body:
            return pricing.cost(usage, _tier(call), model)
        # As `Pricing.cost` does at first.
        if pricing.plain is None and model in pricing.unpriced:
            return None
        return pricing.cost(usage, "", model)

    def price(self, call: Call, usage: Usage) -> float | None:
        """What so many tokens would cost, in the call's tier."""
        return self.pricing.cost(usage, _tier(call))

    def most_output(self, kind: Kind, body: Mapping[str, Any]) -> int:
        """The most tokens of an answer."""
        tariff = self.pricing.tariff()
        return most_output(kind, body, (tariff and tariff.max_output) or self._output_by_default)

    def estimate(self, call: Call, output_tokens: int) -> float | None:
        tariff = self.pricing.tariff(_tier(call))
        if tariff is None:
            return None
        return tariff.cost(Usage(self.counter.quick(call.kind, call.body), output_tokens))

    def most(self, call: Call) -> float:
        """The most that an attempt can cost. Raises `ConfigError` for a tier whose price nobody knows."""
        tier = _tier(call)
        tariff = self.pricing.tariff(tier)
        if tariff is None:
            raise ConfigError(no_price(self.name, tier))
        kind, body, rates = call.kind, call.body, tariff.rates
        return tariff.most(
            most_input(self.counter, kind, body),
            self.most_output(kind, body),
            # Looked for only where it would cost more.
            for_an_hour=rates.cache_write_1h > rates.cache_write and keeps_for_an_hour(body),
            heard=max(rates.audio_input, rates.audio_cached) > rates.input and may_be_heard(kind, body),
            spoken=rates.audio_output > rates.output and may_be_spoken(body),
        )

    def told(self, call: Call) -> str:
        most = self.most_output(call.kind, call.body)
        if not most:
            return (
                f"a request to {self.name} ({most_input(self.counter, call.kind, call.body):,} tokens of input at most)"
            )
        hint = "" if most_output(call.kind, call.body, 0) else "; max_tokens bounds it"
        return f"a request to {self.name} ({most:,} tokens of output at most{hint})"


def _tier(call: Call) -> str:
    tier = call.body.get("service_tier")
    return tier if type(tier) is str and tier not in ("auto", "default", "standard") else ""


def no_price(target: str, tier: str = "") -> str:
    """What is said of a budget that can't be kept."""
    provider, _, model = target.partition("/")
    what = f"{target} (service_tier {tier})" if tier else target
    return (
        f"budget: the price of {what} isn't known, so nobody could keep it. Give one in penstock.toml, in dollars for "
        f'a million tokens: [providers.{provider}.prices] "{model}" = {{ input = 0.15, output = 0.60 }}'
    )


class Money:
    """Every price and every token count of an engine, and its budget if it has one.

    `first` is the target that is asked first of what someone names.
    """

    def __init__(
        self,
        config: Config,
        overrides: Overrides,
        plan: Callable[[str], ProviderPlan],
        first: Callable[[Models], TargetName],
    ) -> None:
        said = config.budget if overrides.budget is None else overrides.budget
        own = {
            name: {model: _own(price) for model, price in provider.prices.items()}
            for name, provider in config.providers.items()
            if provider.prices
        }
        self._plan = plan
        self._first = first
        self._tpm = overrides.tpm
        self._counters: dict[str | tuple[str, ...] | None, Counter] = {}
        self._book = PriceBook(own)
        self._bills: dict[TargetName, TargetBill] = {}
        self.budget: Budget | None = None
        if said:
            day = None if said.per_day is None else Daybook(spending_path(config.environ), said.per_day)
            self.budget = Budget(usd=said.usd, per_tag=said.per_tag, day=day)

    def bill(self, name: TargetName) -> TargetBill:
        """What attempts at this model cost."""
        bill = self._bills.get(name)
        if bill is None:
            plan = self._plan(name.provider)
            listed = plan.vendor.name if plan.is_at_vendor and plan.base_url is not None else None
            pricing = self._book.pricing(name.provider, name.model, listed=listed)
            most = most_written(plan.vendor.wire, name.model)
            bill = self._bills[name] = TargetBill(str(name), pricing, output_by_default=most)
        return bill

    def tokens(self, models: Models, asked: Asked) -> int:
        """The tokens that it may cost at a limiter, as the first of these models counts."""
        key = models if models is None or isinstance(models, str) else tuple(models)
        counter = self._counters.get(key)
        if counter is None:
            if len(self._counters) >= _MOST_COUNTERS:
                self._counters.clear()
            counter = self._counters[key] = self.bill(self._first(key)).counter
        return estimate_tokens(asked.kind, asked.body, counter)

    def check(self, targets: Sequence[TargetName]) -> None:
        """Look prices and tokenizers up in good time.

        Raises `ConfigError` for a budget over a model whose price isn't known.
        """
        for name in targets:
            bill = self.bill(name)
            own_tpm = self._plan(name.provider).config.limits.tpm
            if self.budget is not None or self._tpm or own_tpm:
                bill.counter.prepare()
            if self.budget is not None and bill.pricing.tariff() is None:
                hint = "" if self._book.library.is_installed else "; pip install 'penstock[prices]' brings the vendors'"
                raise ConfigError(no_price(str(name)) + hint)

    def door(self, limiter: Limiter, name: TargetName) -> Limiter | BudgetGate:
        """The way in to a target: its limits, behind the budget where there is one."""
        return limiter if self.budget is None else BudgetGate(limiter, self.budget, self.bill(name))

    def text(self) -> str:
        """The layer in the drawing of an engine, where there is one."""
        return "" if self.budget is None else "budget - "

    def forget(self) -> None:
        """The loop is gone, and whoever waited on it."""
        if self.budget is not None:
            self.budget.forget_waiters()

    def close(self) -> None:
        """Give back what this day's budget was claimed for and not needed."""
        if self.budget is not None:
            self.budget.close()


def most_written(wire: str, model: str) -> int:
    """The most tokens of an answer that a request leaves open: asked for by its wire, or the model's own bound."""
    if wire == "anthropic":
        from penstock.wire.anthropic.models import facts

        return facts(model).max_tokens
    from penstock.catalog.outputs import most_output_of

    return most_output_of(model)


def _own(price: PriceConfig) -> Own:
    return Own(**{name: getattr(price, name) for name in _PRICE_FIELDS})


def spending_path(environ: Mapping[str, str]) -> Path:
    """Where a day's spending is kept: in the user's folder for the state of programs."""
    return state_file(environ, "spending.json")

"""What an engine's attempts cost, and the budget that they are held against."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from penstock.call import Call, Usage
from penstock.config import BudgetConfig, Config, PriceConfig, TargetName
from penstock.errors import ConfigError
from penstock.policies.budget import Budget, BudgetGate, Daybook
from penstock.policies.limit import Limiter
from penstock.prices import Own, PriceBook, Pricing
from penstock.wiring.estimate import estimate_tokens, most_input, most_output
from penstock.wiring.providers import ProviderPlan

__all__ = ["Money", "TargetBill", "spending_path"]

_PRICE_FIELDS = Own.__struct_fields__


class TargetBill:
    """One model's bill: a `penstock.race.Bill`, and what a budget asks."""

    __slots__ = ("_output_by_default", "name", "pricing")

    def __init__(self, name: str, pricing: Pricing, *, output_by_default: int) -> None:
        self.name = name
        self.pricing = pricing
        self._output_by_default = output_by_default

    def cost(self, call: Call, usage: Usage, model: str) -> float | None:
        return self.pricing.cost(usage, tier=_tier(call), model=model)

    def estimate(self, call: Call, output_tokens: int) -> float | None:
        tariff = self.pricing.tariff(_tier(call))
        if tariff is None:
            return None
        given = max(0, estimate_tokens(call.kind, call.body) - most_output(call.kind, call.body, 0))
        return tariff.cost(Usage(given, output_tokens))

    def most(self, call: Call) -> float:
        """The most that an attempt can cost. Raises `ConfigError` for a tier whose price nobody knows."""
        tier = _tier(call)
        tariff = self.pricing.tariff(tier)
        if tariff is None:
            raise ConfigError(no_price(self.name, tier))
        most = most_output(call.kind, call.body, tariff.max_output or self._output_by_default)
        return tariff.most(most_input(call.kind, call.body), most)

    def told(self, call: Call) -> str:
        most = most_output(call.kind, call.body, self._output_by_default)
        bounded = most_output(call.kind, call.body, 0)
        hint = "" if bounded or not most else "; max_tokens bounds it"
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
    """Every price of an engine, and its budget if it has one."""

    def __init__(self, config: Config, budget: BudgetConfig | None, plan: Callable[[str], ProviderPlan]) -> None:
        said = config.budget if budget is None else budget
        own = {
            name: {model: _own(price) for model, price in provider.prices.items()}
            for name, provider in config.providers.items()
            if provider.prices
        }
        self._plan = plan
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

    def check(self, targets: Sequence[TargetName]) -> None:
        """Look prices up in good time. Raises `ConfigError` for a budget over a model whose price isn't known."""
        for name in targets:
            bill = self.bill(name)
            if self.budget is not None and bill.pricing.tariff() is None:
                hint = "" if self._book.library.is_installed else "; pip install 'penstock[prices]' brings the vendors'"
                raise ConfigError(no_price(str(name)) + hint)

    def door(self, limiter: Limiter, name: TargetName) -> Limiter | BudgetGate:
        """The way in to a target: its limits, behind the budget where there is one."""
        return limiter if self.budget is None else BudgetGate(limiter, self.budget, self.bill(name))

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
    if folder := environ.get("XDG_STATE_HOME"):
        return Path(folder) / "penstock" / "spending.json"
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "penstock" / "spending.json"
    if os.name == "nt" and (folder := environ.get("LOCALAPPDATA")):
        return Path(folder) / "penstock" / "spending.json"
    return home / ".local" / "state" / "penstock" / "spending.json"

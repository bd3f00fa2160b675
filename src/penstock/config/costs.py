"""What is said about money: a provider's own prices, and budgets. US dollars."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.config.values import Reader, Where, read_fraction, read_positive_int, read_table

__all__ = ["BudgetConfig", "PriceConfig", "read_budget", "read_prices", "read_usd"]


@dataclass(frozen=True, slots=True)
class PriceConfig:
    """One model's price in US dollars for a million tokens; None: what the price library says."""

    input: float | None = None
    output: float | None = None
    cached: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_cached: float | None = None
    audio_output: float | None = None
    request: float | None = None
    """For each request, in US dollars."""
    batch: float | None = None
    """What the batch tier costs of the usual price, from 0 to 1."""
    discount: float | None = None
    """Taken off every price, from 0 to 1."""
    max_output: int | None = None
    """The most tokens of an answer where a request doesn't bound it."""


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    """What may be spent, in US dollars; None or empty for no bound."""

    usd: float | None = None
    """By one run, or by one client."""
    per_day: float | None = None
    """By everything of this user on this machine, from midnight to midnight UTC."""
    per_tag: Mapping[str, float] = field(default_factory=dict)
    """By "name=value" for that tag alone, by "name" for each value of it, by "*" for each tag."""

    def __bool__(self) -> bool:
        return self.usd is not None or self.per_day is not None or bool(self.per_tag)


def _read_price(value: object, where: Where) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    raise where.expected("US dollars for a million tokens, 0 or above", value)


def _read_fee(value: object, where: Where) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    raise where.expected("US dollars for each request, 0 or above", value)


_PRICE: dict[str, Reader] = {
    **dict.fromkeys(("input", "output", "cached", "cache_write", "cache_write_1h", "reasoning"), _read_price),
    **dict.fromkeys(("audio_input", "audio_cached", "audio_output"), _read_price),
    "request": _read_fee,
    **dict.fromkeys(("batch", "discount"), read_fraction),
    "max_output": read_positive_int,
}


def read_prices(value: object, where: Where) -> dict[str, PriceConfig]:
    """`[providers.NAME.prices]`: a table of models, "*" for all others."""
    if not isinstance(value, Mapping):
        form = 'a table of models such as { "my-model" = { input = 0.15, output = 0.60 } }'
        raise where.expected(form, value)
    return {str(model): _read_model(table, where.at(str(model))) for model, table in value.items()}


def _read_model(value: object, where: Where) -> PriceConfig:
    if not isinstance(value, Mapping):
        raise where.expected("a table such as { input = 0.15, output = 0.60 }, dollars for a million tokens", value)
    return PriceConfig(**read_table(value, _PRICE, where))


def read_usd(value: object, where: Where | str = "budget") -> float:
    """US dollars above 0. Raises `ConfigError`."""
    place = where if isinstance(where, Where) else Where(where)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise place.expected("US dollars above 0, such as 25.0", value)


def _read_per_tag(value: object, where: Where) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {"*": read_usd(value, where)}
    budgets: dict[str, float] = {}
    for tag, usd in value.items():
        name = str(tag).partition("=")[0].strip()
        if not name:
            raise where.error(f'"{tag}": expected a tag such as "team", or one value of it such as "team=search"')
        budgets[str(tag)] = read_usd(usd, where.at(str(tag)))
    return budgets


_BUDGET: dict[str, Reader] = {"usd": read_usd, "per_day": read_usd, "per_tag": _read_per_tag}


def read_budget(value: Any, where: Where) -> BudgetConfig:
    """`[budget]`, or the dollars of a run alone."""
    if not isinstance(value, Mapping):
        return BudgetConfig(usd=read_usd(value, where))
    return BudgetConfig(**read_table(value, _BUDGET, where))

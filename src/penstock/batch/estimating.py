"""What a run would come to, before anything is sent: requests, tokens, dollars, and the time that limits allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from penstock.batch.items import Item, items
from penstock.batch.prescan import Equals, prescan
from penstock.batch.settings import JobSettings
from penstock.batch.sources import open_source
from penstock.errors import InputError
from penstock.wiring import Engine, Forecast

__all__ = ["Estimate", "Range", "estimate_run"]

_USUAL_OUTPUT = 300
"""Tokens of an answer that nobody has said anything about."""
_SHORT = 0.3
"""A short answer, as a share of a usual one."""


class Range(msgspec.Struct):
    """What is likely at least, what is expected, and what it can't pass."""

    low: float = 0
    expected: float = 0
    high: float = 0

    def add(self, low: float, expected: float, high: float) -> None:
        self.low += low
        self.expected += expected
        self.high += high

    def whole(self) -> Range:
        return Range(round(self.low), round(self.expected), round(self.high))


class Estimate(msgspec.Struct, kw_only=True):
    """What `penstock estimate` prints. Dollars are None when a price isn't known."""

    requests: int
    equal_rows: int
    """Answered by another row's answer: nothing is sent for them."""
    input_tokens: Range
    output_tokens: Range
    cost_usd: Range | None
    unpriced: list[str]
    """The targets whose price isn't known."""
    unbounded: int
    """Requests without `max_tokens`: their highest output is the model's own limit."""
    shortest_s: float | None
    """Under the limits of the configuration and the options; None when none is known."""
    limited_by: str | None
    targets: list[str]
    token_error: float
    """By how much, as a share, the input's tokens may be off."""


def estimate_run(settings: JobSettings, engine: Engine, *, usual_output: int | None) -> Estimate:
    """Read the input and count. Nothing is sent. Raises `InputError` and `ConfigError` as a run would."""
    settings = settings.with_prompt()
    source = open_source(settings.input, prompt=settings.prompt, id_column=settings.id_column)
    if not source.replayable:
        raise InputError("estimate: a pipe can't be read twice; name a file as INPUT")
    scan = prescan(source, find_equals=settings.dedup)
    if (scan.bad or scan.repeated) and not settings.skip_bad:
        shown = [*scan.first_bad, *scan.repeated.values()][:5]
        raise InputError("\n".join(shown) + "\n--skip-bad leaves such lines out")
    equals: Equals | None = scan.equals if settings.dedup else None
    bound = None if settings.limit is None else settings.limit * settings.samples
    made = items(source, settings.shape, scan=scan, equals=equals, wanted=lambda idx: bound is None or idx < bound)
    models: dict[str | None, Forecast] = {}

    def forecast(model: str | None) -> Forecast:
        if model not in models:
            models[model] = engine.forecast(settings.models or model)
        return models[model]

    return _add_up((item for item in made if isinstance(item, Item)), forecast, models, usual_output)


def _add_up(
    asked: Any, forecast: Callable[[str | None], Forecast], models: dict[str | None, Forecast], usual: int | None
) -> Estimate:
    given, written, cost = Range(), Range(), Range()
    requests = equal = unbounded = 0
    seen: set[bytes] = set()
    for item in asked:
        if item.key is not None:
            if item.key in seen:
                equal += 1
                continue
            seen.add(item.key)
        requests += 1
        told = forecast(item.model)
        tokens, error = told.input(item)
        most, is_bounded = told.most_output(item)
        unbounded += not is_bounded and item.kind != "embedding"
        expected = min(most, usual if usual is not None else _USUAL_OUTPUT)
        low, high = int(expected * _SHORT), most
        fewest = tokens * max(0.0, 1 - error)
        given.add(fewest, tokens, tokens * (1 + error))
        written.add(low, expected, high)
        told.book(item, tokens, expected)
        prices = [told.cost(item, fewest, low), told.cost(item, tokens, expected), told.most_cost(item)]
        if all(price is not None for price in prices):
            cost.add(*(price or 0.0 for price in prices))
    unpriced = sorted({told.target for told in models.values() if told.is_unpriced})
    times = [told.shortest_s() for told in models.values()]
    known = [time for time in times if time is not None]
    slowest = max(known, key=lambda time: time[0], default=None)
    return Estimate(
        requests=requests,
        equal_rows=equal,
        input_tokens=given.whole(),
        output_tokens=written.whole(),
        cost_usd=None if unpriced else cost,
        unpriced=unpriced,
        unbounded=unbounded,
        shortest_s=slowest[0] if slowest else None,
        limited_by=slowest[1] if slowest else None,
        targets=sorted({told.target for told in models.values()}),
        token_error=given.high / given.expected - 1 if given.expected else 0.0,
    )

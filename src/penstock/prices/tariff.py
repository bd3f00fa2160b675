"""A model's prices as plain numbers: what usage costs, and the most that a request can. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from penstock.call import Usage

__all__ = ["MOST_OUTPUT", "Own", "Rates", "Tariff"]

MOST_OUTPUT = 131_072
"""Tokens that an answer can have at most where nobody says it: more than almost every model writes."""

_PART_OF: Final = {
    "cached": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "audio_input": "input",
    "audio_output": "output",
}


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for each token, and for each request."""

    input: float
    output: float
    cached: float
    """Input that was read from the provider's cache."""
    cache_write: float
    cache_write_1h: float
    """Input that the provider's cache keeps for an hour."""
    reasoning: float
    audio_input: float
    audio_cached: float
    audio_output: float
    request: float = 0.0

    def scaled(self, factor: float) -> Rates:
        return Rates(**{name: rate * factor for name, rate in msgspec.structs.asdict(self).items()})

    @classmethod
    def of(cls, said: Mapping[str, float], before: Rates | None = None) -> Rates:
        """What is said, over the rates `before`. What neither says costs as the whole that it is a part of."""
        rates = {} if before is None else msgspec.structs.asdict(before)
        known = {**rates, **said}
        for part, whole in _PART_OF.items():
            if part not in said and (before is None or rates[part] == rates[whole]):
                known[part] = known[whole]
        if "audio_cached" not in said and (before is None or before.audio_cached == before.audio_input):
            # Sound with a price of its own isn't taken to be cheaper because text is.
            known["audio_cached"] = known["cached" if known["audio_input"] == known["input"] else "audio_input"]
        return cls(**known)


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """A price of the user's own: US dollars for a million tokens, over what the library says. None: not said."""

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
    """What a batch costs of the usual price: 0.5 for half of it."""
    discount: float | None = None
    """Taken off every price, from 0 to 1: 0.2 for a fifth."""
    max_output: int | None = None
    """The most tokens of an answer when a request doesn't bound it."""


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """One model's prices. `steps` are other rates for requests with more input tokens than so many, ascending."""

    rates: Rates
    steps: tuple[tuple[int, Rates], ...] = ()
    max_output: int | None = None
    is_own: bool = False
    """From the configuration, in part at least."""

    def cost(self, usage: Usage) -> float:
        """US dollars for the usage of one request."""
        rates = self.rates
        given, written, cached = usage.input_tokens, usage.output_tokens, usage.cached_tokens
        if self.steps:
            rates = self.rates_for(given)
        kept, thought = usage.cache_write_tokens, usage.reasoning_tokens
        heard, spoken = usage.audio_input_tokens, usage.audio_output_tokens
        if not (cached or kept or thought or heard or spoken):
            return given * rates.input + written * rates.output + rates.request
        for_an_hour = min(kept, usage.cache_write_1h_tokens)
        # What can't have been text was sound. Parts that are counted apart from the whole make nothing negative.
        heard_again = min(cached, heard, max(usage.audio_cached_tokens, cached + kept + heard - given))
        return (
            max(0, given - cached - kept - heard + heard_again) * rates.input
            + (cached - heard_again) * rates.cached
            + (kept - for_an_hour) * rates.cache_write
            + for_an_hour * rates.cache_write_1h
            + (heard - heard_again) * rates.audio_input
            + heard_again * rates.audio_cached
            + max(0, written - thought - spoken) * rates.output
            + thought * rates.reasoning
            + spoken * rates.audio_output
            + rates.request
        )

    def rates_for(self, input_tokens: int) -> Rates:
        """The rates of a request with so much input."""
        found = self.rates
        for above, rates in self.steps:
            if input_tokens > above:
                found = rates
        return found

    def most(
        self,
        input_tokens: int,
        output_tokens: int,
        *,
        for_an_hour: bool = True,
        heard: bool = True,
        spoken: bool = True,
    ) -> float:
        """The most that so many tokens can cost, whichever of them are cached, written or thought; and whichever are
        kept `for_an_hour`, are `heard` or `spoken`, where any may be."""
        rates = self.rates_for(input_tokens)
        given = max(rates.input, rates.cache_write, rates.cached)
        if for_an_hour:
            given = max(given, rates.cache_write_1h)
        if heard:
            given = max(given, rates.audio_input, rates.audio_cached)
        written = max(rates.output, rates.reasoning, rates.audio_output if spoken else 0.0)
        return input_tokens * given + output_tokens * written + rates.request

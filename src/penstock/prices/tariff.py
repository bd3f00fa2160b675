"""A model's prices as plain numbers: what usage costs, and the most that a request can. Pure."""

from __future__ import annotations

import msgspec

from penstock.call import Usage

__all__ = ["MOST_OUTPUT", "Own", "Rates", "Tariff"]

MOST_OUTPUT = 131_072
"""Tokens that an answer can have at most where nobody says it: more than almost every model writes."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for each token, and for each request."""

    input: float
    output: float
    cached: float
    """Input that was read from the provider's cache."""
    cache_write: float
    reasoning: float
    request: float = 0.0

    def scaled(self, factor: float) -> Rates:
        return Rates(
            input=self.input * factor,
            output=self.output * factor,
            cached=self.cached * factor,
            cache_write=self.cache_write * factor,
            reasoning=self.reasoning * factor,
            request=self.request * factor,
        )


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """A price of the user's own: US dollars for a million tokens, over what the library says. None: not said."""

    input: float | None = None
    output: float | None = None
    cached: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
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
        if not (cached or kept or thought):
            return given * rates.input + written * rates.output + rates.request
        # A provider that counts its parts apart from the whole must not make anything negative.
        return (
            max(0, given - cached - kept) * rates.input
            + cached * rates.cached
            + kept * rates.cache_write
            + max(0, written - thought) * rates.output
            + thought * rates.reasoning
            + rates.request
        )

    def rates_for(self, input_tokens: int) -> Rates:
        """The rates of a request with so much input."""
        found = self.rates
        for above, rates in self.steps:
            if input_tokens > above:
                found = rates
        return found

    def most(self, input_tokens: int, output_tokens: int) -> float:
        """The most that so many tokens can cost, whichever of them are cached, written or thought."""
        rates = self.rates_for(input_tokens)
        return (
            input_tokens * max(rates.input, rates.cache_write, rates.cached)
            + output_tokens * max(rates.output, rates.reasoning)
            + rates.request
        )

"""Which tariff a model has: the configuration's own, else the library's, remembered for each model and tier."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from penstock.call import Usage
from penstock.prices.library import Library
from penstock.prices.tariff import Own, Rates, Tariff

__all__ = ["PriceBook", "Pricing"]

_MILLION = 1_000_000
_LOOK_AGAIN_S = 60.0
_MOST_REMEMBERED = 10_000
_REST = "*"
"""Under this name stands the price of every model that has none of its own."""


class PriceBook:
    """Every price of an engine. `own` are the configuration's, by provider and model."""

    def __init__(self, own: Mapping[str, Mapping[str, Own]] | None = None, *, library: Library | None = None) -> None:
        self._own = own or {}
        self.library = library or _library

    def pricing(self, provider: str, model: str, *, listed: str | None) -> Pricing:
        """The prices of one model. `listed` is the vendor whose own prices hold, None for a server of one's own."""
        own = self._own.get(provider, {})
        said = own.get(model) or own.get(_REST)
        if listed and (said is None or said.input is None or said.output is None):
            self.library.begin()
        return Pricing(listed or provider, model, said, self.library if listed else None)


class Pricing:
    """One model's prices, for each service tier. Asking costs a look-up."""

    def __init__(
        self,
        provider: str,
        model: str,
        own: Own | None,
        library: Library | None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.model = model
        self._said = own
        self._library = library
        self._now = now
        # What holds for the model and tier of nearly every call, once it is known that nothing will change it.
        self.plain: Tariff | None = None
        self.unpriced: set[str] = set()
        """Names under which an answer costs nobody knows what."""
        self._known: dict[tuple[str, str], tuple[Tariff | None, float]] = {}

    def cost(self, usage: Usage, tier: str = "", model: str = "") -> float | None:
        """US dollars; None when the price isn't known. `model` is the answering model in the provider's words."""
        if not tier:
            if self.plain is not None:
                return self.plain.cost(usage)
            if model in self.unpriced:
                return None
        tariff = self.tariff(tier)
        if tariff is None and model and model != self.model:
            tariff = self._remembered(tier, model)
        return None if tariff is None else tariff.cost(usage)

    def tariff(self, tier: str = "") -> Tariff | None:
        """What holds now."""
        return self._remembered(tier, self.model)

    def _remembered(self, tier: str, model: str) -> Tariff | None:
        key = (tier, model)
        known = self._known.get(key)
        if known is not None and (known[1] == 0.0 or self._now() < known[1]):
            return known[0]
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        tariff, changes = self._find(tier, model)
        self._known[key] = (tariff, self._now() + _LOOK_AGAIN_S if changes else 0.0)
        if not tier and not changes:
            if tariff is None:
                self._note_unpriced(model)
            elif model == self.model:
                self.plain = tariff
        return tariff

    def _note_unpriced(self, model: str) -> None:
        """Neither the model that was asked for nor this one that answered has a price."""
        if model == self.model:
            self.unpriced |= {"", model}
        elif self.model in self.unpriced and len(self.unpriced) < _MOST_REMEMBERED:
            self.unpriced.add(model)

    def _find(self, tier: str, model: str) -> tuple[Tariff | None, bool]:
        own = self._said if model == self.model else None
        # A tier that the library doesn't price is priced by the own words for it, or not at all.
        looked_up = None
        if self._library is not None and not (own is not None and own.input is not None and own.output is not None):
            looked_up = self._library.tariff(self.provider, model, tier=tier)
            if looked_up is None and tier == "batch" and own is not None and own.batch is not None:
                looked_up = self._library.tariff(self.provider, model)
                return _own_tariff(own, looked_up[0] if looked_up else None, own.batch), bool(
                    looked_up and looked_up[1]
                )
        listed, changes = looked_up or (None, False)
        if own is None:
            return listed, changes
        if listed is None and tier == "batch" and own.batch is None:
            return None, False
        factor = own.batch if listed is None and tier == "batch" and own.batch is not None else 1.0
        return _own_tariff(own, listed, factor), changes


def _own_tariff(own: Own, listed: Tariff | None, factor: float) -> Tariff | None:
    factor *= 1.0 - (own.discount or 0.0)
    rates = _over(own, listed.rates if listed is not None else None)
    if rates is None:
        return None
    steps = () if listed is None else listed.steps
    return Tariff(
        rates=rates.scaled(factor),
        steps=tuple((above, laid.scaled(factor)) for above, one in steps if (laid := _over(own, one)) is not None),
        max_output=own.max_output or (listed.max_output if listed is not None else None),
        is_own=True,
    )


def _over(own: Own, listed: Rates | None) -> Rates | None:
    """What is said, and the library's for the rest. None: neither says what input and output cost."""
    said = {
        name: value / (1 if name == "request" else _MILLION)
        for name in Rates.__struct_fields__
        if (value := getattr(own, name)) is not None
    }
    if listed is None and ("input" not in said or "output" not in said):
        return None
    return Rates.of(said, listed)


_library = Library()

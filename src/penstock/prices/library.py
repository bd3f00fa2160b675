"""The maintained price library (genai-prices), read offline: its bundled data, never its update over the network.

Its own arithmetic takes 0.2 ms a call; here its prices become a `Tariff` once for each model.
"""

from __future__ import annotations

import datetime
import threading
from typing import Any

from penstock.prices.tariff import Rates, Tariff

__all__ = ["Library"]

_NAMES = {
    "gemini": "google",
    "vertex": "google",
    "bedrock": "aws",
    "xai": "x-ai",
}
"""Providers that the library calls otherwise."""
_PREFIXED = {"vertex": ("google/", "anthropic/", "meta/"), "perplexity": ("perplexity/",)}
_TOLD_BY_TIER = {"batch": ("processing", "batch")}
_MILLION = 1_000_000
_UNITS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_input": "input_audio_mtok",
    "audio_cached": "cache_audio_read_mtok",
    "audio_output": "output_audio_mtok",
}
_HOUR_FOR_CLAUDE = 2 / 1.25
"""Where others sell Claude the library has no price of an hour: Anthropic's is twice that of input, of five minutes
1.25 times (platform.claude.com/docs/en/build-with-claude/prompt-caching)."""


class Library:
    """The library's data. Importing it takes 0.2 s: `begin` does so in a thread, the first look waits for it."""

    def __init__(self) -> None:
        self._data: Any = None
        self._is_here = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Import in the background."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._load, name="penstock-prices", daemon=True)
            self._thread.start()

    @property
    def is_installed(self) -> bool:
        """Whether there is a library at all."""
        return self._load() is not None

    def _load(self) -> Any:
        with self._lock:
            if not self._is_here:
                self._is_here = True
                try:
                    from genai_prices import data_snapshot
                except ImportError:
                    return None
                # The bundled data, whatever someone else in this process has set.
                self._data = data_snapshot._bundled_snapshot()
            return self._data

    def tariff(
        self, provider: str, model: str, *, tier: str = "", at: datetime.datetime | None = None
    ) -> tuple[Tariff, bool] | None:
        """The model's tariff now, and whether it changes with time; None when it isn't known.

        `tier` is a service tier ("flex", "priority") or "batch".
        """
        found = self._model(provider, model)
        if found is None:
            return None
        now = at or datetime.datetime.now(tz=datetime.UTC)
        key, value = _TOLD_BY_TIER.get(tier, ("service_tier", tier))
        context = {key: value} if tier and tier not in ("auto", "default", "standard") else None
        if context and not any(dict(variant.when) == context for variant in found.price_variants or ()):
            return None
        tariff = _tariff(found.get_prices(now, context), is_claude="claude" in model)
        return None if tariff is None else (tariff, not hasattr(found.prices, "input_mtok"))

    def context(self, provider: str, model: str) -> int | None:
        """Tokens of the model's context; None when the library doesn't say."""
        length = getattr(self._model(provider, model), "context_window", None)
        return length if isinstance(length, int) and length > 0 else None

    def _model(self, provider: str, model: str) -> Any:
        data = self._load()
        if data is None:
            return None
        for name in _spellings(provider, model):
            try:
                return data.find_provider_model(name, None, _NAMES.get(provider, provider), None)[1]
            except LookupError:
                continue
        return None


def _spellings(provider: str, model: str) -> list[str]:
    names = [model]
    names += [model.removeprefix(prefix) for prefix in _PREFIXED.get(provider, ()) if model.startswith(prefix)]
    if "@" in model:
        names += [name.partition("@")[0] for name in names]
    return names


def _tariff(price: Any, *, is_claude: bool) -> Tariff | None:
    """None for a model that isn't priced by tokens."""
    if price.input_mtok is None and price.output_mtok is None:
        return None
    starts = sorted({tier.start for value in vars(price).values() for tier in getattr(value, "tiers", ())})
    return Tariff(
        rates=_rates(price, 0, is_claude=is_claude),
        steps=tuple((start, _rates(price, start + 1, is_claude=is_claude)) for start in starts),
    )


def _rates(price: Any, input_tokens: int, *, is_claude: bool) -> Rates:
    def of(name: str) -> float | None:
        value = getattr(price, name)
        if value is None:
            return None
        if hasattr(value, "tiers"):
            known = [tier.price for tier in value.tiers if input_tokens > tier.start]
            value = known[-1] if known else value.base
        return float(value) / _MILLION

    request = price.requests_kcount
    said = {name: rate for name, unit in _UNITS.items() if (rate := of(unit)) is not None}
    if is_claude and "cache_write" in said:
        said.setdefault("cache_write_1h", said["cache_write"] * _HOUR_FOR_CLAUDE)
    said["request"] = 0.0 if request is None else float(getattr(request, "base", request)) / 1000
    return Rates.of({"input": 0.0, "output": 0.0} | said)

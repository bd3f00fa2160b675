"""What a configuration holds once it is read. Frozen; times in seconds, sizes in bytes; None where nothing was set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from penstock.config.caching import CacheConfig
from penstock.config.costs import BudgetConfig, PriceConfig
from penstock.config.keys import KeyRef
from penstock.config.prompting import TargetPrompt
from penstock.errors import ErrorKind
from penstock.guards import Guards
from penstock.http import Pool

__all__ = [
    "Config",
    "Hedge",
    "LimitsConfig",
    "OnBreak",
    "ProviderConfig",
    "RouteConfig",
    "RouteTimeouts",
    "StreamInside",
]

Hedge = Literal["off", "auto"] | float
"""When a second attempt starts beside the first: never, when the measured latencies say so, or after seconds."""
StreamInside = Literal["off", "auto", "on"]
OnBreak = Literal["recover", "error"]


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """What a provider allows each key per minute; and how many requests at once, over all keys."""

    rpm: int | None = None
    tpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class RouteTimeouts:
    """Seconds for each phase of one attempt; None for the default."""

    connect: float | None = None
    first_token: float | None = None
    between_tokens: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One `[providers.NAME]` table. None: what the catalog says of a provider of this name."""

    name: str
    wire: str | None = None
    base_url: str | None = None
    keys: tuple[KeyRef, ...] = ()
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request. Not in the repr: some servers take their key this way."""
    organization: str | None = None
    project: str | None = None
    """OpenAI's project, or Google Cloud's."""
    location: str | None = None
    region: str | None = None
    api_version: str | None = None
    profile: str | None = None
    """The profile in AWS's own configuration whose credentials sign."""
    credentials: str | None = None
    """The path of a file with Google's credentials."""
    pool: Pool | None = None
    transport: Literal["wreq", "aiohttp"] | None = None
    prefill: Literal["off", "plain", "prefix", "continue_final_message"] | None = None
    """How its server is asked to continue an answer that broke; `off`: not at all."""
    prices: Mapping[str, PriceConfig] = field(default_factory=dict)
    """By model, over the price library's; "*" for all others."""


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """One `[routes.NAME]` table: targets in order of preference and how they are tried; None for the default."""

    name: str
    targets: tuple[str, ...]
    deadline_s: float | None = None
    timeouts: RouteTimeouts = field(default_factory=RouteTimeouts)
    max_attempts: int | None = None
    fallback_on: tuple[ErrorKind, ...] = ()
    hedge: Hedge | None = None
    hedge_budget: float | None = None
    """Hedges for each first attempt, from 0 to 1."""
    min_tokens_per_s: float | None = None
    stream_inside: StreamInside | None = None
    on_break: OnBreak | None = None
    prompts: tuple[TargetPrompt, ...] = ()
    """Targets that are asked in their own words."""
    guards: Guards | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration. `source` is its file, None without one; `environ` is where keys are looked up."""

    source: str | None = None
    default_provider: str | None = None
    providers: Mapping[str, ProviderConfig] = field(default_factory=dict)
    routes: Mapping[str, RouteConfig] = field(default_factory=dict)
    cache: CacheConfig | None = None
    """None where the configuration has no such table."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False, compare=False)
    dotenv: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Keys from a `.env` file; empty unless the command asked for it."""

    def provider(self, name: str) -> ProviderConfig:
        """The provider's settings, all of them default when the configuration doesn't name it."""
        return self.providers.get(name) or ProviderConfig(name)

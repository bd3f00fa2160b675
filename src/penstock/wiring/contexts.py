"""How much the targets of an engine can read, and how much of that their answers take."""

from __future__ import annotations

import msgspec

from penstock.catalog.contexts import context_of
from penstock.catalog.outputs import most_output_of
from penstock.prices.library import Library
from penstock.wiring.engine import Engine
from penstock.wiring.settings import Models

__all__ = ["TargetContext", "contexts_of"]

_library = Library()


class TargetContext(msgspec.Struct, frozen=True):
    """One target's context, in tokens."""

    target: str
    model: str
    """The provider's own name of it."""
    length: int | None
    """What it reads and writes together; None where nobody knows."""
    output: int
    """What to keep free for an answer that the request doesn't bound."""


def contexts_of(engine: Engine, models: Models) -> tuple[TargetContext, ...]:
    """The contexts of what `models` means, in order of preference. Raises `ConfigError` as `Engine.check` does.

    The length is the price library's where it is installed and says one, else the catalog's.
    """
    return tuple(_context(engine, name.provider, name.model) for name in engine.check(models).targets)


def _context(engine: Engine, provider: str, model: str) -> TargetContext:
    plan = engine.plan(provider)
    listed = plan.vendor.name if plan.is_at_vendor and plan.base_url is not None else None
    length = (listed and _library.context(listed, model)) or context_of(model)
    return TargetContext(f"{provider}/{model}", model, length, _output(model, plan.vendor.wire, length))


def _output(model: str, wire: str, length: int | None) -> int:
    """Claude's servers hold what is asked for against the context, and the wire always asks; others write until it is
    full, so that a quarter of it is plenty."""
    if wire == "anthropic" or "claude" in model.lower():
        from penstock.wire.anthropic.models import facts

        return facts(model).max_tokens
    most = most_output_of(model)
    return most if length is None else min(most, length // 4)

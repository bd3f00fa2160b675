"""Which limits a target begins with: what is said over the configuration, else the provider's own table."""

from __future__ import annotations

from penstock.policies.limit import Limits
from penstock.wiring.providers import ProviderPlan
from penstock.wiring.settings import Manner, Overrides

__all__ = ["limits_of"]


def limits_of(plan: ProviderPlan, said: Overrides, manner: Manner) -> Limits:
    """The limits that are known before anything is asked."""
    own = plan.config.limits
    ceiling = said.concurrency if manner.patience == "interactive" else None
    return Limits(
        rpm=said.rpm or own.rpm,
        tpm=said.tpm or own.tpm,
        input_tpm=own.input_tpm,
        output_tpm=own.output_tpm,
        charges_max_tokens=plan.vendor.charges_max_tokens,
        max_in_flight=ceiling or own.concurrency,
        is_self_hosted=plan.vendor.is_self_hosted,
    )

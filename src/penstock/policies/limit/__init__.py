"""Rate limits: calls wait here, in turn, until their key may send; the pure half decides when."""

from penstock.policies.limit.buckets import Limits
from penstock.policies.limit.limiter import Limiter, Permit
from penstock.policies.limit.saturation import LimitUse, Saturation

__all__ = ["LimitUse", "Limiter", "Limits", "Permit", "Saturation"]

"""Distributions as values: a number, or a shape with its parameters. The random source is an argument."""

from __future__ import annotations

import math
import random
from typing import Annotated

import msgspec

__all__ = ["Distribution", "Exponential", "Lognormal", "Normal", "Uniform", "draw"]

NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Uniform(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="uniform"):
    """Any value from `low` to `high`, alike."""

    low: NotNegative
    high: NotNegative

    def draw(self, rng: random.Random) -> float:
        return rng.uniform(self.low, self.high)


class Lognormal(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="lognormal"
):
    """Half of the values below `median`; `sigma` is the standard deviation of their logarithm."""

    median: Positive
    sigma: NotNegative = 0.5
    max: Positive | None = None

    def draw(self, rng: random.Random) -> float:
        value = rng.lognormvariate(math.log(self.median), self.sigma)
        return value if self.max is None else min(self.max, value)


class Normal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="normal"):
    """The bell; values below `min` count as `min`."""

    mean: NotNegative
    sd: NotNegative
    min: NotNegative = 0.0

    def draw(self, rng: random.Random) -> float:
        return max(self.min, rng.gauss(self.mean, self.sd))


class Exponential(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="exponential"
):
    """`least` and, on top of it, a memoryless wait of `mean`."""

    mean: Positive
    least: NotNegative = 0.0
    max: Positive | None = None

    def draw(self, rng: random.Random) -> float:
        value = self.least + rng.expovariate(1.0 / self.mean)
        return value if self.max is None else min(self.max, value)


Distribution = NotNegative | Uniform | Lognormal | Normal | Exponential
"""A plain number is always itself."""


def draw(distribution: Distribution, rng: random.Random) -> float:
    """A value, never negative."""
    if isinstance(distribution, int | float):
        return distribution
    return distribution.draw(rng)

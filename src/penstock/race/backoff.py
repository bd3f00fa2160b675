"""How long to stay away after a failure."""

from __future__ import annotations

import random

__all__ = ["BASE_S", "CAP_S", "full_jitter_s"]

BASE_S = 0.5
CAP_S = 30.0


def full_jitter_s(failures: int, rng: random.Random, *, base_s: float = BASE_S, cap_s: float = CAP_S) -> float:
    """Seconds to wait after the n-th failure in a row (from 1): uniform in [0, min(cap, base * 2**(n-1))].

    Full jitter spreads the callers that failed together over the whole interval; see "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015.
    """
    # 2**64 is beyond any cap; unbounded, the power of a request that is retried for days is an overflow.
    return rng.uniform(0.0, min(cap_s, base_s * 2.0 ** min(failures - 1, 64)))

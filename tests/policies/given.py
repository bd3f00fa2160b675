from __future__ import annotations

import asyncio
import random
from typing import Any

from penstock.call import Call
from penstock.clock import LoopClock
from penstock.credentials import KeyPool, Secret
from penstock.errors import CallError, ErrorKind
from penstock.policies.limit import Limiter, Limits, Permit

KEY = "sk-test-not-a-key"


def a_call(*, estimate: int = 0, priority: int = 1, **body: Any) -> Call:
    return Call(id="req", model="m", body=body, estimate=estimate, priority=priority)


def a_limiter(*, keys: int = 1, pool: KeyPool | None = None, seed: int = 1, **limits: Any) -> Limiter:
    """Inside a running loop."""
    pool = pool or KeyPool([Secret(f"{KEY}-{n}") for n in range(keys)], name="sim")
    return Limiter(pool, clock=LoopClock(), name="sim/fast", limits=Limits(**limits), rng=random.Random(seed))


def an_error(kind: ErrorKind, **fields: Any) -> CallError:
    return CallError(kind, f"it was {kind}", **fields)


def now() -> float:
    return asyncio.get_running_loop().time()


async def admitted(limiter: Limiter, **call: Any) -> Permit:
    return await limiter.admit(a_call(**call))

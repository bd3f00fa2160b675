from __future__ import annotations

import asyncio
import random
from typing import Any

from penstock.call import Call, Choice, Completion, Usage
from penstock.clock import LoopClock
from penstock.errors import CallError, ErrorKind
from penstock.handler import Handler
from penstock.race import RaceSettings, race

ANSWER_USAGE = Usage(10, 5)


def a_call(**fields: Any) -> Call:
    return Call(**{"id": "req", "model": "m", "body": {}, **fields})


def an_answer(text: str = "hello") -> Completion:
    return Completion(choices=(Choice({"role": "assistant", "content": text}, "stop"),), usage=ANSWER_USAGE)


def an_error(kind: ErrorKind, **fields: Any) -> CallError:
    return CallError(kind, f"it was {kind}", **fields)


def build(*targets: Any, settings: RaceSettings | None = None, **parts: Any) -> Handler:
    """Inside a running loop: a race with seeded chance."""
    parts.setdefault("rng", random.Random(1))
    return race(targets, settings or RaceSettings(), clock=LoopClock(), **parts)


def now() -> float:
    return asyncio.get_running_loop().time()

"""For those who write a provider, a store or a test: virtual time, fakes, and the exams that adapters must pass.

Everything is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.testing.exam_codec import exercise_codec
    from penstock.testing.exam_store import exercise_store
    from penstock.testing.exam_transport import exercise_transport
    from penstock.testing.fakes import (
        Chunks,
        Delayed,
        FakeBreaker,
        FakePermit,
        FakeTransport,
        ScriptedHandler,
        ScriptedTarget,
    )
    from penstock.testing.loop import Deadlock, VirtualLoop, run

__all__ = [
    "Chunks",
    "Deadlock",
    "Delayed",
    "FakeBreaker",
    "FakePermit",
    "FakeTransport",
    "ScriptedHandler",
    "ScriptedTarget",
    "VirtualLoop",
    "exercise_codec",
    "exercise_store",
    "exercise_transport",
    "run",
]

_HOMES = {
    "Chunks": "fakes",
    "Deadlock": "loop",
    "Delayed": "fakes",
    "FakeBreaker": "fakes",
    "FakePermit": "fakes",
    "FakeTransport": "fakes",
    "ScriptedHandler": "fakes",
    "ScriptedTarget": "fakes",
    "VirtualLoop": "loop",
    "exercise_codec": "exam_codec",
    "exercise_store": "exam_store",
    "exercise_transport": "exam_transport",
    "run": "loop",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)

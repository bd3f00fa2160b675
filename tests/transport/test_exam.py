"""Every adapter passes the published exam, point by point, on both loops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
import uvloop

from penstock.testing.exam_transport import POINTS, exercise_transport
from penstock.transport import open_transport

_NO_GOOD_BYE = "an unsized body over TLS may end without close_notify; codecs see a cut by what is missing"

KNOWN: dict[str, dict[str, str]] = {
    "wreq": {"cut_without_good_bye_is_no_end": _NO_GOOD_BYE},
    "aiohttp": {"cut_without_good_bye_is_no_end": _NO_GOOD_BYE},
}
"""Points that an adapter fails, and why that is bearable."""

SOAK = int(os.environ.get("PENSTOCK_SOAK", "2000"))
"""Requests of the soak; a nightly run sets more."""

Run = Callable[[Coroutine[Any, Any, Any]], Any]
LOOPS: dict[str, Run] = {"asyncio": asyncio.run, "uvloop": uvloop.run}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("adapter", KNOWN)
@pytest.mark.parametrize("point", POINTS)
def test_adapter_passes_point(adapter: str, point: str, loop: str) -> None:
    known = {name: reason for name, reason in KNOWN[adapter].items() if name == point}
    factory = partial(open_transport, adapter)
    LOOPS[loop](exercise_transport(factory, known_failures=known, only=[point], soak=SOAK))

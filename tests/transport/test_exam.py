"""Every adapter passes the published exam, point by point."""

from __future__ import annotations

import asyncio
import os
from functools import partial

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
"""Requests of the soak. A nightly run sets 200,000, which also runs every point on every loop."""

LOOPS = {"asyncio": asyncio.run, "uvloop": uvloop.run}

LOOP_MATTERS = ("cuts", "cancels", "pooling", "trust")
"""Parts of the exam in which aiohttp meets the loop's own sockets; wreq has its own, but lives by the loop's timers."""


def _cases() -> list[tuple[str, str, str]]:
    return [
        (point, adapter, loop)
        for point, work in POINTS.items()
        for adapter in KNOWN
        for loop in LOOPS
        if loop == "uvloop" or adapter == "wreq" or SOAK > 2000 or work.__module__.rpartition(".")[2] in LOOP_MATTERS
    ]


@pytest.mark.parametrize(("point", "adapter", "loop"), _cases())
def test_adapter_passes_point(point: str, adapter: str, loop: str) -> None:
    known = {name: reason for name, reason in KNOWN[adapter].items() if name == point}
    factory = partial(open_transport, adapter)
    LOOPS[loop](exercise_transport(factory, known_failures=known, only=[point], soak=SOAK))

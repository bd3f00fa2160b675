"""penstock's aiohttp adapter alone: whole replies, whatever their status, and nothing above it."""

from __future__ import annotations

from bench.adapters import ask_through, requests
from bench.work import Work
from penstock.transport.aiohttp_adapter import AiohttpTransport

__all__ = ["ask", "prepare"]

prepare = requests


def ask(work: Work, ready: list[bytes]) -> int:
    return ask_through(AiohttpTransport, work, ready)

"""penstock's aiohttp adapter alone: whole replies, whatever their status, and nothing above it."""

from __future__ import annotations

from penstock.transport.aiohttp_adapter import AiohttpTransport

from bench.adapters import ask_through, requests
from bench.work import Work

__all__ = ["ask", "prepare"]

prepare = requests


def ask(work: Work, ready: list[bytes]) -> int:
    return ask_through(AiohttpTransport, work, ready)

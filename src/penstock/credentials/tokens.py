"""Tokens that run out: fetched once for all who wait, and again before their end, beside the requests."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from penstock.http import WireReply, WireRequest

__all__ = ["REFRESH_BEFORE_S", "Token", "Tokens"]

REFRESH_BEFORE_S: Final = 300.0
"""A token that ends sooner is replaced while the requests go on with it."""
_LAST_S: Final = 30.0
"""One that ends sooner than this is used no more."""
_AGAIN_AFTER_S: Final = 30.0
_YOUNG_S: Final = 60.0
"""A token that was refused so soon after it came was not refused for its age."""
_log = logging.getLogger("penstock.credentials")


class Token(msgspec.Struct, frozen=True):
    """The headers that carry a token, and when it ends, in seconds since 1970."""

    headers: Mapping[str, str]
    ends_at_s: float

    def __repr__(self) -> str:
        return f"Token(ends_at_s={self.ends_at_s:.0f})"


class Tokens:
    """Signs with the token that `fetch` brings: a `Credential`. One fetch at a time; lives on one loop.

    `fetch` raises `CallError` auth or transport, unsent, when there is none. `now_s` gives seconds since 1970.
    """

    __slots__ = ("_again_at_s", "_came_at_s", "_fetch", "_fetching", "_now_s", "_token")

    def __init__(self, fetch: Callable[[], Awaitable[Token]], *, now_s: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._now_s = now_s
        self._token: Token | None = None
        self._fetching: asyncio.Task[Token] | None = None
        self._came_at_s = 0.0
        self._again_at_s = 0.0

    def waits(self) -> Awaitable[None] | None:
        """None while there is a good token; one near its end is replaced without anyone waiting."""
        token = self._token
        if token is None:
            return self._first()
        left_s = token.ends_at_s - self._now_s()
        if left_s <= _LAST_S:
            return self._first()
        if left_s <= REFRESH_BEFORE_S and self._now_s() >= self._again_at_s:
            self._begin()
        return None

    def sign(self, request: WireRequest) -> WireRequest:
        """The request with the token."""
        assert self._token is not None, "waits comes first"
        return WireRequest(request.method, request.url, {**request.headers, **self._token.headers}, request.body)

    def renewed(self, request: WireRequest, reply: WireReply) -> bool:
        """True for a 401 of a token that is another one now, or was not fetched just before."""
        token = self._token
        if reply.status != 401 or token is None:
            return reply.status == 401
        if any(request.headers.get(name) != value for name, value in token.headers.items()):
            return True
        if self._now_s() - self._came_at_s < _YOUNG_S:
            return False
        self._token = None
        return True

    async def _first(self) -> None:
        # Whoever stops waiting doesn't end the fetch for the others.
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[Token]:
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        return self._fetching

    def _fetched(self, fetching: asyncio.Task[Token]) -> None:
        self._fetching = None
        if fetching.cancelled():
            return
        error = fetching.exception()
        if error is None:
            self._token = fetching.result()
            self._came_at_s = self._now_s()
            return
        self._again_at_s = self._now_s() + _AGAIN_AFTER_S
        if self._token is not None:
            _log.warning("a token can't be renewed, the old one goes on: %s", error)

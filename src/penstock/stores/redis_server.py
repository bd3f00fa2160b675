"""A store on a Redis or Valkey server, shared by everyone who reaches it. It bounds its memory itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from penstock.stores.store import Found, StoreError, StoreStats

__all__ = ["RedisStore"]

_log = logging.getLogger("penstock.cache")
_PREFIX: Final = b"penstock:1:"
_PATIENCE_S: Final = 2.0
_CONNECTIONS: Final = 16
_GROUP: Final = 128
_MOST_PENDING_BYTES: Final = 64 * 1024 * 1024


class RedisStore:
    """Keeps values on the server at `url` for `ttl_s` seconds, under keys that begin with `penstock:1:`.

    Opens its connections when they are needed. What is put is sent in groups, by a task; what can't be sent is
    dropped, and logged once.
    """

    def __init__(self, url: str, *, ttl_s: float | None = None) -> None:
        parts = urlsplit(url)
        self._where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        self._ttl_ms = None if ttl_s is None else max(1, int(ttl_s * 1000))
        self._client: Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._put: dict[bytes, bytes] = {}
        self._sending: dict[bytes, bytes] = {}
        self._bytes = 0
        self._is_away = False
        self._sender: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        self.lost: str | None = None
        """Why something that was put isn't there, whenever that was."""

    async def get(self, keys: Sequence[bytes]) -> Found | None:
        """The value of the first key that has one, in one request. Raises `StoreError`."""
        asked: list[bytes] = []
        for place, key in enumerate(keys):
            value = self._put.get(key)
            value = self._sending.get(key) if value is None else value
            if value is not None and not asked:
                return Found(place, value)
            asked.append(_PREFIX + key)
        if not asked:
            return None
        async with self._talking() as client:
            values = await client.mget(asked)
        for place, value in enumerate(values):
            # Again, for it may have been put meanwhile.
            mine = self._put.get(keys[place])
            mine = self._sending.get(keys[place]) if mine is None else mine
            if mine is not None or value is not None:
                return Found(place, value if mine is None else mine)
        return None

    def put(self, key: bytes, value: bytes) -> None:
        """Keep the value; above 64 MB that couldn't be sent yet it is forgotten."""
        if self._bytes + len(value) > _MOST_PENDING_BYTES:
            return
        self._bytes += len(value)
        self._put[key] = value
        if self._sender is None or self._sender.done():
            self._sender = asyncio.get_running_loop().create_task(self._send())

    async def flush(self) -> None:
        """Wait until everything was sent. Raises `StoreError` when the last of it couldn't be."""
        while self._sender is not None and not self._sender.done():
            await asyncio.wait([self._sender])
        if self.trouble is not None:
            raise StoreError(f"{self._where}: {self.trouble}")

    async def stats(self) -> StoreStats:
        """Counts the keys of this store, whoever else uses the server; their size isn't known."""
        count = 0
        async with self._talking() as client:
            async for _ in client.scan_iter(match=_PREFIX + b"*", count=1000):
                count += 1
        return StoreStats(where=self._where, entries=count, trouble=self.trouble)

    async def prune(self) -> int:
        """Nothing to do: the server drops what is too old."""
        return 0

    async def clear(self) -> int:
        """Drop everything of this store, and nothing else on the server."""
        with contextlib.suppress(StoreError):
            await self.flush()
        dropped = 0
        async with self._talking() as client:
            group: list[bytes] = []
            async for key in client.scan_iter(match=_PREFIX + b"*", count=1000):
                group.append(key)
                if len(group) >= _GROUP:
                    dropped += await client.unlink(*group)
                    group = []
            if group:
                dropped += await client.unlink(*group)
        return dropped

    async def aclose(self) -> None:
        """Send what was put, and close the connections."""
        with contextlib.suppress(StoreError):
            await self.flush()
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            with contextlib.suppress(RedisError, OSError):
                await client.aclose(close_connection_pool=True)

    @contextlib.asynccontextmanager
    async def _talking(self) -> AsyncIterator[Any]:
        """The client; its errors as ours."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            pool = BlockingConnectionPool.from_url(
                self._url,
                max_connections=_CONNECTIONS,
                timeout=_PATIENCE_S,
                socket_timeout=_PATIENCE_S,
                socket_connect_timeout=_PATIENCE_S,
            )
            self._client, self._loop = Redis(connection_pool=pool), loop
        try:
            yield self._client
            self._is_away = False
        except (RedisError, OSError) as error:
            self._is_away = True
            raise StoreError(f"{self._where}: {error or type(error).__name__}") from error

    async def _send(self) -> None:
        while self._put:
            self._sending = dict(list(self._put.items())[:_GROUP])
            for key in self._sending:
                del self._put[key]
            is_known = self._is_away  # told by who read
            try:
                async with self._talking() as client, client.pipeline(transaction=False) as pipe:
                    for key, value in self._sending.items():
                        pipe.set(_PREFIX + key, value, px=self._ttl_ms)
                    await pipe.execute()
                self.trouble = None
            except StoreError as error:
                if self.trouble is None and not is_known:
                    _log.warning("%s; answers are not cached meanwhile", error)
                self.trouble = self.lost = str(error)
            finally:
                self._bytes -= sum(map(len, self._sending.values()))
                self._sending = {}

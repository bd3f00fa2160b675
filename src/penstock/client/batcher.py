"""Single calls of a busy program, collected: embeddings share requests, chats share a bound and an order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Unpack

import msgspec

from penstock.answer import Answer
from penstock.call import Call, Completion
from penstock.client.forms import answer_of
from penstock.client.options import Asking, read_options
from penstock.client.request import Contexts, Prompt, Row, row_of
from penstock.client.vocabulary import ChatOptions, EmbeddingOptions
from penstock.config import read_duration
from penstock.config.values import Where, read_positive_int
from penstock.errors import ConfigError, DeadlineExceeded, InputError, PenstockError
from penstock.handler import Handler
from penstock.packing import Packing
from penstock.portal import Portal
from penstock.wiring import Engine, Manner, Models
from penstock.wiring.packers import Packers

__all__ = ["AsyncBatcher", "Batcher", "Doors"]

Seconds = float | str
_MOST_OPTIONS = 256


@dataclass(frozen=True)
class Doors:
    """How a client asks: what a batcher is given of it."""

    engine: Engine
    models: Models
    contexts: Contexts
    call: Callable[..., Call]
    manner: Callable[[Row], Manner | None]
    bulk: Callable[[Row], tuple[Handler, Call]]


class AsyncBatcher:
    """Calls of many tasks, together: made by `AsyncClient.batcher`.

    `embed` packs what is asked within `max_wait` into requests of at most `max_size` inputs, or of what the provider
    takes. `generate` waits for nobody: at most `concurrency` are asked at once, in the order in which they came,
    behind the client's other calls at a rate limit. Each caller has an answer, an error and a deadline of its own.
    Use it in `async with`, or call `aclose`, which waits for what was asked.
    """

    def __init__(
        self,
        doors: Doors,
        *,
        max_size: int,
        max_wait: Seconds,
        max_waiting: int,
        concurrency: int,
    ) -> None:
        size = read_positive_int(max_size, Where("max_size"))
        wait_s = _read_wait(max_wait)
        self._rooms = asyncio.Semaphore(read_positive_int(max_waiting, Where("max_waiting")))
        self._turns = asyncio.Semaphore(read_positive_int(concurrency, Where("concurrency")))
        self._doors = doors
        self._packers = Packers(doors.engine, Packing(size, wait_s))
        self._asking: dict[tuple[Any, ...], Asking] = {}
        self._inside = 0
        self._closed = False
        self._empty: asyncio.Event | None = None

    async def embed(self, text: str | list[int], **options: Unpack[EmbeddingOptions]) -> Answer:
        """The answer with one vector, `answer.vectors[0]`, for one text or list of token ids.

        Its `usage` and `cost` are its share of the request's. Raises as `AsyncClient.embed` does, for this text alone.
        """
        if type(text) is not str or not text.strip():
            _check_one(text)
        asking = self._options(options)
        doors = self._doors
        row = Row(
            "embedding",
            {"input": [text], **asking.params},
            asking.model,
            asking.deadline_s,
            asking.hedge,
            asking.timeouts,
            asking.tags,
            asking.cache,
            asking.sample,
        )
        self._enter()
        try:
            handler = self._packers.handler(doors.models if row.models is None else row.models, doors.manner(row))
            call = doors.call(row)
            await _turn(self._rooms, row.deadline_s)
            try:
                reply = await handler(call)
            finally:
                self._rooms.release()
            assert isinstance(reply, Completion)
            return answer_of(reply, row, model=row.models if isinstance(row.models, str) else None)
        finally:
            self._left()

    async def generate(self, prompt: Prompt, **options: Unpack[ChatOptions]) -> Answer:
        """The answer to a prompt, as `AsyncClient.generate` gives it, with the same options and errors.

        Its `deadline` counts from here, the wait for its turn included. Without one it has the client's, counted from
        its first send: waits for a turn or at a rate limit don't count.
        """
        doors = self._doors
        row = row_of(prompt, read_options("chat", options), models=doors.models, contexts=doors.contexts)
        clock = doors.engine.clock
        began_s = clock.now()
        self._enter()
        try:
            await _turn(self._turns, row.deadline_s)
            try:
                if row.deadline_s is None:
                    handler, call = doors.bulk(row)
                else:
                    left_s = max(0.0, row.deadline_s - (clock.now() - began_s))
                    models = doors.models if row.models is None else row.models
                    handler = doors.engine.handler(models, manner=doors.manner(row))
                    call = doors.call(msgspec.structs.replace(row, deadline_s=left_s), priority=1)
                reply = await handler(call)
            finally:
                self._turns.release()
            assert isinstance(reply, Completion)
            return answer_of(reply, row, model=row.models if isinstance(row.models, str) else None)
        finally:
            self._left()

    async def aclose(self) -> None:
        """Send what waits, and wait until every caller has its answer. New calls are refused."""
        self._closed = True
        self._packers.end()
        if self._inside:
            self._empty = self._empty or asyncio.Event()
            await self._empty.wait()

    async def __aenter__(self) -> AsyncBatcher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _enter(self) -> None:
        if self._closed:
            raise PenstockError("the batcher is closed")
        self._inside += 1

    def _left(self) -> None:
        self._inside -= 1
        if not self._inside and self._empty is not None:
            self._empty.set()

    def _options(self, options: Any) -> Asking:
        """The options, read; those that are said again are read once."""
        try:
            key = tuple((name, type(value), value) for name, value in options.items())
            known = self._asking.get(key)
        except TypeError:  # a table or a list among them
            return read_options("embedding", options)
        if known is None:
            if len(self._asking) >= _MOST_OPTIONS:
                self._asking.clear()
            known = self._asking[key] = read_options("embedding", options)
        return known


class Batcher:
    """Calls of many threads, together: made by `Client.batcher`. What `AsyncBatcher` says holds here.

    Use it in a `with`, or call `close`, which waits for what was asked; before the client is closed.
    """

    def __init__(self, batcher: AsyncBatcher, portal: Portal, *, owner: object) -> None:
        self._batcher = batcher
        self._portal = portal
        self._owner = owner

    def embed(self, text: str | list[int], **options: Unpack[EmbeddingOptions]) -> Answer:
        """The answer with one vector, `answer.vectors[0]`, for one text or list of token ids.

        Its `usage` and `cost` are its share of the request's. Raises as `Client.embed` does, for this text alone.
        """
        return self._portal.run(self._batcher.embed(text, **options))

    def generate(self, prompt: Prompt, **options: Unpack[ChatOptions]) -> Answer:
        """The answer to a prompt, as `Client.generate` gives it, with the same options and errors.

        Its `deadline` counts from here, the wait for its turn included. Without one it has the client's, counted from
        its first send: waits for a turn or at a rate limit don't count.
        """
        return self._portal.run(self._batcher.generate(prompt, **options))

    def close(self) -> None:
        """Send what waits, and wait until every caller has its answer. New calls are refused."""
        self._portal.run(self._batcher.aclose())

    def __enter__(self) -> Batcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _turn(turns: asyncio.Semaphore, deadline_s: float | None) -> None:
    if deadline_s is None or not turns.locked():
        await turns.acquire()
        return
    try:
        async with asyncio.timeout(deadline_s):
            await turns.acquire()
    except TimeoutError:
        raise DeadlineExceeded("the deadline passed while the call waited for its turn in the batcher") from None


def _check_one(text: object) -> None:
    is_one = isinstance(text, str) or (isinstance(text, list) and all(type(token) is int for token in text))
    if not is_one:
        raise InputError(f"expected one text, or one list of token ids, to embed, got {type(text).__name__}")
    if not text or (isinstance(text, str) and not text.strip()):
        raise InputError("the text to embed is empty")


def _read_wait(value: Seconds) -> float:
    if value == 0 and value is not False:
        return 0.0
    try:
        return read_duration(value)
    except ConfigError:
        raise Where("max_wait").expected('0, or a duration such as "10ms" or 0.01 (seconds)', value) from None

"""The same call through the race and straight to the endpoint behind it; nothing fails.

A variant is `race|endpoint unary|stream loopback|memory`. `unary` is a call of a batch, without deadline. `stream` is
an interactive one with a deadline and a second target, for which the race asks for a stream although the caller wants
one piece; the endpoint is asked for that stream too, and its events are joined. In `memory` replies are there at once:
all that is left is penstock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvloop

from bench.work import KEY, Work, workers
from penstock.call import Call, Completion
from penstock.clock import Clock, LoopClock
from penstock.config import load_config
from penstock.fold import Fold
from penstock.handler import OpenStream
from penstock.http import Pool, Timeouts, Transport, WireReply, WireRequest
from penstock.transport import open_transport
from penstock.wiring import Engine, Manner, build

__all__ = ["variant"]

Ask = Callable[[Call], Awaitable[Any]]
Bodies = list[dict[str, Any]]

_DEADLINE_S = 30.0
_TEXT = "sim:0123456789abcdef " + "The water stands three feet above the sill. " * 13
_WHOLE = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"fast","choices":[{"index":0,'
    f'"message":{{"role":"assistant","content":"{_TEXT}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],'
    '"usage":{"prompt_tokens":250,"completion_tokens":150,"total_tokens":400}}'
).encode()
_CHUNK = 'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225600,"model":"fast",'
_EVENTS = (
    _CHUNK + '"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n',
    _CHUNK + f'"choices":[{{"index":0,"delta":{{"content":"{_TEXT}"}},"finish_reason":null}}]}}\n\n',
    _CHUNK + '"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    _CHUNK
    + '"choices":[],"usage":{"prompt_tokens":250,"completion_tokens":150,"total_tokens":400}}\n\ndata: [DONE]\n\n',
)
_STREAM = "".join(_EVENTS).encode()
_HEADERS = {"content-type": "application/json"}
_STREAM_HEADERS = {"content-type": "text/event-stream"}


class _Piece:
    """A stream whose bytes are all there."""

    status = 200
    headers = _STREAM_HEADERS

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield _STREAM

    async def read(self) -> bytes:
        return _STREAM

    async def aclose(self) -> None:
        return


class _Immediate:
    """A transport without a network."""

    async def send(self, _request: WireRequest, _timeouts: Timeouts) -> WireReply:
        return WireReply(200, _HEADERS, _WHOLE)

    async def stream(self, _request: WireRequest, _timeouts: Timeouts) -> _Piece:
        return _Piece()

    async def aclose(self) -> None:
        return


@dataclass(frozen=True)
class _Variant:
    through: str
    how: str
    over: str

    def prepare(self, work: Work) -> Bodies:
        bodies = list(work.bodies())
        for body in bodies:
            del body["model"]
        return bodies

    def ask(self, work: Work, bodies: Bodies) -> int:
        return uvloop.run(self._ask(work, bodies))

    async def _ask(self, work: Work, bodies: Bodies) -> int:
        clock = LoopClock()
        streams = self.how == "stream"
        engine = self._engine(work, clock)
        manner = Manner(patience="interactive" if streams else "batch", else_deadline_s=None)
        ask = engine.handler("bench", manner=manner) if self.through == "race" else self._straight(engine, clock)
        asks_for_stream = streams and self.through == "endpoint"
        answered = 0

        async def one(body: dict[str, Any]) -> None:
            nonlocal answered
            call = Call(
                id="bench",
                model="bench/fast",
                body=body,
                stream=asks_for_stream,
                deadline_s=clock.now() + _DEADLINE_S if streams else None,
                estimate=250,
            )
            reply = await ask(call)
            answered += isinstance(reply, Completion) and len(reply.text) > 500

        await workers(bodies, work.in_flight, one)
        await engine.aclose()
        return answered

    def _engine(self, work: Work, clock: Clock) -> Engine:
        provider = {"wire": "openai", "base_url": work.url, "api_key": KEY}
        targets = ["bench/fast", "other/fast"] if self.how == "stream" else ["bench/fast"]
        config = {"providers": {"bench": provider, "other": provider}, "routes": {"bench": {"targets": targets}}}
        return build(load_config(config), clock=clock, transports=lambda _name, _clock: self._transport(work))

    def _transport(self, work: Work) -> Transport:
        if self.over == "memory":
            return _Immediate()
        return open_transport("wreq", Pool(max_connections=work.in_flight * 2, proxy=""))

    def _straight(self, engine: Engine, clock: Clock) -> Ask:
        """To the very endpoint that the race asks, with its timeouts and key; the limit is asked once, for all."""
        target = engine.targets("bench")[0]
        permit = target.try_admit(Call(id="bench", model="bench/fast", body={}), clock.now())

        async def ask(call: Call) -> Completion:
            reply = await target.send(call, permit)
            if isinstance(reply, Completion):
                return reply
            assert isinstance(reply, OpenStream)
            fold = Fold()
            async for event in reply:
                fold.add(event)
            return fold.completion()

        return ask


def variant(text: str) -> _Variant:
    return _Variant(*text.split())

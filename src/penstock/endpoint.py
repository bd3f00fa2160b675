"""The leaf: the only place where a codec meets moving bytes. Everything above sees calls and replies."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from penstock.call import Call, Event, RateLimits, Reply, TextDelta
from penstock.credentials.signing import Credential
from penstock.errors import CallError
from penstock.handler import OpenStream
from penstock.http import Headers, Timeouts, Transport, WireReply, WireRequest, WireStream
from penstock.wire.codec import Codec, Decoder

__all__ = ["Bearer", "Endpoint", "HeaderKey", "Learn", "Sign"]

Sign = Callable[[WireRequest, str], WireRequest]
"""Puts a key on a request, on every attempt. The headers it was given are shared: it copies before it adds."""

Learn = Callable[[RateLimits], str | None]
"""Is told what headers, and the bodies of refusals, say about limits. Returns why, in words, when the request that
was sent is above them."""

_MOST_SIGNED = 256
_LOOK_EVERY_S = 0.05
"""Limits change rarely, and looking for their headers costs as much as the rest of the endpoint."""
_READ_OUT_S = 0.05


class HeaderKey:
    """The key in header `name`, behind `prefix`. Remembers what it signed: no shared headers are copied twice."""

    __slots__ = ("_name", "_prefix", "_signed")

    def __init__(self, name: str, prefix: str = "") -> None:
        self._name = name
        self._prefix = prefix
        # The headers that were signed are kept beside the result: their id stays theirs as long as the entry lives.
        self._signed: dict[tuple[int, str], tuple[dict[str, str], dict[str, str]]] = {}

    def __call__(self, request: WireRequest, key: str) -> WireRequest:
        headers = request.headers
        place = (id(headers), key)
        known = self._signed.get(place)
        if known is None:
            if len(self._signed) >= _MOST_SIGNED:
                self._signed.clear()
            known = self._signed[place] = (headers, {**headers, self._name: self._prefix + key})
        request.headers = known[1]
        return request

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"


class Bearer(HeaderKey):
    """`Authorization: Bearer KEY`."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("authorization", "Bearer ")


class Endpoint:
    """One model of one provider: encodes, signs, sends, decodes, and says whose error it was.

    `timeouts` bound unary requests, `stream_timeouts` streamed ones; both are narrowed to what a call's deadline
    leaves. `now` is the clock that deadlines are instants of.
    """

    __slots__ = (
        "_codec",
        "_credential",
        "_look_again_s",
        "_now",
        "_sign",
        "_stream_timeouts",
        "_timeouts",
        "_transport",
        "model",
        "name",
    )

    def __init__(
        self,
        codec: Codec,
        transport: Transport,
        *,
        model: str,
        name: str,
        now: Callable[[], float],
        timeouts: Timeouts | None = None,
        stream_timeouts: Timeouts | None = None,
        sign: Sign | None = None,
        credential: Credential | None = None,
    ) -> None:
        """`sign` puts a pool's key on; without a key `credential` signs, when there is one."""
        self.model = model
        self.name = name
        self._codec = codec
        self._transport = transport
        self._now = now
        self._look_again_s = -math.inf
        self._timeouts = timeouts or Timeouts(between_bytes=None)
        self._stream_timeouts = stream_timeouts or Timeouts()
        self._sign = sign or Bearer()
        self._credential = credential

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r})"

    async def send(self, call: Call, key: str | None, *, learn: Learn | None = None) -> Reply:
        """One attempt: a `Completion`, or for a call that streams an `OpenStream` that holds the connection.

        `learn` is told what the headers say about limits: each time of a stream or a refusal (and what a refusal's body
        says), now and then of an answer. Raises `CallError` with `target` filled in; `partial` holds the text that a
        broken stream had brought.
        """
        try:
            request = self._codec.encode_request(call, self.model, stream=call.stream)
            if key is not None:
                return await self._exchange(call, self._sign(request, key), learn)
            if self._credential is None:
                return await self._exchange(call, request, learn)
            return await self._vouched(call, request, learn, self._credential)
        except CallError as error:
            error.target = self.name
            raise

    async def _vouched(self, call: Call, bare: WireRequest, learn: Learn | None, credential: Credential) -> Reply:
        """The exchange with a credential's signature; once more when only that was stale: nothing was worked on."""
        for trial in range(2):
            if (waiting := credential.waits()) is not None:
                await waiting
            request = credential.sign(bare)
            refused: list[WireReply] = []
            try:
                return await self._exchange(call, request, learn, refused)
            except CallError:
                if trial or not refused or not credential.renewed(request, refused[0]):
                    raise
        raise AssertionError("unreachable")

    async def _exchange(
        self, call: Call, request: WireRequest, learn: Learn | None, refused: list[WireReply] | None = None
    ) -> Reply:
        """One request and what it brought. A refusal is put into `refused` before it is raised."""
        streams = call.stream
        timeouts = self._stream_timeouts if streams else self._timeouts
        # A deadline that may move on is the race's alone.
        if call.deadline_s is not None and call.until is None:
            timeouts = _narrowed(timeouts, call.deadline_s - self._now())
        if streams:
            return await self._open(call, request, timeouts, learn, refused)
        reply = await self._transport.send(request, timeouts)
        if 200 <= reply.status < 300:
            now_s = self._now()
            if now_s >= self._look_again_s:
                self._look_again_s = now_s + _LOOK_EVERY_S
                self._teach(reply.headers, learn)
            return self._codec.decode_reply(call, reply)
        raise self._refusal(reply, learn, refused)

    async def _open(
        self,
        call: Call,
        request: WireRequest,
        timeouts: Timeouts,
        learn: Learn | None,
        refused: list[WireReply] | None,
    ) -> OpenStream:
        wire = await self._transport.stream(request, timeouts)
        if 200 <= wire.status < 300:
            self._teach(wire.headers, learn)
            events = _Events(wire, self._codec.decoder(call), self.name)
            stream = OpenStream(events, wire.aclose)
            stream.request_id = events.request_id = self._codec.request_id(wire.headers)
            events.stream = stream
            return stream
        try:
            body = await wire.read()
        except CallError:
            # The status says more than how its explanation broke off.
            body = b""
        finally:
            await wire.aclose()
        raise self._refusal(WireReply(wire.status, wire.headers, body), learn, refused)

    def _refusal(self, reply: WireReply, learn: Learn | None, refused: list[WireReply] | None) -> CallError:
        if refused is not None:
            refused.append(reply)
        error = self._codec.classify(reply)
        why = self._teach(reply.headers, learn)
        if learn is not None and error.limits is not None:
            why = learn(error.limits)
        if why is not None and error.kind == "rate_limited":
            # No wait helps, whatever the provider says of one.
            error.kind, error.retry_after_s = "too_big_for_limit", None
            error.message = f"{why}: {error.message}"
        return error

    def _teach(self, headers: Headers, learn: Learn | None) -> str | None:
        if learn is not None and (limits := self._codec.rate_limits(headers)) is not None:
            return learn(limits)
        return None


class _Events:
    """The events of one stream as its bytes bring them, and what is known about it when they are over."""

    __slots__ = ("_decoder", "_failed", "_has_ended", "_name", "_pieces", "_said", "_wire", "request_id", "stream")

    def __init__(self, wire: WireStream, decoder: Decoder, name: str) -> None:
        self._wire = wire
        self._pieces = wire.__aiter__()
        self._decoder = decoder
        self._name = name
        self._said: list[str] = []
        self._has_ended = False
        self._failed: CallError | None = None
        """What is raised once the events before it are given."""
        self.stream: OpenStream | None = None
        self.request_id: str | None = None

    async def batch(self) -> list[Event]:
        """The next decoded events that are there together, none when all were given.

        Raises `CallError` with `target`, `request_id` and `partial`.
        """
        events: list[Event] = []
        try:
            while not (events or self._has_ended):
                events = await self._more()
            if not events and self._failed is not None:
                raise self._failed
        except CallError as error:
            self._has_ended = True
            error.target = self._name
            error.partial = error.partial or "".join(self._said)
            error.request_id = error.request_id or self.request_id
            raise
        finally:
            if self._has_ended and self.stream is not None:
                self.stream.malformed_events = self._decoder.malformed_events
        for event in events:
            if type(event) is TextDelta and event.choice == 0:
                self._said.append(event.text)
        if not events and self._decoder.done:
            await self._read_out()
        return events

    async def _more(self) -> list[Event]:
        """What the next bytes bring, which may be nothing; behind the last of them, what the decoder kept."""
        decoder = self._decoder
        try:
            piece = await self._pieces.__anext__()
        except StopAsyncIteration:
            self._has_ended = True
            return decoder.end()
        except CallError as error:
            return self._whole_after(error)
        events = decoder.feed(piece)
        if decoder.done:
            self._has_ended = True
            try:
                events += decoder.end()
            except CallError as error:
                self._failed = error
        return events

    async def aclose(self) -> None:
        """Give up what wasn't read yet."""
        self._has_ended = True
        # Each holds the other: left so, every stream would be the collector's work.
        self.stream = None
        if (close := getattr(self._pieces, "aclose", None)) is not None:
            await close()

    def _whole_after(self, error: CallError) -> list[Event]:
        """The last events of a stream that broke behind its finish reason: nothing of it is missing."""
        self._has_ended = True
        try:
            return self._decoder.end()
        except CallError:
            raise error from None

    async def _read_out(self) -> None:
        """Read the few bytes behind the last event, so that the connection can be used again; don't wait for them."""
        try:
            async with asyncio.timeout(_READ_OUT_S):
                async for _ in self._pieces:
                    pass
        except (CallError, TimeoutError):
            return


def _narrowed(timeouts: Timeouts, left_s: float) -> Timeouts:
    """The timeouts within what the deadline leaves. Raises `CallError` timeout, unsent, when nothing is left."""
    if left_s <= 0:
        raise CallError("timeout", "the deadline passed before the request was sent", sent=False)
    # Connecting stays shorter than the whole: else a connection that never came looks like a request maybe sent.
    return Timeouts(
        connect=_least(timeouts.connect, left_s * 0.9),
        first_byte=_least(timeouts.first_byte, left_s),
        between_bytes=_least(timeouts.between_bytes, left_s),
        total=left_s if timeouts.total is None else min(timeouts.total, left_s),
    )


def _least(own: float | None, left_s: float) -> float | None:
    if own is None:
        return None
    return min(own, left_s)

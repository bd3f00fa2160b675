"""A layer that cuts a list of inputs to embed into requests that a provider takes, and puts the vectors together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final

import msgspec

from penstock.call import Attempt, Call, Completion, Reply, Usage
from penstock.clock import Clock
from penstock.handler import Handler

__all__ = ["EmbeddingLimit", "Split"]

_AT_ONCE: Final = 8
_MOST_ATTEMPTS_TOLD: Final = 64
_BYTES_PER_TOKEN: Final = 3


@dataclass(frozen=True, slots=True)
class EmbeddingLimit:
    """The most that one request may hold; None for no bound. Tokens of texts are estimated."""

    inputs: int | None = None
    tokens: int | None = None

    def parts_of(self, inputs: Sequence[Any]) -> list[Sequence[Any]]:
        """The inputs in order, in parts of one request each; a single input that is too long stays a part."""
        parts: list[Sequence[Any]] = []
        start, tokens = 0, 0
        for place, one in enumerate(inputs):
            needed = self.weight_of(one)
            is_full = self.inputs is not None and place - start >= self.inputs
            if place > start and (is_full or (self.tokens is not None and tokens + needed > self.tokens)):
                parts.append(inputs[start:place])
                start, tokens = place, 0
            tokens += needed
        parts.append(inputs[start:])
        return parts

    @staticmethod
    def weight_of(one: object) -> int:
        """The tokens of an input, estimated where it is text; at least 1.

        A token for three bytes is more than there are, in any alphabet: a Chinese letter has three.
        """
        if not isinstance(one, str):
            return max(1, _length(one))
        letters = len(one) if one.isascii() else len(one.encode("utf-8", "surrogatepass"))
        return letters // _BYTES_PER_TOKEN + 1


def _length(one: object) -> int:
    return len(one) if isinstance(one, list | tuple) else 1


@dataclass(frozen=True, slots=True)
class Split:
    """Embeds what is more than `limit` in several requests. All other calls pass.

    The first part is asked as any call; the others of the target that answered it, by `only`, so that all vectors are
    of one model. At most 8 are asked at once. The first error ends them all. `deadline_after_s` bounds the whole where
    the call has no deadline.
    """

    limit: EmbeddingLimit
    only: Callable[[str], Handler]
    clock: Clock
    deadline_after_s: float | None = None

    def __call__(self, inner: Handler) -> Handler:
        limit = self.limit

        async def handle(call: Call) -> Reply:
            if call.kind != "embedding":
                return await inner(call)
            inputs = call.body.get("input")
            # A list of numbers is one input in tokens.
            if not isinstance(inputs, list) or len(inputs) < 2 or isinstance(inputs[0], int):
                return await inner(call)
            parts = limit.parts_of(inputs)
            if len(parts) == 1:
                return await inner(call)
            return await self._asked(call, parts, inner)

        return handle

    async def _asked(self, call: Call, parts: list[Sequence[Any]], inner: Handler) -> Completion:
        began_s = self.clock.now()
        if call.deadline_s is None and self.deadline_after_s is not None:
            call = msgspec.structs.replace(call, deadline_s=began_s + self.deadline_after_s)
        calls = [
            msgspec.structs.replace(
                call,
                id=f"{call.id}.{number}",
                body={**call.body, "input": list(part)},
                estimate=-(-call.estimate // len(parts)),
                cache="off",  # the whole is cached, not its parts
            )
            for number, part in enumerate(parts, 1)
        ]
        first = await _whole(inner, calls[0])
        handler = self.only(first.target) if first.target else inner
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(part: Call) -> Completion:
            async with turns:
                return await _whole(handler, part)

        tasks = [asyncio.ensure_future(ask(part)) for part in calls[1:]]
        try:
            rest = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return _joined([first, *rest], self.clock.now() - began_s)


async def _whole(handler: Handler, call: Call) -> Completion:
    reply = await handler(call)
    assert isinstance(reply, Completion), "vectors are never streamed"
    return reply


def _joined(parts: Sequence[Completion], latency_s: float) -> Completion:
    first = parts[0]
    told = [part.usage for part in parts if part.usage is not None]
    attempts: list[Attempt] = [attempt for part in parts for attempt in part.attempts]
    return Completion(
        kind="embedding",
        vectors=tuple(vector for part in parts for vector in part.vectors),
        usage=reduce(add, told, Usage()) if told else None,
        model=first.model,
        id=first.id,
        created=first.created,
        request_id=first.request_id,
        target=first.target,
        attempts=tuple(attempts[:_MOST_ATTEMPTS_TOLD]),
        requests_sent=sum(part.requests_sent for part in parts),
        latency_s=latency_s,
        cached=all(part.cached for part in parts),
        cost_usd=None if None in (costs := [part.cost_usd for part in parts]) else sum(filter(None, costs)),
    )

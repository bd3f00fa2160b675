"""An embedder that is asked through a packer, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from penstock.call import Attempt, Call, Completion, Usage
from penstock.clock import LoopClock
from penstock.errors import BadRequest, PenstockError, ServerError
from penstock.packing import Packer, Packing
from penstock.splitting import EmbeddingLimit
from penstock.testing import run

__all__ = ["Embedder", "later", "outcome", "packed"]


class Embedder:
    """Embeds each text as its number after `takes_s`; refuses a "bad" text's request, breaks for a "broken" one."""

    def __init__(self, takes_s: float = 1.0) -> None:
        self.takes_s = takes_s
        self.asked: list[Call] = []
        self.cancelled = 0

    @property
    def sizes(self) -> list[int]:
        return [len(call.body["input"]) for call in self.asked]

    async def __call__(self, call: Call) -> Completion:
        self.asked.append(call)
        texts = call.body["input"]
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if any("bad" in str(text) for text in texts):
            raise BadRequest("no", [Attempt(id=call.id, target="a/m", outcome="failed", cost_usd=0.0)])
        if any("broken" in str(text) for text in texts):
            raise ServerError("broken", [Attempt(id=call.id, target="a/m", outcome="failed", cost_usd=0.0)])
        usage = Usage(len(texts) * 7)
        return Completion(
            kind="embedding",
            vectors=tuple((float(text),) for text in texts),
            usage=usage,
            target="a/m",
            attempts=(Attempt(id=call.id, target="a/m", outcome="answered", usage=usage, cost_usd=0.5),),
            requests_sent=1,
            cost_usd=0.5,
        )


def packed(
    embedder: Embedder,
    play: Callable[[Callable[..., Coroutine[Any, Any, Completion]], Packer], Coroutine[Any, Any, Any]],
    *,
    max_size: int = 100,
    max_wait_s: float = 0.1,
    limit: EmbeddingLimit | None = None,
) -> Any:
    """What `play(ask, packer)` returns, in virtual time."""

    async def main() -> Any:
        packer = Packer(embedder, Packing(max_size, max_wait_s), LoopClock(), limit=limit)

        async def ask(text: Any, within_s: float | None = None, **params: Any) -> Completion:
            deadline_s = None if within_s is None else asyncio.get_running_loop().time() + within_s
            body = {"input": [text], **params}
            reply = await packer(Call(id="c", model="m", kind="embedding", body=body, deadline_s=deadline_s))
            assert isinstance(reply, Completion)
            return reply

        return await play(ask, packer)

    return run(main())


async def outcome(asking: Coroutine[Any, Any, Completion]) -> Any:
    try:
        ((vector,),) = (await asking).vectors
    except PenstockError as error:
        return type(error)
    return vector


async def later(delay_s: float, asking: Coroutine[Any, Any, Completion]) -> Any:
    await asyncio.sleep(delay_s)
    return await outcome(asking)

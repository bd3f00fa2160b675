"""Packers over an engine, one for each list of models and manner: behind the cache, where each input is a call."""

from __future__ import annotations

from typing import Final

from penstock.call import Call, Reply
from penstock.handler import Handler
from penstock.packing import Packer, Packing
from penstock.splitting import EmbeddingLimit
from penstock.wiring.engine import Engine
from penstock.wiring.settings import Manner, Models
from penstock.wiring.wires import embedding_limit

__all__ = ["MAX_INPUTS", "MAX_TOKENS", "Packers", "bounds_of"]

MAX_INPUTS: Final = 2048
"""Inputs in one request where no limit is known: OpenAI's."""
MAX_TOKENS: Final = 200_000
"""Tokens in one request at most, estimated: OpenAI's bound is 300,000."""

_MOST: Final = 64


def bounds_of(engine: Engine, models: Models) -> EmbeddingLimit:
    """What a request for embeddings holds at most when a client cuts a list for these. Raises `ConfigError`."""
    limit = _limit_of(engine, models) or EmbeddingLimit()
    return EmbeddingLimit(min(limit.inputs or MAX_INPUTS, MAX_INPUTS), min(limit.tokens or MAX_TOKENS, MAX_TOKENS))


def _limit_of(engine: Engine, models: Models) -> EmbeddingLimit | None:
    return embedding_limit([(engine.plan(target.provider), target.model) for target in engine.check(models).targets])


class Packers:
    """The packers of one batcher. Use it on the engine's loop."""

    def __init__(self, engine: Engine, packing: Packing) -> None:
        self._engine = engine
        self._packing = packing
        self._known: dict[tuple[Models, Manner | None], tuple[Packer, Handler]] = {}
        self._ends = False

    def handler(self, models: Models, manner: Manner | None) -> Handler:
        """The handler of single inputs for these models. Raises `ConfigError`."""
        asked = models if models is None or isinstance(models, str) else tuple(models)
        known = self._known.get((asked, manner))
        if known is None:
            if len(self._known) >= _MOST:
                self._flush()
                self._known.clear()
            known = self._known[asked, manner] = self._made(asked, manner)
        return known[1]

    def end(self) -> None:
        """Send what waits, and from now on let nothing wait."""
        self._ends = True
        self._flush()

    def _flush(self) -> None:
        for packer, _ in self._known.values():
            packer.flush()

    def _made(self, models: Models, manner: Manner | None) -> tuple[Packer, Handler]:
        engine = self._engine
        targets = engine.check(models).targets
        limit = _limit_of(engine, models)

        async def ask(call: Call) -> Reply:
            return await engine.handler(models, manner=manner)(call)

        packer = Packer(ask, self._packing, engine.clock, limit=limit)
        if self._ends:
            packer.flush()
        names = [str(target) for target in targets]
        # A packed request keeps each caller's own deadline, those who join an equal call included.
        handler = engine.caching.over(
            packer, names, clock=engine.clock, deadline_after_s=None, again=lambda inner: inner
        )
        return packer, handler

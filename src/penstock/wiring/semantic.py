"""The semantic cache of one engine: who makes its vectors, and where its questions are kept."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from penstock.call import Call, Completion
from penstock.clock import Clock
from penstock.config import CacheConfig, SemanticConfig
from penstock.errors import ConfigError, PenstockError
from penstock.handler import Handler
from penstock.policies.cache import Digester, target_tag
from penstock.policies.semantic import Embedded, Memory, Near
from penstock.stores import default_path, store_path
from penstock.vectors import LocalModel, normalised
from penstock.wiring.providers import ProviderPlan
from penstock.wiring.settings import Manner, Models

__all__ = ["SemanticCaching", "question_files", "questions_beside"]

_REST_S: Final = 1.0
"""How much longer than its own deadline an embedder is waited for at all."""

Ask = Callable[[Models, Manner], Handler]


class SemanticCaching:
    """What a `Near` is made of. Opens nothing and loads nothing before a question is looked up.

    Raises `ConfigError` when the embedder is nobody's, or lacks a key.
    """

    def __init__(
        self,
        cache: CacheConfig,
        settings: SemanticConfig,
        plan: Callable[[str], ProviderPlan],
        place: Callable[[str], str],
    ) -> None:
        self.settings = settings
        self._cache = cache
        self._place = place
        self._near: Near | None = None
        self._made: Near | None = None
        if settings.folder is None:
            try:
                plan(settings.embedder.partition("/")[0]).check()
            except ConfigError as error:
                raise ConfigError(f"[cache.semantic] embedder: {settings.embedder}: {error}") from None

    @property
    def near(self) -> Near | None:
        """Once a handler was made."""
        return self._made

    def open(self, clock: Clock, ask: Ask, *, is_kept: bool) -> Near:
        """The same one until `forget`. `is_kept`: in a file beside the cache's own."""
        if self._near is None:
            settings = self.settings
            embed = LocalEmbedder(settings) if settings.folder is not None else TargetEmbedder(settings, clock, ask)
            memory = self._made.memory if self._made is not None else self._memory(is_kept=is_kept)
            self._near = Near(
                memory,
                embed,
                Digester(self._cache.namespace),
                embedder=settings.embedder,
                floor=settings.floor,
                strictness=settings.verify,
                every_call=settings.every_call,
            )
            if self._made is not None:
                self._near.stats = self._made.stats
            self._made = self._near
        return self._near

    def forget(self) -> None:
        """The loop is gone."""
        self._near = None

    def close(self) -> None:
        """Write what waits to be written."""
        if self._made is not None:
            self._made.memory.flush()

    def text(self) -> str:
        """A line for people."""
        settings = self.settings
        calls = "" if settings.every_call else "; calls that say so"
        how = f"from {settings.floor:g} on, verified by {settings.verify}{calls}"
        return f"semantic cache: {settings.embedder}, {how}\n"

    def _memory(self, *, is_kept: bool) -> Memory:
        path = questions_beside(self._cache.store, os.environ) if is_kept else None
        if path is not None:
            path = path.with_name(f"{path.name}-{self._vectors_of()}")
        return Memory(path, max_entries=self.settings.max_entries, ttl_s=self._cache.ttl_s)

    def _vectors_of(self) -> str:
        """Twelve hex digits of what makes the vectors: those of another embedder can't be compared with them."""
        settings = self.settings
        if settings.folder is not None:
            return LocalModel(settings.folder).fingerprint()[:12]
        tag = target_tag(f"{settings.embedder} {settings.dimensions}", self._place(settings.embedder))
        return tag.hex()[:12]


def questions_beside(store: str, environ: Mapping[str, str]) -> Path | None:
    """How the files begin in which the questions of a store's answers are; None for a store in memory."""
    if store in ("off", "memory"):
        return None
    path = store_path(store, environ)
    if path is None:
        named = hashlib.blake2b(store.encode(), digest_size=6).hexdigest()
        path = default_path(environ).with_name(f"answers-{named}")
    return path.with_name(f"{path.name}.questions")


def question_files(store: str, environ: Mapping[str, str]) -> list[Path]:
    """The files in which questions of a store's answers are, one for each embedder that was ever used with it."""
    beside = questions_beside(store, environ)
    if beside is None:
        return []
    return sorted(path for path in beside.parent.glob(f"{beside.name}-*") if path.suffix not in (".lock", ".new"))


class LocalEmbedder:
    """Vectors by a model of the user's own, in a thread beside the loop."""

    def __init__(self, settings: SemanticConfig) -> None:
        assert settings.folder is not None
        self._model = LocalModel(settings.folder)
        self._turn = asyncio.Semaphore(1)

    async def __call__(self, text: str, _call: Call) -> Embedded:
        """Costs nothing. Raises `ValueError` for files that are no model."""
        async with self._turn:
            (vector,) = await asyncio.get_running_loop().run_in_executor(None, self._model.embed, [text])
        return Embedded(vector)


class TargetEmbedder:
    """Vectors by a target, asked through the engine: its limits, its budget, its price. Equal texts at the same time
    are one request."""

    def __init__(self, settings: SemanticConfig, clock: Clock, ask: Ask) -> None:
        self._settings = settings
        self._clock = clock
        self._ask = ask
        self._manner = Manner(else_deadline_s=settings.timeout_s, hedge="off")
        self._running: dict[str, asyncio.Task[Embedded]] = {}

    async def __call__(self, text: str, call: Call) -> Embedded:
        """Raises what the engine raises. Who joins a request that runs pays nothing."""
        task, joins = self._running.get(text), True
        if task is None:
            joins = False
            task = self._running[text] = asyncio.get_running_loop().create_task(self._embed(text, call))
            task.add_done_callback(lambda done: self._over(text, done))
        embedded = await asyncio.shield(task)
        return Embedded(embedded.vector) if joins else embedded

    def _over(self, text: str, task: asyncio.Task[Embedded]) -> None:
        self._running.pop(text, None)
        if not task.cancelled():
            task.exception()

    async def _embed(self, text: str, call: Call) -> Embedded:
        settings = self._settings
        until_s = self._clock.now() + settings.timeout_s
        body: dict[str, Any] = {"input": [text]}
        if settings.dimensions is not None:
            body["dimensions"] = settings.dimensions
        asked = Call(
            id=f"{call.id}-question",
            model=settings.embedder,
            body=body,
            kind="embedding",
            deadline_s=until_s if call.deadline_s is None else min(until_s, call.deadline_s),
            priority=call.priority,
            estimate=len(text) // 3 + 1,
            tags=call.tags,
            cache="off",
        )
        reply = await self._ask(settings.embedder, self._manner)(asked)
        if not isinstance(reply, Completion) or len(reply.vectors) != 1:
            raise PenstockError(f"{settings.embedder} gave no vector")
        return Embedded(normalised(reply.vectors[0]), reply.cost_usd)

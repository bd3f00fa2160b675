"""What an engine keeps of answers and shares between equal calls: the layers above the race, and what they share."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from penstock.call import CacheMode, Call, Completion, Kind, Reply
from penstock.clock import Clock
from penstock.config import CacheConfig, Config, Selection, SemanticConfig
from penstock.errors import CallError, ConfigError
from penstock.handler import Handler, Layer
from penstock.policies.cache import (
    IMPORTED,
    Answers,
    Cache,
    CacheStats,
    Digester,
    Recall,
    foreign_key,
    header_form,
    pack,
    target_tag,
    to_keep,
    worth_keeping,
)
from penstock.policies.coalesce import Coalesce, Flights, FlightStats
from penstock.stores import Store, open_store
from penstock.wiring.providers import CATALOG, ProviderPlan, plan_provider
from penstock.wiring.reports import EngineStats
from penstock.wiring.settings import Manner, Models, Overrides
from penstock.wiring.wires import from_openai, openai_reader, writes_openai

if TYPE_CHECKING:
    from penstock.wiring.semantic import SemanticCaching

__all__ = ["Caching", "import_answers", "open_configured"]

_MAX_BYTES: Final = 10 * 1000**3
_FLUSH_EVERY: Final = 1000


def open_configured(settings: CacheConfig) -> Store:
    """The store of a configuration. Raises `ConfigError` or `StoreError`."""
    most = settings.max_bytes
    if most is None and settings.store.startswith("sqlite"):
        most = _MAX_BYTES
    return open_store(settings.store, ttl_s=settings.ttl_s, max_bytes=most, environ=os.environ)


class Caching:
    """The cache and the flights of one engine. Opens no store before an answer is looked up."""

    def __init__(
        self,
        config: CacheConfig | None,
        said: Overrides,
        plan: Callable[[str], ProviderPlan],
        *,
        by_call: bool,
        ask: Callable[..., Handler],
    ) -> None:
        """`by_call`: a call may want the cache although the engine doesn't. `ask` makes the handler of a model."""
        settings = config or CacheConfig()
        self._settings = settings
        self._said = said
        self._plan = plan
        self._by_call = by_call
        self._ask = ask
        self._writing: dict[str, bool] = {}
        self._readers: dict[str, Callable[[Kind, bytes], Completion]] = {}
        self.is_possible = said.store is not None or settings.store != "off"
        """A call may use it."""
        usual: CacheMode = "on" if config is not None or said.store is not None else "off"
        self.mode: CacheMode = (said.cache or usual) if self.is_possible else "off"
        """Of calls that say none of their own."""
        self._digest = Digester(settings.namespace)
        self.semantic: SemanticCaching | None = None
        if settings.semantic is not None and self.is_possible and (self.mode != "off" or by_call):
            # Its words are a good deal to load: only for those who use them.
            from penstock.wiring.semantic import SemanticCaching

            self.semantic = SemanticCaching(settings, _usually(settings.semantic, self.mode), plan, self._place)
        self.checked(self.mode)
        self.flight_stats = FlightStats()
        self._flights = Flights(self.flight_stats)
        self._answers = Answers(
            self._open,
            decode=self._decoded,
            raw_says_all=self._writes_openai,
            keep=settings.keep,
        )

    @property
    def stats(self) -> CacheStats:
        return self._answers.stats

    @property
    def trouble(self) -> str | None:
        """Why nothing is read or kept, or was at some time."""
        return self._answers.trouble or getattr(self._answers.store, "lost", None)

    def over(
        self, inner: Handler, targets: Sequence[str], *, clock: Clock, deadline_after_s: float | None, again: Layer
    ) -> Handler:
        """The handler for these targets, with the cache in front of it where one is possible.

        `again` stands between: what is kept is what it let pass, and of a shared answer each call judges itself.
        """
        if not self.is_possible or (self.mode == "off" and not self._by_call):
            return again(inner)
        names, usual, alone = tuple(targets), self.mode, inner
        tags = self._tags(names)
        if self._said.coalesce:
            inner = Coalesce(self._digest, names, self._flights, clock, usual, deadline_after_s)(inner)
        near = None
        if self.semantic is not None:
            near = self.semantic.open(clock, self._by_name, is_kept=self._said.store is None)
        cached = Cache(self._answers, self._digest, tags, usual, self._settings.namespace, near)(again(inner))

        # Who uses none of the three passes them at once.
        def handle(call: Call) -> Awaitable[Reply]:
            return alone(call) if call.expected is None and (call.cache or usual) == "off" else cached(call)

        return handle

    def checked(self, mode: CacheMode | None) -> CacheMode | None:
        """A call's mode. Raises `ConfigError` for what the engine hasn't."""
        if mode == "semantic" and self.semantic is None:
            raise ConfigError('cache: "semantic", but nothing says who makes vectors: [cache.semantic] embedder')
        return mode

    def _by_name(self, models: Models, manner: Manner) -> Handler:
        return self._ask(models, manner=manner)

    @property
    def is_read(self) -> bool:
        """Calls that say nothing of it are looked up."""
        return self.mode not in ("off", "write")

    def recall(self, selection: Selection) -> Recall | None:
        """The cache of these targets, for who looks many questions up at once.

        None where what stands above the cache has a say in what is asked or in what comes back.
        """
        route = selection.route
        if self._said.guards is not None or (route is not None and (route.guards is not None or route.prompts)):
            return None
        tags = self._tags(map(str, selection.targets))
        is_all = self.semantic is None and not self._said.coalesce
        return Recall(self._answers, self._digest, tags, keeps=self.mode != "read", is_all=is_all)

    def forget(self) -> None:
        """The loop is gone, and what was in the air with it."""
        self._flights = Flights(self.flight_stats)
        if self.semantic is not None:
            self.semantic.forget()

    async def aclose(self) -> None:
        """Write what was kept. It can be asked again."""
        if self.semantic is not None:
            self.semantic.close()
        await self._answers.aclose(close_store=self._said.store is None)

    def counted(self, stats: EngineStats) -> EngineStats:
        """The same with what was answered without a request."""
        stats.cached, stats.joined = self.stats.hits, self.flight_stats.joined
        return stats

    def text(self) -> str:
        """A line for people that stands above a race; "" where calls don't use the cache unless they say so."""
        if self.mode == "off":
            return ""
        settings = self._settings
        kind = "a store of its own" if self._said.store is not None else settings.store.partition("://")[0]
        life = "for ever" if settings.ttl_s is None else f"for {settings.ttl_s / 86400:g} days"
        more = self.semantic.text() if self.semantic is not None else ""
        return f"cache, {self.mode}: {kind}, {life}; equal calls at the same time are one\n" + more

    def _open(self) -> Store:
        return self._said.store or open_configured(self._settings)

    def _tags(self, targets: Iterable[str]) -> dict[str, bytes]:
        return {name: target_tag(name, self._place(name)) for name in targets}

    def _place(self, target: str) -> str:
        """Where a target is, unless that is its vendor's own address: another server may be another model. And with
        what headers it is asked, where they may change what it says."""
        plan = self._plan(target.partition("/")[0])
        is_own = plan.base_url_from == CATALOG or plan.base_url == plan.vendor.base_url
        address, headers = "" if is_own else plan.base_url or "", header_form(plan.config.headers)
        return f"{address}\n{headers}" if headers else address

    def _writes_openai(self, target: str) -> bool:
        found = self._writing.get(target)
        if found is None:
            provider, _, model = target.partition("/")
            found = self._writing[target] = writes_openai(self._plan(provider), model)
        return found

    def _decoded(self, kind: Kind, target: str, raw: bytes) -> Completion:
        provider = target.partition("/")[0]
        read = self._readers.get(provider)
        if read is None:
            read = self._readers[provider] = openai_reader(self._plan(provider))
        return read(kind, raw)


def _usually(settings: SemanticConfig, mode: CacheMode) -> SemanticConfig:
    """The settings for calls that say no mode of their own, where their client says one of the two."""
    return replace(settings, every_call=mode == "semantic") if mode in ("exact", "semantic") else settings


async def import_answers(path: Path, store: Store, namespace: str) -> tuple[int, int]:
    """Put what another tool kept in a folder into a store; how many answers that were, and how many were none.

    Raises `InputError` for a folder of nobody's, `StoreError` when it can't be written.
    """
    from penstock.stores.foreign import read_foreign

    taken = skipped = 0
    custom = plan_provider(Config(), "custom")
    for tool, hashed, answer in read_foreign(path):
        completion = None if answer is None else _foreign_completion(custom, answer)
        if completion is None:
            skipped += 1
            continue
        store.put(foreign_key(tool, hashed, namespace), pack(to_keep(completion, raw_says_all=True)))
        taken += 1
        if taken % _FLUSH_EVERY == 0:
            await store.flush()
    if taken:
        store.put(IMPORTED, b"1")
        await store.flush()
    return taken, skipped


def _foreign_completion(plan: ProviderPlan, answer: dict[str, Any]) -> Completion | None:
    """The answer if it is OpenAI's object of a whole one, without a target."""
    kind: Kind = "embedding" if "data" in answer else "chat"
    try:
        raw = msgspec.json.encode(answer)
        completion = from_openai(plan, kind, raw)
    except (CallError, TypeError, ValueError):
        return None
    completion.raw = raw
    return completion if worth_keeping(completion) else None

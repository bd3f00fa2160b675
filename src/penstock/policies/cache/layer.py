"""The layer that asks a store before anything that costs, and gives it what came back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from penstock.call import CacheMode, Call, Completion, Reply, Status
from penstock.fold import Fold, unfold
from penstock.handler import Handler, OpenStream
from penstock.policies.cache.entry import Decode, Kept, completion_of, pack, read, to_keep, unpack, worth_keeping
from penstock.policies.cache.foreign import IMPORTED, foreign_keys
from penstock.questions import request_hash
from penstock.stores import Many, Store

__all__ = ["Answers", "Cache", "CacheStats"]

_log = logging.getLogger("penstock.cache")
Imported = Mapping[bytes, str]
"""Keys of answers that another tool kept, and the target that each is taken for."""

_AWAY_S: Final = 5.0
"""How long a store that failed isn't asked."""
_MOST_ABSENT: Final = 10_000
_MOST_AT_ONCE: Final = 32
"""Hits in a row before others get their turn on the loop: a hit waits for nothing."""


class CacheStats(msgspec.Struct):
    """Counts since the start."""

    hits: int = 0
    misses: int = 0
    kept: int = 0
    """Answers that were given to the store."""


class Answers:
    """A store of answers whose failures never reach a call: what can't be read is a miss, what can't be written is
    forgotten, and it is logged once."""

    def __init__(
        self,
        open_: Callable[[], Store],
        *,
        decode: Decode,
        raw_says_all: Callable[[str], bool],
        keep: Collection[Status] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`open_` is called when the first answer is looked up. `raw_says_all` says of a target whether its raw body
        is OpenAI's own object."""
        self._open = open_
        self._decode = decode
        self._raw_says_all = raw_says_all
        self._keep = keep
        self._now = now
        self._store: Store | None = None
        self._away_until_s = 0.0
        self._said: set[str] = set()
        self._in_a_row = 0
        self._many: Many | None = None
        self._imports: bool | None = None
        self._absent: set[bytes] = set()
        self.stats = CacheStats()
        self.trouble: str | None = None
        """Why nothing is read or kept now, or was at some time; None when it always was."""

    @property
    def store(self) -> Store | None:
        """The store, once it is open."""
        return self._store

    async def find(self, keys: Sequence[bytes], *, imported: Callable[[], Imported] | None = None) -> Completion | None:
        """The answer under the first key that has one; None also where it can't be read.

        `imported` tells where else an answer of another tool may be, by key whose it is taken for: it is asked where
        the store holds such ones.
        """
        store = self._usable()
        if store is None:
            self.stats.misses += 1
            return None
        try:
            found = await store.get(keys)
            completion = None if found is None else unpack(found.value, self._decode)
            if completion is None and imported is not None and await self._has_imports(store):
                completion = await self._find_imported(store, imported())
        except Exception as error:  # noqa: BLE001 - a store may be anybody's, and never fails a call
            self._failed("read", error)
            completion = None
        else:
            if self._away_until_s:  # it is back
                self._away_until_s = 0.0
                self._said.discard("read")
        if completion is None:
            self.stats.misses += 1
            return None
        self.stats.hits += 1
        self._in_a_row += 1
        if self._in_a_row >= _MOST_AT_ONCE:
            self._in_a_row = 0
            await asyncio.sleep(0)
        return completion

    def find_many(
        self, questions: Sequence[bytes], tags: Sequence[bytes], *, again: bool = True
    ) -> list[Kept | None] | None:
        """For each of these the answer by the first of the tags' targets that gave one, all looked up at once.

        With `again`, what isn't found will be asked of a `Cache` soon, which doesn't look it up again. None where it
        can't be done: a store that has no such way, or one that holds imported answers. `prepare` is to be called
        before.
        """
        if self._usable() is None or self._imports is not False or self._many is None:
            return None
        try:
            values = self._many.get_many([question + tag for tag in tags for question in questions])
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("read", error)
            return None
        found: list[Kept | None] = [None] * len(questions)
        for tag in tags if values else ():
            for place, question in enumerate(questions):
                if found[place] is None and (value := values.get(question + tag)) is not None:
                    found[place] = self._read(value)
        hits = len(found) - found.count(None)
        self.stats.hits += hits
        if not again:
            self.stats.misses += len(found) - hits
        elif hits < len(found):
            if len(self._absent) > _MOST_ABSENT:
                self._absent.clear()
            self._absent.update(key + tags[0] for key, kept in zip(questions, found, strict=True) if kept is None)
        return found

    async def prepare(self) -> None:
        """Open the store, and see what is in it."""
        store = self._usable()
        try:
            if store is not None:
                await self._has_imports(store)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("read", error)

    def completion(self, kept: Kept) -> Completion | None:
        """The whole answer; None when it is none."""
        try:
            return completion_of(kept, self._decode)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("read", error)
            return None

    def _read(self, value: bytes) -> Kept | None:
        try:
            return read(value)
        except ValueError as error:
            self._failed("read", error)
            return None

    def is_absent(self, keys: Sequence[bytes]) -> bool:
        """`find_many` has just looked for it in vain."""
        if not self._absent or keys[0] not in self._absent:
            return False
        self._absent.remove(keys[0])
        self.stats.misses += 1
        return True

    def _usable(self) -> Store | None:
        if self._away_until_s and self._now() < self._away_until_s:
            return None
        return self._store or self._opened()

    async def _has_imports(self, store: Store) -> bool:
        if self._imports is None:
            self._imports = await store.get([IMPORTED]) is not None
        return self._imports

    async def _find_imported(self, store: Store, imported: Imported) -> Completion | None:
        keys = list(imported)
        found = await store.get(keys) if keys else None
        return None if found is None else unpack(found.value, self._decode, target=imported[keys[found.place]])

    def keep(self, key: bytes, completion: Completion) -> bool:
        """Give an answer to the store if it is worth it; whether it was."""
        if not worth_keeping(completion, self._keep):
            return False
        store = self._store or self._opened()
        if store is None:
            return False
        try:
            kept = to_keep(completion, raw_says_all=self._raw_says_all(completion.target))
            if self._many is not None:
                self._many.put_later(key, partial(pack, kept), len(kept.raw))
            else:
                store.put(key, pack(kept))
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("kept", error, is_away=False)
            return False
        self.stats.kept += 1
        return True

    def keep_many(self, values: Mapping[bytes, bytes]) -> None:
        """Give the store answers that are packed already. `find_many` could be asked."""
        if self._many is None or not values:
            return
        try:
            self._many.put_many(values)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("kept", error, is_away=False)
            return
        self.stats.kept += len(values)

    def is_worth_keeping(self, completion: Completion) -> bool:
        """It is whole, says something, and ended in a way that is kept."""
        return worth_keeping(completion, self._keep)

    def is_expected(self, call: Call, found: Completion) -> bool:
        """Whether a found answer is what this call expects; else it was no hit."""
        if _fits(call, found):
            return True
        self.stats.hits -= 1
        self.stats.misses += 1
        return False

    async def aclose(self, *, close_store: bool) -> None:
        """Write what was kept. A store that was handed in stays open."""
        store = self._store
        if store is None:
            return
        try:
            if close_store:
                self._store = self._many = self._imports = None
                await store.aclose()
            else:
                await store.flush()
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("closed", error)
        self.trouble = self.trouble or getattr(store, "lost", None)

    def _opened(self) -> Store | None:
        if self._now() < self._away_until_s:
            return None
        try:
            self._store = store = self._open()
            self._many = store if isinstance(store, Many) else None
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("opened", error)
        return self._store

    def _failed(self, what: str, error: Exception, *, is_away: bool = True) -> None:
        if is_away and not isinstance(error, ValueError):
            self._away_until_s = self._now() + _AWAY_S
        self.trouble = str(error) or type(error).__name__
        if what not in self._said:
            self._said.add(what)
            if getattr(self._store, "trouble", None) is not None:
                return  # the store has told of it
            _log.warning("the cache can't be %s, and calls go on without it: %s", what, self.trouble)


class Near(Protocol):
    """Finds answers to questions that mean the same. What `seek` makes of a call goes back into the other two."""

    async def seek(self, call: Call) -> Any: ...

    async def find(
        self, sought: Any, tags: Mapping[str, bytes], get: Callable[[bytes], Awaitable[Completion | None]]
    ) -> Completion | None: ...

    def keep(self, sought: Any, tag: bytes, *, key: bytes, question_hash: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Cache:
    """Serves answers of the same question to the same targets, the first of them first; keeps what comes back.

    `tags` are the targets' tags by name, in the call's order. `mode` holds for calls that say none of their own.
    Streams are served whole from it and kept when they came to their end.
    """

    answers: Answers
    digest: Callable[[Call], bytes | None]
    tags: dict[str, bytes]
    mode: CacheMode = "on"
    namespace: str = "default"
    near: Near | None = None
    """Asked where no equal question has an answer."""

    def __call__(self, inner: Handler) -> Handler:
        usual, ask = self.mode, self._ask
        in_order = tuple(self.tags.values())

        # No coroutine of its own for a call that doesn't use it.
        def handle(call: Call) -> Awaitable[Reply]:
            mode = call.cache or usual
            return inner(call) if mode == "off" else ask(call, mode, in_order, inner)

        return handle

    async def _ask(self, call: Call, mode: CacheMode, tags: tuple[bytes, ...], inner: Handler) -> Reply:
        question = self.digest(call)
        if question is None:
            return await inner(call)
        if mode != "write":
            answers = self.answers
            keys = [question + tag for tag in tags]
            found = None
            if not answers.is_absent(keys):
                found = await answers.find(keys, imported=lambda: self._imported(call))
            if found is not None and (call.expected is None or answers.is_expected(call, found)):
                return _streamed(found) if call.stream else found
        if self.near is not None and (sought := await self.near.seek(call)) is not None:
            return await self._by_meaning(self.near, sought, question, call, inner)
        reply = await inner(call)
        if mode != "read":
            self._keep(question, call, reply)
        return reply

    async def _by_meaning(self, near: Near, sought: Any, question: bytes, call: Call, inner: Handler) -> Reply:
        """The answer to a question like it, else what `inner` says."""
        mode, answers = call.cache or self.mode, self.answers

        async def get(key: bytes) -> Completion | None:
            answers.stats.misses -= 1  # it was counted when no equal question was found
            return await answers.find([key])

        if mode != "write":
            found = await near.find(sought, self.tags, get)
            if found is not None and (call.expected is None or answers.is_expected(call, found)):
                return _streamed(found) if call.stream else found
        reply = await inner(call)
        if isinstance(reply, Completion) and reply.cost_usd is not None:
            reply.cost_usd = None if sought.cost_usd is None else reply.cost_usd + sought.cost_usd
        if mode != "read":

            def kept(tag: bytes) -> None:
                near.keep(sought, tag, key=question + tag, question_hash=request_hash(call.body))

            self._keep(question, call, reply, kept)
        return reply

    def _imported(self, call: Call) -> Imported:
        return {
            key: target for target in self.tags for key in foreign_keys(call, target.partition("/")[2], self.namespace)
        }

    def _keep(self, question: bytes, call: Call, reply: Reply, then: Callable[[bytes], None] | None = None) -> None:
        """Keep the answer; `then` is told the tag under which it is."""
        if isinstance(reply, Completion):
            tag = self.tags.get(reply.target)
            if tag is not None and self.answers.keep(question + tag, reply) and then is not None:
                then(tag)
            return
        if not isinstance(reply, OpenStream) or reply.cached:
            return
        fold = Fold(call.kind)
        reply.watch(fold.add)

        def ended() -> None:
            tag = self.tags.get(reply.target)
            # Of an answer over several streams nobody target gave the whole.
            if reply.complete and tag is not None and not any(attempt.seam for attempt in reply.attempts):
                completion = fold.completion(malformed_events=reply.malformed_events)
                completion.target = reply.target
                completion.request_id = reply.request_id
                fits = call.expected is None or _fits(call, completion)
                if fits and self.answers.keep(question + tag, completion) and then is not None:
                    then(tag)

        reply.on_close(ended)


def _fits(call: Call, completion: Completion) -> bool:
    try:
        return call.expected is None or not call.expected.faults(completion)
    except Exception:  # noqa: BLE001 - the check's own code: what it can't judge isn't served, nor kept
        return False


def _streamed(completion: Completion) -> OpenStream:
    """A cached answer as the stream it might have been."""
    stream = OpenStream(unfold(completion))
    stream.target = completion.target
    stream.request_id = completion.request_id
    stream.cached, stream.semantic = True, completion.semantic
    return stream

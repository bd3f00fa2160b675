"""Answers to questions that mean the same: what the cache asks when it holds no equal one, before anything is sent."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from penstock.call import Call, Completion
from penstock.policies.semantic.memory import Memory
from penstock.policies.semantic.question import Question, question_of
from penstock.policies.semantic.verify import Reason, Strictness, refusal
from penstock.questions import SemanticMatch

__all__ = ["Embed", "Embedded", "Near", "SemanticStats", "Sought"]

_log = logging.getLogger("penstock.cache")

_PROPOSALS: Final = 8
"""How many of the nearest the verifier looks at."""
_AWAY_S: Final = 5.0
"""How long an embedder that failed isn't asked."""


class Embedded(NamedTuple):
    """A text's vector, of length 1, and what it cost; None when its price isn't known."""

    vector: Any
    cost_usd: float | None = 0.0


Embed = Callable[[str, Call], Awaitable[Embedded]]
"""The vector of a text, on behalf of a call. It may raise anything."""


class Sought(NamedTuple):
    """A question that was looked up: what `keep` needs when it has been answered."""

    question: Question
    vector: Any
    cost_usd: float | None


class SemanticStats(msgspec.Struct):
    """Counts since the start."""

    hits: int = 0
    misses: int = 0
    unembedded: int = 0
    """Misses because the embedder failed."""
    refused: Counter[Reason] = msgspec.field(default_factory=Counter)
    """Near questions that the verifier turned down, by what differed."""


class Near:
    """Finds answers by meaning. Never fails a call: an embedder that fails is a miss, and is logged once."""

    def __init__(
        self,
        memory: Memory,
        embed: Embed,
        digest: Callable[[Call], bytes | None],
        *,
        embedder: str,
        floor: float,
        strictness: Strictness = "words",
        every_call: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`embedder` is its name for people; `every_call` False leaves out calls that don't say `semantic`."""
        self.memory = memory
        self.embedder = embedder
        self.floor = floor
        self.stats = SemanticStats()
        self.trouble: str | None = None
        """Why a text could not be embedded, at some time."""
        self._embed = embed
        self._digest = digest
        self._strictness: Strictness = strictness
        self._every_call = every_call
        self._now = now
        self._away_until_s = 0.0

    async def seek(self, call: Call) -> Sought | None:
        """The call's question with its vector; None for what isn't compared by meaning, or can't be now."""
        if call.cache == "exact" or (call.cache != "semantic" and not self._every_call):
            return None
        question = question_of(call, self._digest)
        if question is None:
            return None
        if self._now() < self._away_until_s:
            self.stats.unembedded += 1
            return None
        try:
            embedded = await self._embed(question.text, call)
        except Exception as error:  # noqa: BLE001 - a model or a server may fail in any way, and never fails a call
            self._failed(error)
            return None
        return Sought(question, embedded.vector, embedded.cost_usd)

    async def find(
        self,
        sought: Sought,
        tags: Mapping[str, bytes],
        get: Callable[[bytes], Awaitable[Completion | None]],
    ) -> Completion | None:
        """The answer to a question that means the same, of the first target that has one."""
        question = sought.question
        for tag in tags.values():
            group = question.context + tag
            for found, similarity in self.memory.near(group, sought.vector, floor=self.floor, count=_PROPOSALS):
                reason = refusal(question.text, found.text, self._strictness)
                if reason is not None:
                    self.stats.refused[reason] += 1
                    continue
                completion = await get(found.key)
                if completion is None:
                    self.memory.forget(found)
                    continue
                self.memory.used(found)
                self.stats.hits += 1
                completion.semantic = SemanticMatch(similarity, found.question_hash, self.embedder, sought.cost_usd)
                completion.cost_usd = sought.cost_usd
                return completion
        self.stats.misses += 1
        return None

    def keep(self, sought: Sought, tag: bytes, *, key: bytes, question_hash: str) -> None:
        """Its question has an answer under this key."""
        question = sought.question
        try:
            self.memory.add(question.context + tag, question.text, sought.vector, key=key, question_hash=question_hash)
        except ValueError as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.stats.unembedded += 1
        self._away_until_s = self._now() + _AWAY_S
        if self.trouble is None:
            _log.warning("%s can't embed, and calls go on without answers to like questions: %s", self.embedder, error)
        self.trouble = str(error) or type(error).__name__

"""Many questions looked up at once, before they are calls: for who has the rows of a file in front of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.call import Completion, Kind
from penstock.policies.cache.entry import Kept
from penstock.policies.cache.key import Digester
from penstock.policies.cache.layer import Answers

__all__ = ["Recall"]


class Recall:
    """The cache of one handler, for those who ask it themselves, and give it themselves what the handler answers to
    what it hasn't: where `is_all` such calls are made with the mode "off". Otherwise they are asked of the handler as
    usual, which neither digests nor looks up again those that are told as `missed`."""

    __slots__ = ("_answers", "_digester", "_keeps", "_tags", "_tags_in_order", "is_all")

    def __init__(
        self, answers: Answers, digester: Digester, tags: Mapping[str, bytes], *, keeps: bool, is_all: bool
    ) -> None:
        """`tags` are the targets' tags by name, in their order; see `target_tag`. `keeps`: what is new is kept, and
        not only read. `is_all`: nothing else than this stands before the handler's race."""
        self._answers = answers
        self._digester = digester
        self._tags = tags
        self._tags_in_order = tuple(tags.values())
        self._keeps = keeps
        self.is_all = is_all

    async def prepare(self) -> None:
        """To be called once, before the first `find`."""
        await self._answers.prepare()

    def question(self, digest: bytes, kind: Kind, sample: str) -> bytes:
        """What is asked, as `find` wants it, from a body's `body_digest` and what counts besides it."""
        return self._digester.of_body(digest, sample=sample, kind=kind)

    def find(self, questions: Sequence[bytes]) -> list[Kept | None] | None:
        """What is kept of an answer to each; None where they can't be looked up together."""
        return self._answers.find_many(questions, self._tags_in_order, again=not self.is_all)

    def missed(self, body: dict[str, Any], sample: str, question: bytes) -> None:
        """A call with this very body will be asked of the handler soon."""
        self._digester.know(body, sample, question)

    def key(self, question: bytes, completion: Completion) -> bytes:
        """Under what the answer to a new question is kept; b"" for one that isn't."""
        tag = self._tags.get(completion.target, b"") if self._keeps else b""
        return question + tag if tag and self._answers.is_worth_keeping(completion) else b""

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Give the cache answers, by their keys, as `pack` makes them."""
        self._answers.keep_many(values)

    def completion(self, kept: Kept) -> Completion | None:
        """The whole answer; None when what is kept is none."""
        return self._answers.completion(kept)

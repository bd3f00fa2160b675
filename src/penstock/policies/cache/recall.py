"""Many questions looked up at once, before they are calls: for who has the rows of a file in front of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.call import Completion, Kind
from penstock.policies.cache.entry import Kept
from penstock.policies.cache.key import Digester
from penstock.policies.cache.layer import Answers

__all__ = ["Recall"]


class Recall:
    """The cache of one handler, for those who ask it themselves. What it doesn't find is asked of the handler, which
    neither digests it nor looks it up again."""

    __slots__ = ("_answers", "_digester", "_tags")

    def __init__(self, answers: Answers, digester: Digester, tags: Sequence[bytes]) -> None:
        """`tags` are the targets' tags in their order; see `target_tag`."""
        self._answers = answers
        self._digester = digester
        self._tags = tuple(tags)

    async def prepare(self) -> None:
        """To be called once, before the first `find`."""
        await self._answers.prepare()

    def question(self, digest: bytes, kind: Kind, sample: str) -> bytes:
        """What is asked, as `find` wants it, from a body's `body_digest` and what counts besides it."""
        return self._digester.of_body(digest, sample=sample, kind=kind)

    def find(self, questions: Sequence[bytes]) -> list[Kept | None] | None:
        """What is kept of an answer to each; None where they can't be looked up together."""
        tags = self._tags
        if len(tags) == 1:
            (tag,) = tags
            return self._answers.find_many([(question + tag,) for question in questions])
        return self._answers.find_many([[question + tag for tag in tags] for question in questions])

    def missed(self, body: dict[str, Any], sample: str, question: bytes) -> None:
        """A call with this very body will be asked of the handler soon."""
        self._digester.know(body, sample, question)

    def completion(self, kept: Kept) -> Completion | None:
        """The whole answer; None when what is kept is none."""
        return self._answers.completion(kept)

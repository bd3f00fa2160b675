"""The part `semantic`: every pair through the cache's own lookup, for each embedder, with and without its verifier."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Figure
from bench.real.chapter import Chapter
from bench.semantic.embedders import MODEL, Embedder, embedders
from bench.semantic.pairs import HELD_OUT, TUNING, Asked, read_pairs
from penstock.call import Call, Choice, Completion
from penstock.policies.semantic import Embedded, Memory, Near, refusal

__all__ = ["Found", "measure", "semantic"]

MOST_FALSE = 0.005
_TAGS = {"bench/model": b"model"}
_SETS: dict[str, Path] = {"tuning": TUNING, "held out": HELD_OUT}
_ABOUT = (
    "Questions that were answered are asked again in other words (paraphrases), and others that only look like them "
    "(adversaries), written for this bench; the held-out third was written before anything was tuned, and nothing was "
    "tuned on it. A false hit is an answer to another question. **The figures stand for these embedders alone**: they "
    "know spelling and words, not what words mean. No model can be downloaded here; "
    f"`{MODEL}=FOLDER:FLOOR python -m bench --only semantic` measures one of yours."
)


@dataclass
class Found:
    """Shares of pairs, and what was wrong."""

    paraphrases: int
    adversaries: int
    hits: int = 0
    false_hits: int = 0
    near: int = 0
    """Adversaries that the floor alone would have answered."""
    near_facts: int = 0
    """Those that it would have answered when only facts are verified."""
    refused: Counter[str] = field(default_factory=Counter)
    stories: list[str] = field(default_factory=list)

    @property
    def hit_rate(self) -> float:
        return self.hits / self.paraphrases

    @property
    def false_rate(self) -> float:
        return self.false_hits / self.adversaries


def measure(embedder: Embedder, asked: Sequence[Asked]) -> Found:
    """All questions are kept; then every other one is looked up."""
    return asyncio.run(_measure(embedder, asked))


async def _measure(embedder: Embedder, asked: Sequence[Asked]) -> Found:
    async def embed(text: str, _call: Call) -> Embedded:
        return Embedded(embedder.embed(text))

    near = Near(
        Memory(None, max_entries=50_000), embed, lambda _call: b"context", embedder=embedder.name, floor=embedder.floor
    )

    async def get(key: bytes) -> Completion:
        return Completion(choices=(Choice({"role": "assistant", "content": key.decode()}, "stop"),))

    for one in asked:
        sought = await near.seek(_call(one.text))
        assert sought is not None
        near.keep(sought, b"model", key=one.text.encode(), question_hash="")
    found = Found(sum(len(one.same) for one in asked), sum(len(one.other) for one in asked))
    for one in asked:
        for text in [*one.same, *one.other]:
            sought = await near.seek(_call(text))
            assert sought is not None
            proposed = [
                kept.text for kept, _ in near.memory.near(b"contextmodel", sought.vector, floor=near.floor, count=1)
            ]
            answer = await near.find(sought, _TAGS, get)
            is_same = text in one.same
            if is_same and answer is not None and answer.text == one.text:
                found.hits += 1
            elif answer is not None:
                found.false_hits += 1
                found.stories.append(f"false hit ({embedder.name}): {text!r} got the answer to {answer.text!r}")
            if not is_same and proposed:
                found.near += 1
                found.near_facts += refusal(text, proposed[0], "facts") is None
    found.refused.update(near.stats.refused)
    return found


def _call(text: str) -> Call:
    return Call(id="1", model="bench/model", body={"messages": [{"role": "user", "content": text}]})


def semantic(*, is_quick: bool) -> Chapter:
    """The tables of all embedders; quick or not is the same."""
    del is_quick
    chapter = Chapter("semantic", _ABOUT)
    head = ("embedder", "floor", "pairs", "paraphrases", "answered", "adversaries", "false hits")
    chapter.table = [
        f"| {' | '.join((*head, 'without a verifier', 'with facts alone'))} |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    sets = {name: read_pairs(path) for name, path in _SETS.items()}
    texts = [text for one in sets["tuning"] for text in (one.text, *one.same, *one.other)]
    for embedder in embedders(texts):
        for name, asked in sets.items():
            found = measure(embedder, asked)
            chapter.table.append(
                f"| {embedder.name} | {embedder.floor:g} | {name} | {found.paraphrases} | {found.hit_rate:.1%} | "
                f"{found.adversaries} | {found.false_rate:.2%} | {found.near / found.adversaries:.1%} | "
                f"{found.near_facts / found.adversaries:.1%} |"
            )
            what = f"semantic cache, {embedder.name}, {name}"
            chapter.figures.append(Figure(f"{what}: false hits", found.false_rate, None, MOST_FALSE, form=".2%"))
            chapter.figures.append(Figure(f"{what}: paraphrases answered", found.hit_rate, None, None, form=".1%"))
            chapter.stories += found.stories
    return chapter

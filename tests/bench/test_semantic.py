"""The semantic part: enough pairs, none twice, a third held out, and no false hit in either."""

from __future__ import annotations

import pytest
from bench.semantic.chapter import MOST_FALSE, measure
from bench.semantic.embedders import Embedder, embedders
from bench.semantic.pairs import HELD_OUT, TUNING, Asked, read_pairs

TUNED, HELD = read_pairs(TUNING), read_pairs(HELD_OUT)


def count(asked, kind):
    return sum(len(getattr(one, kind)) for one in asked)


@pytest.mark.parametrize("kind", ["same", "other"])
def test_there_are_400_of_each_and_a_third_is_held_out(kind):
    assert count(TUNED, kind) + count(HELD, kind) >= 400
    assert count(HELD, kind) * 3 >= count(TUNED, kind) + count(HELD, kind)


def test_no_question_is_in_both_parts_or_twice_in_a_group():
    texts = [[one.text, *one.same, *one.other] for one in [*TUNED, *HELD]]
    assert all(len({*group}) == len(group) for group in texts)
    assert {one.text for one in TUNED}.isdisjoint(one.text for one in HELD)


@pytest.mark.parametrize("embedder", embedders([one.text for one in TUNED]), ids=lambda embedder: embedder.name)
@pytest.mark.parametrize("asked", [TUNED, HELD], ids=["tuning", "held out"])
def test_false_hits_stay_rare(embedder, asked):
    found = measure(embedder, asked)
    assert found.false_rate <= MOST_FALSE
    assert found.hit_rate > 0.4


def test_a_false_hit_would_be_counted():
    (one,) = [Asked("How do I reset my password?", ["How do I reset it?"], ["How can I reset my password?"])]
    everything_is_near = Embedder("all alike", 0.5, lambda text: embedders([])[0].embed("the same"))
    found = measure(everything_is_near, [one])
    assert (found.hits, found.false_hits, found.near) == (0, 1, 1)

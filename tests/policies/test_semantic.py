"""What is compared by meaning and what never is; what is remembered, by whom, and for how long."""

from __future__ import annotations

import pytest
from tests.race.given import a_call, an_answer

from penstock.policies.cache import Digester
from penstock.policies.semantic import Embedded, Memory, Near, question_of
from penstock.testing import run
from penstock.vectors import normalised

TAGS = {"t/m": b"tag of t/m", "u/m": b"tag of u/m"}
VECTOR = normalised([1.0, 0.0])
SYSTEM = {"role": "system", "content": "Be brief."}


def user(content):
    return {"role": "user", "content": content}


def asking(*messages, **fields):
    body = {"messages": list(messages), **fields.pop("more", {})}
    return a_call(body=body, **fields)


def question(call):
    return question_of(call, Digester())


IMAGE = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
CALLED = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}


@pytest.mark.parametrize(
    "call",
    [
        asking(user(IMAGE)),
        asking(user(IMAGE), {"role": "assistant", "content": "A cat."}, user("Which?")),
        asking(user("How?"), CALLED, {"role": "tool", "tool_call_id": "1", "content": "5"}),
        asking(user("How?"), CALLED, {"role": "tool", "tool_call_id": "1", "content": "5"}, user("And then?")),
        asking(user("How?"), {"role": "assistant", "content": "So"}, prefill=True),
        asking(SYSTEM),
        asking(user("   ")),
        asking(user("a" * 4001)),
        a_call(kind="embedding", body={"input": ["How?"]}),
        a_call(kind="completion", body={"prompt": "How?"}),
        a_call(body={}),
    ],
)
def test_only_the_last_text_of_a_plain_conversation_is_compared_by_meaning(call):
    assert question(call) is None


def test_a_text_in_a_list_of_one_part_is_a_text():
    assert question(asking(user([{"type": "text", "text": "How?"}]))) == question(asking(user("How?")))


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
PLAIN = asking(SYSTEM, user("How?"))


@pytest.mark.parametrize(
    "other",
    [
        asking(user("How?")),
        asking({**SYSTEM, "content": "Be long."}, user("How?")),
        asking(SYSTEM, user("Hi"), {"role": "assistant", "content": "Hello"}, user("How?")),
        asking(SYSTEM, {**user("How?"), "name": "ann"}),
        asking(SYSTEM, user("How?"), more={"temperature": 0.5}),
        asking(SYSTEM, user("How?"), more={"max_tokens": 5}),
        asking(SYSTEM, user("How?"), more={"tools": [TOOL]}),
        asking(SYSTEM, user("How?"), more={"response_format": {"type": "json_object"}}),
        asking(SYSTEM, user("How?"), sample="1"),
    ],
)
def test_everything_else_has_to_be_equal(other):
    assert question(other).text == question(PLAIN).text
    assert question(other).context != question(PLAIN).context


def test_another_last_text_is_the_same_context():
    assert question(asking(SYSTEM, user("Why?"))).context == question(PLAIN).context


# Finding.


class Vectors:
    """An embedder that says the same vector, or what it was told to."""

    def __init__(self, **told):
        self.told = told
        self.asked = []

    async def __call__(self, text, call):
        self.asked.append(text)
        found = self.told.get(text, VECTOR)
        if isinstance(found, Exception):
            raise found
        return Embedded(found, 0.25)


def near_of(embed=None, *, memory=None, floor=0.8, **fields):
    memory = Memory(None, max_entries=10) if memory is None else memory
    return Near(memory, embed or Vectors(), Digester(), embedder="e/m", floor=floor, **fields)


async def answered(key):
    return an_answer(key.decode())


async def told(near, text, *, tag="t/m", **fields):
    sought = await near.seek(asking(user(text), **fields))
    near.keep(sought, TAGS[tag], key=text.encode(), question_hash=f"hash of {text}")


async def asked(near, text, *, get=answered, tags=TAGS, **fields):
    sought = await near.seek(asking(user(text), **fields))
    return None if sought is None else await near.find(sought, tags, get)


def test_a_question_in_other_words_gets_the_answer_and_says_whose_it_is():
    async def main():
        near = near_of()
        await told(near, "How do I reset my password?")
        found = await asked(near, "How can I reset my password?")
        assert found.text == "How do I reset my password?"
        assert found.semantic.similarity == pytest.approx(1.0)
        assert found.semantic.question_hash == "hash of How do I reset my password?"
        assert (found.semantic.embedder, found.cost_usd) == ("e/m", 0.25)

    run(main())


def test_what_the_verifier_refuses_is_a_miss_that_is_counted():
    async def main():
        near = near_of()
        await told(near, "Convert 5 miles to km.")
        assert await asked(near, "Convert 6 miles to km.") is None
        assert (near.stats.hits, near.stats.misses, near.stats.refused) == (0, 1, {"numbers": 1})

    run(main())


def test_what_is_farther_than_the_floor_is_a_miss():
    async def main():
        near = near_of(Vectors(**{"How can I eat?": normalised([0.6, 0.8])}))
        await told(near, "How do I eat?")
        assert await asked(near, "How can I eat?") is None

    run(main())


def test_a_nearer_question_that_is_refused_doesnt_hide_the_right_one():
    async def main():
        near = near_of(Vectors(**{"How do I eat fish?": normalised([1.0, 0.1])}))
        await told(near, "How do I eat meat?")
        await told(near, "How do I eat fish?")
        assert (await asked(near, "How can I eat fish?")).text == "How do I eat fish?"

    run(main())


def test_one_targets_answer_is_never_anothers():
    async def main():
        near = near_of()
        await told(near, "How do I eat?", tag="u/m")
        assert await asked(near, "How can I eat?", tags={"t/m": TAGS["t/m"]}) is None
        assert (await asked(near, "How can I eat?")) is not None

    run(main())


def test_a_question_whose_answer_is_gone_is_forgotten():
    async def gone(key):
        return None

    async def main():
        near = near_of()
        await told(near, "How do I eat?")
        assert await asked(near, "How can I eat?", get=gone) is None
        assert len(near.memory) == 0

    run(main())


def test_an_embedder_that_fails_is_a_miss_and_is_logged_once_and_left_alone_for_a_while(caplog):
    async def main():
        now = [0.0]
        embed = Vectors(**{"How?": RuntimeError("no such model"), "Why is it?": VECTOR})
        near = near_of(embed, now=lambda: now[0])
        assert await asked(near, "How?") is None
        assert await asked(near, "Why is it?") is None
        assert embed.asked == ["How?"]
        now[0] = 6.0
        assert await asked(near, "How?") is None
        assert embed.asked == ["How?", "How?"]
        assert near.stats.unembedded == 3

    run(main())
    assert [record.getMessage() for record in caplog.records] == [
        "e/m can't embed, and calls go on without answers to like questions: no such model"
    ]


@pytest.mark.parametrize(
    ("every_call", "cache", "seeks"),
    [(True, None, True), (True, "exact", False), (False, None, False), (False, "on", False), (False, "semantic", True)],
)
def test_a_call_says_whether_it_is_compared_by_meaning(every_call, cache, seeks):
    sought = run(near_of(every_call=every_call).seek(asking(user("How do I eat?"), cache=cache)))
    assert (sought is not None) == seeks


# Remembering.


def remember(memory, text, vector=VECTOR, group=b"g"):
    memory.add(group, text, vector, key=text.encode(), question_hash="")


def texts(memory, group=b"g"):
    return sorted(found.text for found, _ in memory.near(group, VECTOR, floor=0.0, count=50))


def test_the_one_that_was_longest_of_no_use_goes_first():
    memory = Memory(None, max_entries=2)
    remember(memory, "a")
    remember(memory, "b")
    (found,) = [found for found, _ in memory.near(b"g", VECTOR, floor=0.0, count=5) if found.text == "a"]
    memory.used(found)
    remember(memory, "c")
    assert texts(memory) == ["a", "c"]


def test_the_same_words_are_remembered_once():
    memory = Memory(None, max_entries=5)
    remember(memory, "a")
    remember(memory, "a")
    assert len(memory) == 1


def test_a_question_lives_as_long_as_its_answer():
    now = [0.0]
    memory = Memory(None, max_entries=5, ttl_s=10.0, now=lambda: now[0])
    remember(memory, "a")
    now[0] = 10.0
    assert texts(memory) == []


def test_questions_outlive_the_process_and_are_shared_with_others(tmp_path):
    path = tmp_path / "questions"
    one, other = Memory(path, max_entries=9), Memory(path, max_entries=9)
    remember(one, "a")
    assert texts(other) == ["a"]
    remember(other, "b")
    assert texts(one) == ["a", "b"]
    assert texts(Memory(path, max_entries=9)) == ["a", "b"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_holds_mostly_what_is_gone_is_written_anew(tmp_path):
    path = tmp_path / "questions"
    memory = Memory(path, max_entries=3)
    for number in range(1100):
        remember(memory, f"question {number}")
    assert texts(Memory(path, max_entries=3)) == ["question 1097", "question 1098", "question 1099"]
    assert path.stat().st_size < 200 * 150


def test_a_file_that_cant_be_used_is_said_once_and_nothing_else_fails(tmp_path, caplog):
    path = tmp_path / "questions"
    path.write_text("something else entirely")
    memory = Memory(path, max_entries=3)
    remember(memory, "a")
    remember(memory, "b")
    assert texts(memory) == ["a", "b"]
    assert path.read_text() == "something else entirely"
    assert len(caplog.records) == 1

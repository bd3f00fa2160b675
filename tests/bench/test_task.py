from __future__ import annotations

import pytest
from bench.real.party import quantile
from bench.real.task import Tally, Task, is_answer_to, question

from penstock.simulator.content import digest_of, echo

PROMPT = question("sk-test-not-a-key", 7)


def answer(prompt: str) -> str:
    return echo(digest_of({"messages": [{"role": "user", "content": prompt}]}), prompt)


def test_the_simulators_answer_is_the_right_one():
    assert is_answer_to(PROMPT, answer(PROMPT))


@pytest.mark.parametrize(
    "text",
    [
        "",
        answer(PROMPT)[:-1],
        answer(PROMPT) + answer(PROMPT),
        answer(question("sk-test-not-a-key", 8)),
        "<html>" + answer(PROMPT)[6:],
        PROMPT,
    ],
)
def test_a_part_a_mixture_or_an_error_is_no_answer(text: str):
    assert not is_answer_to(PROMPT, text)


def test_a_late_answer_is_told_with_its_attempts():
    task = Task("late", "http://simulator.invalid", "sk-test-not-a-key", ("a",), 1, 1, deadline_s=-1.0)
    tally = Tally(task)
    tally.tell(PROMPT, 0.0, answer(PROMPT), story=["0.00 to 31.00 s: a/m answered"])
    assert tally.outcomes[0].what == "correct"
    assert "a/m answered" in tally.stories[0]


def test_a_quantile_is_exceeded_by_no_more_than_the_rest():
    values = list(range(1, 101))
    assert quantile(values, 0.5) == 50
    assert quantile(values, 0.99) == 99

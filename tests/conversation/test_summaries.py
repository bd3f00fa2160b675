"""What leaves the window is told in a summary that a model writes; it never stands in an answer's way."""

import pytest
from tests.conversation.given import said

from penstock import AsyncClient, Client, Conversation
from penstock.conversation.summary import cut_to, summarise
from penstock.errors import ConfigError
from penstock.testing import run
from penstock.tokens import Counter

ROUTES = {"routes": {"cheap": {"targets": ["sim/limited"]}, "dead": {"targets": ["sim/down"], "deadline": "0.1s"}}}


@pytest.fixture
def client():
    with Client("sim/fast", config=ROUTES) as made:
        yield made


def talk(chat, count):
    for number in range(count):
        chat.ask(f"question {number} " + "word " * 15)


def test_what_leaves_the_window_is_summarised_and_sent_in_few_words(client):
    chat = Conversation("Be brief.", client=client, max_tokens=400, compress="summary")
    talk(chat, 12)
    sent = chat.last_sent
    assert (sent.left_out, sent.trouble) == (0, None)
    assert sent.tokens <= 400
    assert sent.summary == chat.summary
    assert sent.summary in sent.messages[0]["content"]
    assert sent.messages[0]["content"].startswith("Be brief.")
    assert len(chat) == 25


def test_it_is_written_by_the_model_that_was_named_and_its_cost_counts(client):
    chat = Conversation(client=client, max_tokens=400, compress="summary", summary_model="cheap")
    talk(chat, 12)
    stats, engine = chat.stats(), client.stats()
    assert engine.targets["sim/limited"].answered == stats.summaries > 0
    assert engine.targets["sim/fast"].answered == stats.answers == 12
    assert stats.usage == engine.usage
    assert stats.summarised > 0


def test_it_isnt_written_at_every_question(client):
    chat = Conversation(client=client, max_tokens=1000, compress="summary")
    talk(chat, 40)
    assert 0 < chat.stats().summaries < 20


def test_without_need_there_is_none(client):
    chat = Conversation(client=client, max_tokens=10_000, compress="summary")
    talk(chat, 5)
    assert (chat.summary, chat.stats().summaries) == (None, 0)


def test_pinned_messages_are_sent_as_they_stand_beside_it(client):
    chat = Conversation(client=client, max_tokens=400, compress="summary")
    chat.add("user", "My name is Ada.", pinned=True)
    talk(chat, 12)
    assert chat.summary
    assert "My name is Ada." in [body["content"] for body in chat.last_sent.messages]


def test_a_summary_that_cant_be_written_leaves_the_window_and_is_told(client):
    chat = Conversation(client=client, max_tokens=300, compress="summary", summary_model="dead")
    talk(chat, 12)
    assert "could not be summarised" in chat.last_sent.trouble
    assert (chat.last_sent.left_out > 0, len(chat)) == (True, 24)


def test_an_unknown_model_for_it_leaves_the_window_and_is_told(client):
    chat = Conversation(client=client, max_tokens=300, compress="summary", summary_model="opnai/x")
    talk(chat, 12)
    assert "did you mean openai" in chat.last_sent.trouble
    with pytest.raises(ConfigError):
        Conversation(client=client, summary_model=5)


def test_undoing_what_it_tells_drops_it(client):
    chat = Conversation(client=client, max_tokens=400, compress="summary")
    talk(chat, 12)
    while chat.summary:
        chat.undo()
    assert 0 < len(chat) < 24


def test_a_change_of_the_system_prompt_keeps_it(client):
    chat = Conversation("Be brief.", client=client, max_tokens=400, compress="summary")
    talk(chat, 12)
    told = chat.summary
    chat.system = "Be long."
    assert chat.summary == told
    chat.system = None
    assert chat.summary == told
    chat.ask("on")
    assert told in chat.last_sent.messages[0]["content"]


def test_it_is_kept_with_the_conversation(client):
    chat = Conversation(client=client, max_tokens=400, compress="summary", store="sqlite:kept.sqlite", name="moon")
    talk(chat, 12)
    again = Conversation(client=client, store="sqlite:kept.sqlite", name="moon")
    assert again.summary == chat.summary is not None
    assert again.fork().summary == chat.summary


def test_what_is_too_long_for_one_request_is_told_in_several():
    async def main():
        async with AsyncClient("sim/fast", config={}) as client:
            leaving = [said("user", "moon " * 9_000) for _ in range(20)]
            return await summarise(client, "They met.", leaving, model="sim/fast", tokens=50)

    text, answers = run(main())
    assert 1 < len(answers) < 10
    assert Counter("fast").text(text) <= 50
    assert all(answer.usage.input_tokens < 60_000 for answer in answers)


def test_a_text_is_cut_to_its_tokens():
    counter = Counter("gpt-4o")
    cut = cut_to("moon and stars " * 500, 50, counter)
    assert 45 <= counter.text(cut) <= 50
    assert (cut_to("moon", 50, counter), cut_to("moon", 0, counter)) == ("moon", "")

"""What leaves the window is told by a caller's own function, where one is given."""

import threading

import pytest
from tests.conversation.test_summaries import talk

from penstock import AsyncClient, Client, Conversation
from penstock.errors import ConfigError
from penstock.testing import run


@pytest.fixture
def client():
    with Client("sim/fast", config={}) as made:
        yield made


class Notes:
    """Counts what was told so far, and remembers how it was called."""

    def __init__(self):
        self.calls = []

    def __call__(self, before, leaving):
        self.calls.append((before, [message.role for message in leaving], threading.current_thread()))
        return f"{len(leaving) + (int(before.split()[0]) if before else 0)} messages before"


def test_it_gets_the_summary_so_far_and_what_leaves_and_costs_nothing(client):
    notes = Notes()
    chat = Conversation("Be brief.", client=client, max_tokens=300, summarizer=notes)
    talk(chat, 12)
    stats, told = chat.stats(), len(notes.calls)
    assert notes.calls[0][:2] == (None, ["user", "assistant"] * (len(notes.calls[0][1]) // 2))
    assert notes.calls[1][0].endswith("messages before")
    assert f"{stats.summarised} messages before" == chat.summary == chat.last_sent.summary
    assert chat.summary in chat.last_sent.messages[0]["content"]
    assert (stats.summaries, client.stats().requests) == (told, 12)
    assert all(thread is not threading.current_thread() for *_, thread in notes.calls)


def test_it_may_be_awaited():
    async def notes(before, leaving):
        return "They counted."

    async def main():
        async with AsyncClient("sim/fast", config={}) as client:
            chat = Conversation(client=client, max_tokens=300, summarizer=notes)
            for number in range(12):
                await chat.ask(f"question {number} " + "word " * 15)
            return chat.summary

    assert run(main()) == "They counted."


@pytest.mark.parametrize(
    ("summarizer", "why"),
    [
        (lambda before, leaving: 1 / 0, "summarizer: ZeroDivisionError: division by zero"),
        (lambda before, leaving: None, "summarizer: expected the summary as text, got None"),
        (lambda before: "", "summarizer: TypeError"),
    ],
)
def test_one_that_fails_costs_no_answer_and_is_told(client, summarizer, why):
    chat = Conversation(client=client, max_tokens=300, summarizer=summarizer)
    talk(chat, 12)
    assert why in chat.last_sent.trouble
    assert (chat.summary, len(chat), chat.last_sent.left_out > 0) == (None, 24, True)


def test_what_it_says_is_cut_to_the_summarys_tokens(client):
    chat = Conversation(client=client, max_tokens=300, summary_tokens=20, summarizer=lambda *_: "moon " * 1000)
    talk(chat, 12)
    assert 0 < len(chat.summary) < 200
    assert chat.last_sent.tokens <= 300


def test_forks_have_it_and_who_loads_a_file_says_it_again(client, tmp_path):
    notes = Notes()
    chat = Conversation(client=client, max_tokens=300, summarizer=notes)
    chat.save(tmp_path / "chat.json")
    for other in (chat.fork(), Conversation.load(tmp_path / "chat.json", client=client, summarizer=notes)):
        notes.calls.clear()
        talk(other, 12)
        assert notes.calls


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"summarizer": "short"}, "summarizer: expected a function of the summary so far"),
        ({"summarizer": print, "compress": "window"}, 'summarizer and compress="window" exclude each other'),
        ({"summarizer": print, "summary_model": "sim/fast"}, "summarizer and summary_model exclude each other"),
    ],
)
def test_what_cant_be_meant_is_refused(options, says):
    with pytest.raises(ConfigError, match=says):
        Conversation(**options)

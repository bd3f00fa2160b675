"""A streamed answer is part of the conversation once its last chunk is there, and not before."""

import asyncio

import pytest

from penstock import AsyncClient, Client, Conversation
from penstock.errors import ContextTooLong, PenstockError, Unanswered
from penstock.testing import run


@pytest.fixture
def chat():
    with Client("sim/fast", config={}) as client:
        yield Conversation("Be brief.", client=client)


def test_the_exchange_is_kept_with_the_last_chunk(chat):
    lengths = []
    for chunk in chat.stream("tell me"):
        lengths.append((chunk.is_last, len(chat)))
    assert lengths[0] == (False, 1)
    assert lengths[-1] == (True, 3)


def test_callbacks_are_told_and_the_answer_is_kept_before_its_end_is_told(chat):
    told = []
    stream = chat.stream(
        "hi", on_chunk=lambda chunk, _: told.append(chunk), on_complete=lambda _: told.append(len(chat))
    )
    answer = stream.finish()
    assert told[-1] == 3
    assert "".join(chunk.text for chunk in told[:-1]) == answer.text == stream.text


def test_a_stream_that_is_left_changes_nothing_and_gives_the_turn_back(chat):
    with chat.stream("one") as stream:
        next(stream)
    assert len(chat) == 1
    chat.ask("two")
    assert chat.messages[1].text == "two"


def test_a_stream_that_is_dropped_gives_the_turn_back(chat):
    stream = chat.stream("one")
    next(stream)
    held = [stream]
    del stream
    with pytest.warns(ResourceWarning, match="dropped half read"):
        held.clear()
    assert chat.ask("two").text.endswith("two")


def test_a_question_in_the_middle_of_ones_own_stream_is_an_error_instead_of_a_wait(chat):
    with chat.stream("one") as stream:
        next(stream)
        with pytest.raises(PenstockError, match="still being read here"):
            chat.ask("two")
        stream.finish()
    assert len(chat) == 3


def test_others_wait_until_the_stream_is_over():
    async def main():
        async with AsyncClient("sim/typical", config={}) as client:
            chat = Conversation(client=client)
            async with chat.stream("one") as stream:
                waiting = asyncio.create_task(chat.ask("two"))
                await stream.finish()
            await waiting
            return [message.text for message in chat.messages][::2]

    assert run(main()) == ["one", "two"]


def test_a_cancelled_stream_leaves_everything_as_it_was():
    async def main():
        async with AsyncClient("sim/typical", config={}) as client:
            chat = Conversation(client=client)
            begun = asyncio.Event()
            task = asyncio.create_task(chat.stream("one", on_chunk=lambda *_: begun.set()).finish())
            await begun.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await chat.ask("two")
            return chat.messages[0].text

    assert run(main()) == "two"


def test_a_stream_that_fails_is_told_and_gives_the_turn_back(chat):
    errors = []
    with pytest.raises(Unanswered):
        chat.stream("one", model="sim/down", deadline=0.1, on_error=errors.append).finish()
    assert (len(errors), len(chat)) == (1, 1)
    assert chat.ask("two").text.endswith("two")


def test_a_question_without_room_is_told_before_anything_is_sent():
    errors = []
    with Client("sim/fast", config={}) as client:
        chat = Conversation(client=client, max_tokens=30)
        with pytest.raises(ContextTooLong):
            chat.stream("word " * 50, on_error=errors.append).finish()
        assert (len(errors), client.stats().requests) == (1, 0)
        with pytest.raises(TypeError):
            chat.stream("one", temprature=1)


def test_what_wasnt_read_has_no_answer(chat):
    stream = chat.stream("one")
    with pytest.raises(PenstockError, match="only once its last chunk"):
        _ = stream.answer
    assert stream.text == ""
    stream.close()
    assert chat.ask("two").text.endswith("two")

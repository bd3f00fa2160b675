"""A conversation keeps what was said, in the order in which it was asked, whatever fails meanwhile."""

import asyncio
import threading

import pytest

import penstock
from penstock import AsyncClient, Client, Conversation
from penstock.conversation.turns import Turns
from penstock.errors import ConfigError, ContextTooLong, InputError, PenstockError, Unanswered
from penstock.testing import run

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def chat():
    with Client("sim/fast", config={}) as client:
        yield Conversation("Be brief.", client=client)


def texts(conversation):
    return [message.text for message in conversation.messages]


def test_an_answer_knows_all_that_was_said_before_and_is_kept(chat):
    first = chat.ask("one")
    second = chat.ask("two")
    assert texts(chat) == ["Be brief.", "one", first.text, "two", second.text]
    assert [body["content"] for body in chat.last_sent.messages] == ["Be brief.", "one", first.text, "two"]
    assert second.usage.input_tokens > first.usage.input_tokens


def test_messages_have_times_tokens_and_how_the_answer_came_to_be():
    with Client("sim/fast", config={}) as client:
        chat = Conversation(client=client, now=iter(range(100, 200)).__next__)
        answer = chat.ask("How big is the moon?")
        question, reply = chat.messages
    assert (question.role, question["content"], question.at_s < reply.at_s) == ("user", "How big is the moon?", True)
    assert question.at.year == 1970
    assert question.tokens == penstock.count_tokens([question.body], model="sim/fast").tokens - 3
    assert (reply.told.target, reply.told.usage) == ("sim/fast", answer.usage)


def test_with_an_async_client_it_is_awaited():
    async def main():
        async with AsyncClient("sim/fast", config={}) as client:
            chat = Conversation("Be brief.", client=client)
            answer = await chat.ask("one")
            async with chat.stream("two") as stream:
                streamed = "".join([chunk.text async for chunk in stream])
            return texts(chat), answer.text, streamed

    said, first, second = run(main())
    assert said == ["Be brief.", "one", first, "two", second]


def test_concurrent_questions_are_asked_in_the_order_in_which_they_came():
    async def main():
        async with AsyncClient("sim/typical", config={}) as client:
            chat = Conversation(client=client)
            await asyncio.gather(*(chat.ask(f"question {number}") for number in range(5)))
            assert len(chat.last_sent.messages) == 9
            return texts(chat)[::2]

    assert run(main()) == [f"question {number}" for number in range(5)]


def test_questions_of_several_threads_never_mix():
    with Client("sim/fast", config={}) as client:
        chat = Conversation(client=client)
        threads = [threading.Thread(target=chat.ask, args=(f"question {number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        said = chat.messages
    assert [message.role for message in said] == ["user", "assistant"] * 8
    assert all(answer.text.endswith(asked.text) for asked, answer in zip(said[::2], said[1::2], strict=True))


def test_a_failed_question_leaves_everything_as_it_was(chat):
    chat.ask("one")
    before, spent = chat.messages, chat.stats().answers
    with pytest.raises(Unanswered):
        chat.ask("two", model="sim/down", deadline=0.1)
    assert (chat.messages, chat.stats().answers) == (before, spent)
    assert chat.ask("three").text.endswith("three")


def test_a_cancelled_question_leaves_everything_as_it_was_and_the_next_one_goes_on():
    async def main():
        async with AsyncClient("sim/typical", config={}) as client:
            chat = Conversation(client=client)
            tasks = [asyncio.create_task(chat.ask(f"question {number}")) for number in range(4)]
            await asyncio.sleep(0.01)
            tasks[0].cancel()  # it is being answered
            tasks[2].cancel()  # it waits
            await asyncio.gather(*tasks, return_exceptions=True)
            return texts(chat)[::2]

    assert run(main()) == ["question 1", "question 3"]


def test_a_question_that_is_cancelled_at_its_very_turn_hands_it_on():
    async def main():
        turns = Turns()
        await turns.take("first")
        waiting = [asyncio.create_task(turns.take(number)) for number in range(3)]
        await asyncio.sleep(0)
        turns.give()  # to the first in the line, who doesn't know yet
        waiting[0].cancel()
        await waiting[1]
        assert (turns.waiting, waiting[0].cancelled(), waiting[2].done()) == (1, True, False)
        turns.give()
        await waiting[2]

    run(main())


def test_undo_takes_the_last_question_back(chat):
    chat.ask("one")
    kept = chat.messages
    answer = chat.ask("two")
    assert [message.text for message in chat.undo()] == ["two", answer.text]
    assert chat.messages == kept
    chat.undo()
    assert texts(chat) == ["Be brief."]
    with pytest.raises(InputError, match="nothing to undo"):
        chat.undo()


def test_undo_takes_calls_and_results_along(chat):
    chat.ask("one")
    called = chat.ask("look", tools=[TOOL], tool_choice="required")
    chat.add("tool", {"sky": "blue"}, tool_call_id=called.tool_calls[0]["id"])
    chat.ask()
    assert len(chat.undo()) == 4
    assert len(chat) == 3


def test_tools_that_are_functions_are_counted_and_called(chat):
    def look(at: str) -> str:
        """Look at something in the sky, and say what it is like. Takes a while; look at one thing at a time."""
        return at

    chat.ask("one")
    plain = chat.last_sent.tokens
    chat.undo()
    answer = chat.ask("one", tools=[look], tool_choice="required")
    assert chat.last_sent.tokens > plain + 20
    chat.add("tool", look(**answer.tool_calls[0].arguments), tool_call_id=answer.tool_calls[0].id)
    assert chat.ask(tools=[look]).status == "success"


def test_a_fork_goes_its_own_way(chat):
    chat.ask("one")
    fork = chat.fork()
    fork.ask("two")
    fork.system = "Be long."
    assert (len(chat), len(fork), chat.system, fork.system) == (3, 5, "Be brief.", "Be long.")
    assert fork.stats().answers == 2


def test_nothing_comes_between_a_call_and_its_result(chat):
    answer = chat.ask("look", tools=[TOOL], tool_choice="required")
    call = answer.tool_calls[0]["id"]
    for ask in (lambda: chat.ask("and?"), lambda: chat.add("user", "and?"), lambda: chat.ask()):
        with pytest.raises(InputError, match="has no result yet"):
            ask()
    with pytest.raises(InputError, match='no tool call "other"'):
        chat.add("tool", "blue", tool_call_id="other")
    chat.add("tool", {"sky": "blue"}, tool_call_id=call)
    assert chat.messages[-1].text == '{"sky":"blue"}'
    assert chat.ask().status == "success"


def test_a_pinned_message_is_always_sent():
    with Client("sim/fast", config={}) as client:
        chat = Conversation("Be brief.", client=client, max_tokens=120)
        chat.add("user", "My name is Ada.", pinned=True)
        for number in range(8):
            chat.ask(f"question {number} " + "word " * 10)
        sent = [body["content"] for body in chat.last_sent.messages]
        assert sent[:2] == ["Be brief.", "My name is Ada."]
        assert chat.last_sent.left_out > 0
        chat.unpin(1)
        chat.ask("last")
        assert "My name is Ada." not in [body["content"] for body in chat.last_sent.messages]


def test_a_question_without_room_is_refused_before_it_is_sent_and_not_kept():
    with Client("sim/fast", config={}) as client:
        chat = Conversation("Be brief.", client=client, max_tokens=50)
        with pytest.raises(ContextTooLong, match=r"alone are \d+ tokens too many for the 50 that may be sent"):
            chat.ask("word " * 100)
        assert (len(chat), client.stats().requests) == (1, 0)


def test_a_conversation_is_a_prompt_for_a_client(chat):
    other = Client("sim/fast", config={})
    chat.add("user", "How big is the moon?")
    assert other.generate(chat).text.endswith("moon?")
    assert other.generate(penstock.Request(chat, max_tokens=3)).status == "truncated"
    assert [answer.error for answer in other.map([chat, chat])] == [None, None]
    with other.stream(chat) as stream:
        assert stream.finish().text.endswith("moon?")
    assert len(chat) == 2
    other.close()


def test_as_a_prompt_it_is_kept_within_the_clients_context(chat):
    for number in range(200):
        chat.add("user", f"question {number} " + "word " * 100)
        chat.add("assistant", "yes")
    chat.add("user", "last")
    client = AsyncClient("openai/gpt-4", config={"providers": {"openai": {"api_key": "sk-test-not-a-key"}}})
    sent, model = chat.spoken(client.contexts, None, {})
    assert (model, sent[0]["content"], sent[-1]["content"]) == (None, "Be brief.", "last")
    assert 5000 < penstock.count_tokens(sent, model="openai/gpt-4").tokens < 8192 - 2048


def test_stats_count_what_is_there_and_what_it_cost():
    prices = {"providers": {"sim": {"prices": {"*": {"input": 1.0, "output": 2.0}}}}}
    clock = iter(range(0, 1000, 10)).__next__
    with Client("sim/fast", config=prices) as client:
        chat = Conversation("Be brief.", client=client, max_tokens=200, now=clock)
        cost = sum(chat.ask("how").cost for _ in range(3))
        stats = chat.stats()
    assert (stats.messages, stats.by_role) == (7, {"system": 1, "user": 3, "assistant": 3})
    assert stats.cost_usd == pytest.approx(cost)
    assert stats.tokens == sum(message.tokens for message in chat.messages)
    assert stats.utilisation == stats.context_tokens / 200
    assert (stats.answers, stats.duration_s > 0) == (3, True)


def test_a_system_prompt_that_is_replaced_turns_no_time_back():
    clock = iter(range(0, 1000, 10)).__next__
    with Client("sim/fast", config={}) as client:
        chat = Conversation("Be brief.", client=client, now=clock)
        chat.ask("how")
        chat.system = "Be long."
        assert chat.stats().duration_s > 0


def test_a_role_that_is_none_is_told_with_the_roles_once():
    with pytest.raises(InputError) as caught:
        Conversation().add("robot", "x")
    assert str(caught.value) == "role: expected system, developer, user, assistant or tool, got 'robot'"


def test_thousands_talk_at_once():
    async def main():
        async with AsyncClient("sim/fast", config={}) as client:
            chats = [Conversation(f"You are number {number}.", client=client) for number in range(2000)]
            for text in ("one", "two"):
                await asyncio.gather(*(chat.ask(text) for chat in chats))
            return [[message.text for message in chat.messages] for chat in chats]

    for number, said in enumerate(run(main())):
        assert (said[0], said[1], said[3]) == (f"You are number {number}.", "one", "two")


def test_the_model_may_change_meanwhile(chat):
    chat.model = "sim/typical"
    assert chat.ask("one").target == "sim/typical"
    with pytest.raises(ConfigError, match="did you mean"):
        chat.model = "opnai/x"
    assert chat.model == "sim/typical"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_tokens": 0}, ConfigError, "max_tokens: expected a whole number above 0"),
        ({"max_tokens": "many"}, ConfigError, "max_tokens"),
        ({"compress": "sumary"}, ConfigError, 'did you mean "summary"'),
        ({"summary_tokens": True}, ConfigError, "summary_tokens"),
        ({"store": "sqllite"}, ConfigError, "store: expected"),
        ({"store": object()}, ConfigError, "store: expected"),
        ({"name": "moon"}, ConfigError, "in a store"),
        ({"store": "memory", "name": ""}, InputError, "a conversation's name"),
        ({"model": 7}, ConfigError, "model: expected a target"),
        ({"metadata": {"x": object()}}, ConfigError, "metadata"),
        ({"max_token": 5}, TypeError, 'did you mean "max_tokens"'),
        ({"client": "sim/fast"}, ConfigError, "client: expected a penstock.Client"),
        ({"system": ""}, InputError, "the system's message is empty"),
        ({"system": 5}, InputError, "expected text"),
    ],
)
def test_a_setting_that_cant_be_meant_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        Conversation(**options)


@pytest.mark.parametrize(
    ("role", "content", "more", "message"),
    [
        ("usr", "x", {}, 'did you mean "user"'),
        (None, "x", {}, "role: expected"),
        ("user", " ", {}, "the user's message is empty"),
        ("user", None, {}, "expected text or a list of parts"),
        ("user", ["x"], {}, "a list of parts"),
        ("assistant", None, {}, "expected text"),
        ("assistant", None, {"tool_calls": [{}]}, "each with an id"),
        ("tool", "x", {}, "tool_call_id"),
        ("user", "x", {"metadata": {"at": object()}}, "metadata: expected what JSON can hold"),
    ],
)
def test_a_message_that_is_none_is_refused(chat, role, content, more, message):
    with pytest.raises(InputError, match=message):
        chat.add(role, content, **more)
    assert len(chat) == 1


def test_what_belongs_to_the_conversation_is_refused_with_a_question(chat):
    with pytest.raises(ConfigError, match=r"conversation\.system"):
        chat.ask("one", system="Be long.")
    with pytest.raises(TypeError, match="did you mean"):
        chat.ask("one", temprature=1)
    with pytest.raises(InputError, match="nothing to answer"):
        chat.ask()
    with pytest.raises(InputError, match="no message 9"):
        chat.pin(9)


def test_a_closed_client_is_told(chat):
    chat.ask("one")
    chat._client.close()
    with pytest.raises(PenstockError, match="closed"):
        chat.ask("two")
    assert len(chat) == 3


def test_it_may_be_used_from_one_event_loop_after_the_other():
    client = AsyncClient("sim/fast", config={})
    chat = Conversation(client=client)

    async def two():
        await asyncio.gather(chat.ask("one"), chat.ask("two"))
        await client.aclose()

    asyncio.run(two())
    asyncio.run(two())
    assert len(chat) == 8


def test_without_a_client_the_configuration_answers():
    chat = Conversation(model="sim/fast")
    assert chat.ask("one").text.endswith("one")
    with pytest.raises(ConfigError, match="no model"):
        Conversation().ask("one")


@pytest.mark.parametrize("options", [{}, {"max_tokens": 50}])
def test_the_limit_of_an_empty_conversation_is_known(options):
    with Client("openai/gpt-4o-mini", config={"providers": {"openai": {"api_key": "sk-test-not-a-key"}}}) as client:
        chat = Conversation(client=client, **options)
        empty = chat.stats()
        chat.add("user", "Hello?")
        assert empty.limit == chat.stats().limit is not None
        assert (empty.context_tokens, empty.utilisation, empty.left_out) == (0, 0.0, 0)
    with Client("sim/fast", config={}) as client:
        assert Conversation(client=client).stats().utilisation is None

"""Questions that are answered with tools: what is kept of them, in which order, and what is sent of it."""

import asyncio

import pytest

import penstock
from penstock import AsyncClient, Client, Conversation
from penstock.call import Choice, Completion, Usage
from penstock.conversation import NotKept
from penstock.errors import ConfigError, ContextTooLong, InputError, PenstockError, ToolLoopStopped, Unanswered
from penstock.testing import run


def look(at: str) -> str:
    """Look at it."""
    return f"saw {at}"


def completion(message, finish="stop"):
    message = {"role": "assistant", "content": None, **message}
    return Completion(
        choices=(Choice(message, finish),), usage=Usage(10, 5), target="t/m", cost_usd=0.1, requests_sent=1
    )


def calls(*places, name="look"):
    made = [
        {"id": f"{place}-{name}", "type": "function", "function": {"name": name, "arguments": f'{{"at": "{place}"}}'}}
        for place in places
    ]
    return completion({"tool_calls": made}, "tool_calls")


def says(text):
    return completion({"content": text})


class Scripted(AsyncClient):
    """A client whose model says what is in the script; an error in it is raised."""

    def __init__(self, *script):
        super().__init__("sim/fast", config={})
        self.script = list(script)
        self.asked = []

    async def _complete(self, row):
        self.asked.append(row.body["messages"])
        await asyncio.sleep(0)
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step


def roles(chat):
    return [message.role for message in chat.messages]


def held(client, act, **options):
    """What `act` makes of a conversation, and the conversation."""

    async def main():
        async with client:
            chat = Conversation("Be brief.", client=client, **options)
            return await act(chat), chat, chat.stats()

    return run(main())


def test_calls_results_and_the_answer_are_kept_in_their_order_and_the_next_question_knows_them():
    client = Scripted(calls("a", "b"), calls("c"), says("Done."), says("Yes."))

    async def act(chat):
        answer = await chat.converse("Look around.", tools=[look])
        await chat.ask("Sure?")
        return answer

    answer, chat, stats = held(client, act)
    assert roles(chat)[1:8] == ["user", "assistant", "tool", "tool", "assistant", "tool", "assistant"]
    assert [m.text for m in chat.messages if m.role == "tool"] == ["saw a", "saw b", "saw c"]
    assert (answer.text, answer.cost, answer.usage) == ("Done.", pytest.approx(0.3), Usage(30, 15))
    assert client.asked[-1] == [message.body for message in chat.messages[:-1]]
    assert [message.told.usage for message in chat.messages if message.told] == [Usage(10, 5)] * 4
    assert (stats.answers, stats.usage, stats.cost_usd) == (4, Usage(40, 20), pytest.approx(0.4))


def test_undo_takes_the_whole_turn_back():
    async def act(chat):
        await chat.ask("Hello?")
        await chat.converse("Look around.", tools=[look])
        return chat.undo()

    taken, chat, _ = held(Scripted(says("Hi."), calls("a"), says("Done.")), act)
    assert [message.role for message in taken] == ["user", "assistant", "tool", "assistant"]
    assert roles(chat) == ["system", "user", "assistant"]


@pytest.mark.parametrize("failure", [Unanswered("no", ()), asyncio.CancelledError()])
def test_what_fails_or_is_cancelled_leaves_the_history_as_it_was_and_its_cost_is_told(failure):
    async def act(chat):
        with pytest.raises(type(failure)) as caught:
            await chat.converse("Look around.", tools=[look])
        after = roles(chat)
        await chat.ask("Again?")  # the turn was given back
        return caught.value, after

    (error, after), chat, stats = held(Scripted(calls("a"), failure, says("Yes.")), act)
    assert after == ["system"]
    assert roles(chat) == ["system", "user", "assistant"]
    assert (stats.answers, stats.cost_usd) == (2, pytest.approx(0.2))
    if isinstance(error, PenstockError):
        assert [message["role"] for message in error.messages] == ["system", "user", "assistant", "tool"]


def test_a_bound_stops_it_and_keeps_nothing():
    async def act(chat):
        with pytest.raises(ToolLoopStopped) as caught:
            await chat.converse("Look.", tools=[look], max_steps=2)
        return caught.value

    error, chat, _ = held(Scripted(calls("a"), calls("b"), says("never")), act)
    assert (error.which, roles(chat)) == ("steps", ["system"])


def test_errors_of_tools_are_told_or_raised():
    def fails(at: str) -> str:
        raise ValueError(at)

    async def act(chat):
        await chat.converse("Try.", tools=[fails])
        with pytest.raises(ValueError, match="b"):
            await chat.converse("Try again.", tools=[fails], raise_tool_errors=True)

    _, chat, _ = held(Scripted(calls("a", name="fails"), says("It fails."), calls("b", name="fails")), act)
    assert [m.text for m in chat.messages if m.role == "tool"] == ["Error: ValueError: a"]


def test_a_call_of_a_tool_without_a_function_is_kept_and_waits_for_its_result():
    foreign = {"type": "function", "function": {"name": "seek", "parameters": {"type": "object", "properties": {}}}}

    async def act(chat):
        answer = await chat.converse("Look.", tools=[look, foreign])
        chat.add("tool", "found", tool_call_id=answer.tool_calls[0].id)
        return await chat.converse(tools=[look, foreign])

    answer, chat, _ = held(Scripted(calls("a", name="seek"), calls("b"), says("Done.")), act)
    assert roles(chat) == ["system", "user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert answer.text == "Done."


def whole_blocks(messages):
    """Every result stands behind the call that it answers, and every call has all its results."""
    open_ = []
    for message in messages:
        if message["role"] == "tool":
            open_.remove(message["tool_call_id"])
        else:
            assert not open_
            open_ = [call["id"] for call in message.get("tool_calls") or ()]
    return not open_


@pytest.mark.parametrize("options", [{}, {"summarizer": lambda before, leaving: f"{len(leaving)} left"}])
def test_a_loop_that_grows_over_the_window_sends_whole_blocks_of_the_newest(options):
    def long(at: str) -> str:
        return f"{at} " * 40

    steps = [calls(*"ab"[: 1 + number % 2], name="long") for number in range(8)]
    client = Scripted(says("Hi. " * 30), *steps, says("Done."))

    async def act(chat):
        await chat.ask("Hello? " * 20)
        await chat.converse("Look.", tools=[long], max_tokens=50)
        return chat.last_sent

    sent, chat, _ = held(client, act, max_tokens=330, **options)
    assert len(chat.messages) == 3 + 1 + 8 + 12 + 1
    assert sent.tokens <= sent.limit
    assert client.asked[-1] == sent.messages
    for asked in client.asked[1:]:
        assert whole_blocks(asked)
        assert [m["content"] for m in asked if m["role"] == "user"][-1] == "Look."
    assert len(client.asked[-1]) < len(chat.messages) - 1
    assert chat.messages[0].text in client.asked[-1][0]["content"]
    assert (chat.summary is not None) == bool(options)


def test_a_result_that_has_no_room_is_told_before_it_is_sent():
    async def act(chat):
        with pytest.raises(ContextTooLong) as caught:
            await chat.converse("Look.", tools=[huge])
        return caught.value

    def huge(at: str) -> str:
        return "much " * 500

    client = Scripted(calls("a", name="huge"), says("never"))
    error, chat, _ = held(client, act, max_tokens=200)
    assert (len(client.asked), roles(chat), len(error.messages)) == (1, ["system"], 4)


def test_concurrent_questions_wait_for_the_whole_loop():
    async def act(chat):
        await asyncio.gather(chat.converse("one", tools=[look]), chat.ask("two"), chat.converse("three", tools=[look]))

    script = [calls("a"), says("1"), says("2"), calls("b"), says("3")]
    _, chat, _ = held(Scripted(*script), act)
    assert [m.text for m in chat.messages if m.text][1:] == ["one", "saw a", "1", "two", "2", "three", "saw b", "3"]


def test_a_stored_conversation_goes_on_behind_the_tools(tmp_path):
    store = f"sqlite:{tmp_path / 'kept.sqlite'}"

    async def act(chat):
        await chat.converse("Look.", tools=[look])

    _, chat, _ = held(Scripted(calls("a"), says("Done.")), act, store=store, name="it")
    _, again, stats = held(Scripted(says("Yes.")), lambda chat: chat.ask("Sure?"), store=store, name="it")
    assert [m.body for m in again.messages[: len(chat.messages)]] == [m.body for m in chat.messages]
    assert (len(again), stats.answers) == (7, 3)


def test_what_can_not_be_stored_is_in_the_error():
    class Full:
        def revision(self, name):
            return 0

        def read(self, name):
            return None

        def write(self, name, expected, head, keep, messages):
            if messages:
                raise PenstockError("the disk is full")
            return 1

    async def main():
        async with Scripted(calls("a"), says("Done.")) as client:
            chat = Conversation(client=client, store=Full(), name="it")
            with pytest.raises(NotKept) as caught:
                await chat.converse("Look.", tools=[look])
            return caught.value.answer.text, len(chat)

    assert run(main()) == ("Done.", 0)


def test_without_a_loop_of_ones_own_and_over_a_real_wire():
    with Client("sim/fast", config={}) as client:
        chat = Conversation("Be brief.", client=client)
        answer = chat.converse("Look.", tools=[look], tool_choice="required")
        assert roles(chat) == ["system", "user", "assistant", "tool", "assistant"]
        assert chat.messages[-1].text == answer.text
        assert chat.ask("And now?").text
        with pytest.raises(ConfigError, match="converse needs at least one function"):
            chat.converse("Look.")
        with pytest.raises(ConfigError, match="max_steps"):
            chat.converse("Look.", tools=[look], max_steps=0)
        with pytest.raises(ConfigError, match="system"):
            chat.converse("Look.", tools=[look], system="No.")
        assert len(chat) == 7


# Prompts as questions.

PROMPT = penstock.Prompt("How big is {{ what }}?", name="size", version="2.0.0", settings={"temperature": 0.5})


def test_a_prompt_with_its_variables_is_a_question():
    with Client("sim/fast", config={}) as client:
        chat = Conversation(client=client)
        answer = chat.ask(PROMPT, variables={"what": "the moon"})
        with chat.stream(PROMPT, variables={"what": "the sun"}) as stream:
            streamed = stream.finish()
        assert [m.text for m in chat.messages if m.role == "user"] == ["How big is the moon?", "How big is the sun?"]
        assert str(answer.prompt) == str(streamed.prompt) == "size@2.0.0"
        assert chat.messages[0].metadata == {"prompt": "size@2.0.0"}
        chat.ask(PROMPT.render({"what": "the earth"}))
        chat.converse(PROMPT, variables={"what": "a tree"}, tools=[look], tool_choice="required")
        assert len(chat) == 10


def test_a_prompts_settings_stand_below_what_is_said():
    seen = []

    class Listening(Scripted):
        async def _complete(self, row):
            seen.append(row.body.get("temperature"))
            return await super()._complete(row)

    async def act(chat):
        await chat.ask(PROMPT, variables={"what": "it"})
        await chat.ask(PROMPT, variables={"what": "it"}, temperature=0.1)

    held(Listening(says("a"), says("b")), act)
    assert seen == [0.5, 0.1]


def test_a_prompts_system_message_leads_an_empty_conversation_and_is_said_once():
    prompt = penstock.Prompt(
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "{{ text }}"}], name="kind"
    )
    with Client("sim/fast", config={}) as client:
        chat = Conversation(client=client)
        for text in ("one", "two"):
            chat.ask(prompt, variables={"text": text})
        assert (chat.system, roles(chat)) == ("Be kind.", ["system", "user", "assistant", "user", "assistant"])
        with pytest.raises(InputError, match="kind: the conversation doesn't begin with this prompt's system message"):
            Conversation("Be brief.", client=client).ask(prompt, variables={"text": "one"})


@pytest.mark.parametrize(
    ("content", "variables", "told"),
    [
        (PROMPT, {}, "what"),
        (PROMPT, {"what": "it", "whom": "her"}, "whom"),
        ("text", {"what": "it"}, "only a penstock.Prompt takes them"),
        (
            penstock.Prompt([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], name="two"),
            None,
            "two: a conversation is asked one question, and this prompt has 2 messages",
        ),
    ],
)
def test_a_prompt_that_is_no_question_is_told_and_nothing_is_kept(content, variables, told):
    with Client("sim/fast", config={}) as client:
        chat = Conversation(client=client)
        with pytest.raises(InputError, match=told):
            chat.ask(content, variables=variables)
        assert len(chat) == 0


def test_a_tool_that_asks_the_conversation_which_waits_for_it_is_told():
    with Client("sim/fast", config={}) as client:
        chat = Conversation(client=client)

        def asks(what: str) -> str:
            return chat.ask(what).text

        chat.converse("Ask yourself.", tools=[asks], tool_choice="required")
        (result,) = [m.text for m in chat.messages if m.role == "tool"]
        assert result.startswith("Error: PenstockError: a tool asks the conversation that waits for it")

    async def main():
        async with Scripted(calls("a", name="later"), says("Done."), says("Late.")) as client:
            chat = Conversation(client=client)
            waiting, over = [], asyncio.Event()

            async def wait():
                await over.wait()
                return await chat.ask("Now?")

            async def later(at: str) -> str:
                waiting.append(asyncio.ensure_future(wait()))
                return "soon"

            await chat.converse("Ask later.", tools=[later])
            over.set()
            return (await waiting[0]).text

    assert run(main()) == "Late."


def test_calls_of_one_step_that_share_an_id_have_a_result_each(tmp_path):
    with Client("sim/fast", config={}) as client:
        chat = Conversation(client=client)
        chat.add("user", "Look.")
        call = {"id": "same", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        chat.add("assistant", None, tool_calls=[call, call])
        chat.add("tool", "one", tool_call_id="same")
        with pytest.raises(InputError, match="the tool call same has no result yet"):
            chat.add("user", "Well?")
        chat.add("tool", "two", tool_call_id="same")
        with pytest.raises(InputError, match="no tool call waits"):
            chat.add("tool", "three", tool_call_id="same")
        chat.ask()
        chat.save(tmp_path / "it.json")
        assert len(Conversation.load(tmp_path / "it.json", client=client)) == 5

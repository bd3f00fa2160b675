"""A kept conversation survives its process, and several processes may talk in one."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading

import pytest

from penstock import AsyncClient, Client, Conversation
from penstock.conversation import Changed, MemoryConversations, NotKept
from penstock.conversation.sqlite import SqliteConversations
from penstock.errors import InputError, PenstockError
from penstock.testing import run

TALK = """
import sys, penstock
with penstock.Client("sim/fast", config={}) as client:
    chat = penstock.Conversation(client=client, store="sqlite:kept.sqlite", name="moon")
    for number in range(10):
        chat.ask(f"{sys.argv[1]} {number}")
"""


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    made = MemoryConversations() if request.param == "memory" else SqliteConversations(tmp_path / "kept.sqlite")
    yield made
    made.close()


@pytest.fixture
def client():
    with Client("sim/fast", config={}) as made:
        yield made


def texts(conversation):
    return [message.text for message in conversation.messages]


def test_what_was_said_is_there_again_under_its_name(store, client):
    chat = Conversation("Be brief.", client=client, store=store, name="moon", max_tokens=500, metadata={"for": "Ada"})
    chat.ask("one")
    chat.pin(1)
    again = Conversation(client=client, store=store, name="moon")
    assert again.messages == chat.messages
    assert (again.system, again.metadata, again.stats()) == ("Be brief.", {"for": "Ada"}, chat.stats())
    again.ask("two")
    assert len(Conversation(store=store, name="moon")) == 5


def test_every_change_is_kept(store, client):
    chat = Conversation("Be brief.", client=client, store=store, name="moon")
    chat.ask("one")
    chat.ask("two")
    chat.undo()
    chat.system = "Be long."
    chat.model = "sim/typical"
    again = Conversation(store=store, name="moon")
    assert (texts(again), again.model) == (texts(chat), "sim/typical")
    chat.clear()
    assert texts(Conversation(store=store, name="moon")) == ["Be long."]


def test_what_is_said_anew_wins_over_what_is_kept(store):
    Conversation("Be brief.", store=store, name="moon", model="sim/fast").add("user", "one")
    again = Conversation("Be long.", store=store, name="moon", model="sim/typical")
    assert (texts(again), again.model) == (["Be long.", "one"], "sim/typical")


def test_an_answer_that_cant_be_kept_is_in_the_error_and_the_history_is_as_it_was(client):
    class Full(MemoryConversations):
        is_full = False

        def write(self, *args):
            if self.is_full:
                raise PenstockError("the disk is full")
            return super().write(*args)

    store = Full()
    chat = Conversation(client=client, store=store, name="moon")
    chat.ask("one")
    store.is_full = True
    with pytest.raises(NotKept, match="the disk is full") as caught:
        chat.ask("two")
    assert (caught.value.answer.text.endswith("two"), len(chat)) == (True, 2)
    with pytest.raises(NotKept):
        chat.stream("three").finish()
    store.is_full = False
    chat.ask("four")
    assert texts(chat)[::2] == ["one", "four"]


def test_two_that_talk_in_one_see_each_other(store, client):
    one, two = (Conversation(client=client, store=store, name="moon") for _ in range(2))
    one.ask("one")
    two.ask("two")
    one.ask("three")
    assert texts(one)[::2] == ["one", "two", "three"]
    assert [body["content"] for body in one.last_sent.messages][::2] == ["one", "two", "three"]
    assert one.stats().answers == 3


def test_a_fork_is_kept_under_a_name_of_its_own(store, client):
    chat = Conversation(client=client, store=store, name="moon")
    chat.ask("one")
    chat.fork("sun").ask("two")
    assert [(name, count) for name, count, _ in store.names()] == [("sun", 4), ("moon", 2)]
    with pytest.raises(InputError, match='there is a conversation "moon" already'):
        chat.fork("moon")
    chat.fork().ask("three")
    assert len(store.names()) == 2


def test_names_and_delete(store):
    Conversation(store=store, name="moon").add("user", "one")
    assert (store.delete("moon"), store.delete("moon"), store.names()) == (True, False, [])
    assert store.read("moon") is None


def test_a_conversation_that_somebody_deletes_is_written_anew(store, client):
    chat = Conversation(client=client, store=store, name="moon")
    chat.ask("one")
    store.delete("moon")
    chat.ask("two")
    assert texts(Conversation(store=store, name="moon"))[::2] == ["one", "two"]


def test_a_writer_that_came_second_is_told(store):
    assert store.write("moon", 0, b"{}", 0, [b"1", b"2"]) == 1
    assert store.write("moon", 1, b"{}", 1, [b"3"]) == 2
    assert store.read("moon").messages == [b"1", b"3"]
    with pytest.raises(Changed):
        store.write("moon", 1, b"{}", 0, [])
    assert store.read("moon").messages == [b"1", b"3"]


def test_a_store_without_a_name_gives_one(store):
    chat = Conversation(store=store)
    chat.add("user", "one")
    assert chat.name == store.names()[0].name


def test_processes_that_talk_at_once_lose_nothing(tmp_path):
    words = ("one", "two", "three")
    running = [subprocess.Popen([sys.executable, "-c", TALK, word], cwd=tmp_path) for word in words]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    said = Conversation(store="sqlite:kept.sqlite", name="moon").messages
    asked = [message.text for message in said if message.role == "user"]
    assert sorted(asked) == sorted(f"{word} {number}" for word in words for number in range(10))
    assert all(answer.text.endswith(question.text) for question, answer in zip(said[::2], said[1::2], strict=True))


def test_threads_that_talk_at_once_share_one_file():
    chats = [Conversation(store="sqlite:kept.sqlite", name=f"chat {number}") for number in range(20)]
    threads = [threading.Thread(target=chat.add, args=("user", chat.name)) for chat in chats]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(chat._keeper.store) for chat in chats}) == 1
    assert len(chats[0]._keeper.store.names()) == 20


def test_the_users_file_lies_in_the_folder_for_data_and_is_theirs_alone(tmp_path):
    Conversation(store="sqlite", name="moon").add("user", "one")
    path = tmp_path / ".local" / "share" / "penstock" / "conversations.sqlite"
    if sys.platform == "linux":
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0


def test_a_foreign_file_is_left_as_it_is(tmp_path):
    foreign = sqlite3.connect(tmp_path / "kept.sqlite")
    foreign.execute("CREATE TABLE mine (x)")
    foreign.commit()
    foreign.close()
    before = (tmp_path / "kept.sqlite").read_bytes()
    with pytest.raises(PenstockError, match=r"kept\.sqlite holds no conversations of penstock's"):
        Conversation(store="sqlite:kept.sqlite", name="moon")
    assert (tmp_path / "kept.sqlite").read_bytes() == before


def test_a_newer_file_is_left_as_it_is(tmp_path):
    Conversation(store="sqlite:kept.sqlite", name="moon").add("user", "one")
    newer = sqlite3.connect(tmp_path / "kept.sqlite")
    newer.execute("PRAGMA user_version=9")
    newer.close()
    with pytest.raises(PenstockError, match=r"kept\.sqlite was written by a newer penstock \(version 9"):
        SqliteConversations(tmp_path / "kept.sqlite")


def test_a_damaged_file_is_named(tmp_path):
    store = SqliteConversations(tmp_path / "kept.sqlite")
    store.write("moon", 0, b"{}", 0, [b"x" * 3000] * 20)
    store.close()
    raw = bytearray((tmp_path / "kept.sqlite").read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    (tmp_path / "kept.sqlite").write_bytes(raw)
    with pytest.raises(PenstockError, match=r"kept\.sqlite: the conversations can't be used"):
        Conversation(store="sqlite:kept.sqlite", name="moon")


def test_what_is_no_conversation_is_told_with_its_name():
    store = MemoryConversations()
    store.write("moon", 0, b"[]", 0, [])
    with pytest.raises(InputError, match='stored conversation "moon" is broken'):
        Conversation(store=store, name="moon")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_cant_be_opened_is_named(tmp_path):
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(PenstockError, match=r"shut/kept\.sqlite: the conversations can't be used"):
        SqliteConversations(tmp_path / "shut" / "kept.sqlite")


def test_a_writer_that_dies_leaves_whole_what_was_there(tmp_path):
    code = (
        "import os, sqlite3; from penstock.conversation.sqlite import SqliteConversations\n"
        "store = SqliteConversations('kept.sqlite'); store.write('moon', 0, b'{}', 0, [b'1'])\n"
        "connection = store._opened(); connection.execute('BEGIN IMMEDIATE')\n"
        "connection.execute('DELETE FROM messages'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 9
    assert SqliteConversations(tmp_path / "kept.sqlite").read("moon").messages == [b"1"]


def test_a_question_on_its_way_is_kept_where_the_conversation_is_kept_by_then():
    async def main():
        store = MemoryConversations()
        async with AsyncClient("sim/fast", config={}) as client:
            chat = Conversation(client=client)
            asking = asyncio.ensure_future(chat.ask("one"))
            await asyncio.sleep(0)
            chat.keep("moon", store)
            assert (len(chat), asking.done()) == (0, False)
            await asking
            chat.keep("sun", store)
            await chat.ask("two")
            with pytest.raises(InputError, match='there is a conversation "moon" already'):
                chat.keep("moon", store)
            await chat.ask("three")
            return {kept.name: kept.messages for kept in store.names()}, len(chat), chat.name

    assert run(main()) == ({"sun": 6, "moon": 2}, 6, "sun")


ENDLESS = """
import itertools, penstock
with penstock.Client("sim/fast", config={}) as client:
    chat = penstock.Conversation(client=client, store="sqlite:kept.sqlite", name="moon", max_tokens=500)
    for number in itertools.count():
        print(chat.ask(f"question {number}").text, flush=True)
"""


def test_nothing_that_was_answered_is_lost_when_the_process_is_killed(tmp_path):
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True) as process:
            told = [process.stdout.readline() for _ in range(20)]
            process.kill()
            told += process.stdout.readlines()
        with Client("sim/fast", config={}) as client:
            chat = Conversation(client=client, store="sqlite:kept.sqlite", name="moon")
            said = [message.text for message in chat.messages if message.role == "assistant"]
            assert {line.rstrip("\n") for line in told if line.endswith("\n")} <= set(said)
            assert [message.role for message in chat.messages] == ["user", "assistant"] * len(said)
            assert chat.ask("And now?").status == "success"

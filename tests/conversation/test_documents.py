"""A saved conversation is read as it was; what is none is told with its file."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Client, Conversation
from penstock.errors import InputError


@pytest.fixture
def chat():
    with Client("sim/fast", config={}) as client:
        made = Conversation("Be brief.", client=client, max_tokens=500, metadata={"for": "Ada"})
        made.ask("one")
        made.add("user", "two", pinned=True, metadata={"mood": "good"})
        yield made


def test_what_is_saved_is_read_as_it_was(chat):
    chat.save("moon.json")
    again = Conversation.load("moon.json", client=chat._client)
    assert again.messages == chat.messages
    assert (again.stats(), again.metadata) == (chat.stats(), chat.metadata)
    assert again.ask().text.endswith("two")


def test_a_saved_file_is_replaced_whole(chat, tmp_path):
    chat.save("moon.json")
    chat.undo()
    chat.save(Path("moon.json"))
    assert len(Conversation.load("moon.json")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["moon.json"]


def test_a_file_that_cant_be_written_is_named_and_nothing_is_left_behind(chat, tmp_path):
    chat.save("moon.json")
    with pytest.raises(OSError, match=r"missing/moon\.json"):
        chat.save("missing/moon.json")
    with pytest.raises(OSError, match="there"):
        (tmp_path / "there").mkdir()
        chat.save("there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moon.json", "there"]


def changed(path, **fields):
    found = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps({**found, **fields}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"version": 2}, r"moon\.json: written by a newer penstock \(version 2"),
        ({"format": "other"}, r"moon\.json: no conversation of penstock's"),
        (
            {"messages": [{"body": {"role": "usr", "content": "x"}, "at_s": 1}]},
            r"moon\.json: message 0: role: expected",
        ),
        ({"messages": [{"at_s": 1}]}, r"moon\.json: .*body"),
        ({"messages": "none"}, r"moon\.json: .*messages"),
        ({"settings": {"compress": "zip"}}, r"moon\.json: .*zip"),
        ({"settings": {"colour": "red"}}, r"moon\.json: .*colour"),
        ({"summary": {"text": "x", "covers": 99}}, r"moon\.json: its summary covers 99 of 4"),
        (
            {"messages": [{"body": {"role": "tool", "content": "x", "tool_call_id": "c"}, "at_s": 1}]},
            r'moon\.json: message 0: no tool call "c"',
        ),
    ],
)
def test_what_is_no_conversation_is_told_with_its_file(chat, fields, message):
    chat.save("moon.json")
    changed("moon.json", **fields)
    with pytest.raises(InputError, match=message):
        Conversation.load("moon.json")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_a_broken_file_is_told(raw):
    Path("moon.json").write_bytes(raw)
    with pytest.raises(InputError, match=r"moon\.json: "):
        Conversation.load("moon.json")


def test_a_missing_file_is_told():
    with pytest.raises(InputError, match=r"moon\.json: cannot be read"):
        Conversation.load("moon.json")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_file_that_was_cut_or_changed_is_read_or_told(data):
    chat = Conversation("Be brief.", now=lambda: 1.0)
    chat.add("user", "one")
    chat.add("assistant", "uno")
    chat.save("moon.json")
    raw = bytearray(Path("moon.json").read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    Path("cut.json").write_bytes(
        bytes(raw[:at]) if data.draw(st.booleans()) else bytes(raw[:at] + b"7" + raw[at + 1 :])
    )
    with contextlib.suppress(InputError):
        Conversation.load("cut.json")

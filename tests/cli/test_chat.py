"""`penstock chat` answers line after line, tells what goes wrong, and goes on."""

import pytest
from tests.cli.given import penstock
from tests.cli.terminal import Terminal
from tests.client.given import running_simulator

SLOW = "[models.slow]\nttft_s = 0.05\ntokens_per_s = 20\noutput_tokens = 2000\n"


def chat(*args, stdin="", cwd, **environ):
    return penstock("chat", *args, stdin=stdin, cwd=cwd, **environ)


def test_each_line_is_a_question_and_the_answers_are_all_of_stdout(tmp_path):
    ended = chat("-m", "sim/fast", stdin="one\n\n  two\n", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert [line.split(" ", 1)[1] for line in ended.out.splitlines()] == ["one", "two"]


def test_a_named_conversation_goes_on(tmp_path):
    chat("-m", "sim/fast", "--conversation", "moon", "-s", "Be brief.", stdin="one\n", cwd=tmp_path)
    ended = chat("--conversation", "moon", stdin="two\n/stats\n", cwd=tmp_path)
    assert ended.code == 0
    assert "messages  5 (1 system, 2 user, 2 assistant)" in ended.err
    listed = chat("--list", cwd=tmp_path)
    assert "5 messages  moon" in listed.out


def test_a_store_without_a_name_to_keep_under_is_refused(tmp_path):
    ended = chat("-m", "sim/fast", "--store", "sqlite:x.sqlite", stdin="one\n", cwd=tmp_path)
    assert (ended.code, ended.out, list(tmp_path.iterdir())) == (2, "", [])
    assert "--store: it goes with --conversation NAME" in ended.err


def test_conversations_are_listed_and_deleted(tmp_path):
    assert "no conversation is kept" in chat("--list", cwd=tmp_path).err
    chat("-m", "sim/fast", "--conversation", "moon", stdin="one\n/fork sun\ntwo\n", cwd=tmp_path)
    assert [line.split()[-1] for line in chat("--list", cwd=tmp_path).out.splitlines()] == ["sun", "moon"]
    assert chat("--delete", "moon", cwd=tmp_path).code == 0
    again = chat("--delete", "moon", cwd=tmp_path)
    assert (again.code, again.err) == (2, 'penstock: no conversation "moon" is kept; --list shows them\n')
    assert "moon" not in chat("--list", cwd=tmp_path).out


def test_what_goes_wrong_is_told_and_the_chat_goes_on(tmp_path):
    lines = ["/model sim/down", "one", "/model sim/fast", "two", "/undo", "/undo", "/foo", "/hlep", "/fork"]
    lines += [
        "/save missing/x.json",
        "/model opnai/x",
        "//three",
        "/system Be brief.",
        "/save moon.json",
        "/quit",
        "four",
    ]
    ended = chat("-m", "sim/fast", "--deadline", "0.2s", stdin="\n".join(lines), cwd=tmp_path)
    assert ended.code == 1
    assert [line.split(" ", 1)[1] for line in ended.out.splitlines()] == ["two", "/three"]
    for text in (
        "sim/down: 503 overloaded",
        "the question was not kept",
        "(taken back: two)",
        "there is nothing to undo",
        "no command /foo",
        'did you mean "help"',
        "/fork NAME: under which name?",
        "missing/x.json: No such file or directory",
        "did you mean openai?",
        "(system prompt: Be brief.)",
        "(saved to moon.json)",
    ):
        assert text in ended.err
    assert (tmp_path / "moon.json").exists()


def test_undo_takes_no_word_and_nothing_back_with_one(tmp_path):
    ended = chat("-m", "sim/fast", stdin="one\n/undo 2\n/reset all\n/stats\n", cwd=tmp_path)
    assert ended.code == 1
    assert ("/undo takes nothing after it" in ended.err, "/reset takes nothing after it" in ended.err) == (True, True)
    assert "messages  2 (1 user, 1 assistant)" in ended.err


def test_a_conversation_that_grows_past_its_context_says_so(tmp_path):
    lines = "\n".join("word " * 20 for _ in range(8))
    left = chat("-m", "sim/fast", "--context", "200", stdin=lines, cwd=tmp_path)
    assert (left.code, left.err.count("don't fit any more")) == (0, 1)
    told = chat(
        "-m", "sim/fast", "--context", "400", "--compress", "summary", stdin=lines * 3 + "\n/stats", cwd=tmp_path
    )
    assert "more in a summary" in told.err
    assert "0 summary(ies)" not in told.err


def test_a_reset_keeps_the_system_prompt(tmp_path):
    ended = chat("-m", "sim/fast", "-s", "Be brief.", stdin="one\n/reset\n/stats\n", cwd=tmp_path)
    assert "messages  1 (1 system)" in ended.err


def test_a_tool_call_is_taken_back(tmp_path):
    tool = '[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{}}}}]'
    params = ("--param", f"tools={tool}", "--param", "tool_choice=required")
    ended = chat("-m", "sim/fast", *params, stdin="look\n/stats\n", cwd=tmp_path)
    assert "calls 1 tool(s), which a chat can't run; it was taken back" in ended.err
    assert "messages  0" in ended.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "no model: name one"),
        (("-m", "opnai/x"), "did you mean openai"),
        (("-m", "sim/fast", "--compress", "zip"), "'zip' is not one of 'window', 'summary'"),
        (("-m", "sim/fast", "--context", "0"), "--context"),
        (("-m", "sim/fast", "--conversation", ""), "a conversation's name"),
        (("-m", "sim/fast", "--conversation", "x", "--store", "redis"), "store: expected"),
        (("-m", "sim/fast", "--deadline", "soon"), "expected a duration"),
        (("-m", "sim/fast", "--param", "x"), "expected KEY=VALUE"),
        (("-m", "sim/fast", "hello"), "unexpected extra argument"),
    ],
)
def test_a_wrong_command_is_exit_2_with_what_is_wrong(args, message, tmp_path):
    ended = chat(*args, stdin="one\n", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_a_broken_store_is_named(tmp_path):
    (tmp_path / "kept.sqlite").write_text("something else")
    ended = chat("-m", "sim/fast", "--conversation", "x", "--store", "sqlite:kept.sqlite", stdin="one\n", cwd=tmp_path)
    assert "kept.sqlite holds no conversations of penstock's" in ended.err
    assert ended.code != 0
    assert (tmp_path / "kept.sqlite").read_text() == "something else"


def test_at_a_terminal_ctrl_c_stops_the_answer_and_ctrl_d_leaves(tmp_path):
    (tmp_path / "slow.toml").write_text(SLOW)
    with running_simulator("--scenario", str(tmp_path / "slow.toml")) as url:
        args = ("chat", "-m", "custom/slow", "--base-url", f"{url}/openai/v1", "--conversation", "moon")
        with Terminal(*args, cwd=tmp_path) as terminal:
            terminal.expect("Ctrl-D leaves.")
            terminal.expect("> ")
            terminal.type("a long story\n")
            terminal.expect("falls through")
            terminal.type("\x03")
            terminal.expect("(stopped; the question and this answer are not kept)")
            terminal.expect("> ")
            terminal.type("\x03")
            terminal.type("\n")  # an interrupt between the prompt and the wait for a key is seen at the next one
            terminal.expect("(Ctrl-D or /quit leaves)")
            terminal.expect("> ")
            terminal.type("/stats\n")
            terminal.expect("messages  0")
            terminal.expect("> ")
            terminal.type("\x04")
            assert terminal.ended() == 0


def test_a_model_for_summaries_without_summaries_is_refused(tmp_path):
    ended = chat("-m", "sim/fast", "--summary-model", "sim/fast", stdin="hi", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "--summary-model: it goes with --compress summary" in ended.err

"""`penstock ask` prints one answer and nothing else on stdout."""

import json

import pytest
from tests.cli.given import KEY, penstock
from tests.client.given import running_simulator


def test_the_answer_is_printed(tmp_path):
    ended = penstock("ask", "-m", "sim/fast", "hello there", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("hello there\n")


def test_what_is_piped_in_is_appended(tmp_path):
    ended = penstock("ask", "-m", "sim/fast", "summarise:", stdin="a long text\n", cwd=tmp_path)
    assert ended.out.endswith("summarise:\n\na long text\n")
    assert penstock("ask", "-m", "sim/fast", stdin="only this", cwd=tmp_path).out.endswith("only this\n")


def test_json_is_the_whole_answer(tmp_path):
    ended = penstock("ask", "-m", "sim/fast", "--json", "hi", "--temperature", "0", "--param", "top_k=5", cwd=tmp_path)
    answer = json.loads(ended.out)
    assert (answer["status"], answer["target"], answer["usage"]["input_tokens"] > 0) == ("success", "sim/fast", True)
    assert len(answer["attempts"]) == 1


def test_a_prompt_that_was_answered_can_be_asked_anew(tmp_path):
    (tmp_path / "penstock.toml").write_text(f'[cache]\nstore = "sqlite:{tmp_path}/answers.sqlite"\n')
    ask = ("ask", "-m", "sim/fast", "--json", "hi")
    told = [json.loads(penstock(*ask, *more, cwd=tmp_path).out)["cached"] for more in ((), (), ("--no-cache",))]
    assert told == [False, True, False]


def test_models_are_tried_in_their_order(tmp_path):
    ended = penstock("ask", "-m", "sim/down", "-m", "sim/fast", "--json", "hi", cwd=tmp_path)
    assert json.loads(ended.out)["target"] == "sim/fast"


def test_an_unanswered_prompt_is_exit_1_with_one_line(tmp_path):
    ended = penstock("ask", "-m", "sim/down", "hi", "--deadline", "0.3s", cwd=tmp_path)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1)
    assert "sim/down" in ended.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("hi",), "no model: name one"),
        (("hi", "-m", "openai/gpt-4o-mini"), "set OPENAI_API_KEY"),
        (("hi", "-m", "opnai/x"), "did you mean openai"),
        (("-m", "sim/fast"), "no prompt"),
        (("hi", "-m", "sim/fast", "--deadline", "soon"), "expected a duration"),
        (("hi", "-m", "sim/fast", "--deadline", "0"), "above 0"),
        (("hi", "-m", "sim/fast", "--hedge", "atuo"), '--hedge: expected "off", "auto" or a delay'),
        (("hi", "-m", "sim/fast", "--hedge", "auto"), "hedge: a hedge needs a second target"),
        (("hi", "-m", "sim/fast", "-m", "sim/down", "--hedge", "2s", "--deadline", "1s"), "hedge: a delay of 2 s"),
        (("hi", "-m", "sim/fast", "--param", "top_k"), "expected KEY=VALUE"),
        (("hi", "-m", "sim/fast", "--config", "nowhere.toml"), "cannot read the configuration nowhere.toml"),
    ],
)
def test_what_cant_be_asked_is_exit_2(tmp_path, args, message):
    ended = penstock("ask", *args, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_the_key_may_be_in_a_dotenv_file_and_is_sent_but_never_shown(tmp_path):
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    with running_simulator() as url:
        args = ("ask", "hi", "-m", "gpt-4o-mini", "--base-url", f"{url}/openai/v1")
        ended = penstock(*args, "--log-level", "debug", cwd=tmp_path)
        from tests.client.given import ledger

        assert [row["key"] for row in ledger(url)] == [KEY]
    assert ended.code == 0
    assert "openai/gpt-4o-mini" in ended.err
    assert KEY not in ended.out + ended.err


def test_prompts_are_logged_only_when_asked(tmp_path):
    args = ("ask", "a secret prompt", "-m", "sim/fast", "--log-level", "debug")
    silent, told = penstock(*args, cwd=tmp_path), penstock(*args, "--log-prompts", cwd=tmp_path)
    assert "sim/fast" in silent.err
    assert "a secret prompt" not in silent.err
    assert "a secret prompt" in told.err

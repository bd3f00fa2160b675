"""`run` with a journal asks only what is left, and answers as if it had asked all."""

import asyncio

import pytest

from penstock import AsyncClient, Batch
from penstock.errors import InputError, JournalError, Overloaded
from penstock.testing import run


def ask(prompts, journal, *targets, config=None, **options):
    """The answers, and how many requests it took."""

    async def main():
        client = AsyncClient(*(targets or ("sim/fast",)), config=config or {})
        return await client.run(prompts, journal=journal, **options), client.stats().requests

    return run(main())


def test_what_was_answered_is_not_asked_again(tmp_path):
    journal = tmp_path / "run.penstock"
    first, asked = ask(["a", "b", "a"], journal)
    again, asked_again = ask(["a", "b", "a"], journal)
    assert (asked, asked_again) == (3, 0)
    assert [answer.text for answer in again] == [answer.text for answer in first]
    assert [answer.to_dict()["usage"] for answer in again] == [answer.to_dict()["usage"] for answer in first]
    assert [(answer.status, answer.target) for answer in again] == [("success", "sim/fast")] * 3


def test_requests_may_move_come_and_go(tmp_path):
    journal = tmp_path / "run.penstock"
    ask(["a", "b", "c"], journal)
    answers, asked = ask(["new", "c", "a"], journal)
    assert asked == 1
    assert [answer.text.split()[-1] for answer in answers] == ["new", "c", "a"]
    assert ask(["b"], journal)[1] == 0


def test_another_option_is_another_request(tmp_path):
    journal = tmp_path / "run.penstock"
    ask(["a"], journal)
    assert ask(["a"], journal, temperature=1)[1] == 1
    assert ask(["a"], journal, "sim/typical")[1] == 1


def test_failed_requests_are_asked_again_only_when_told(tmp_path):
    journal = tmp_path / "run.penstock"
    config = {"routes": {"r": {"targets": ["sim/down"], "max_attempts": 1}}}

    async def main(**options):
        client = AsyncClient(route="r", config=config)
        return await client.run(["a"], journal=journal, **options), client.stats().requests

    (failed,), asked = asyncio.run(main())
    (kept,), kept_asked = asyncio.run(main())
    _, retried = asyncio.run(main(retry_failed=True))
    assert (asked, kept_asked, retried) == (1, 0, 1)
    assert type(kept.error) is type(failed.error) is Overloaded
    assert str(kept.error) == str(failed.error)


def test_embeddings_are_kept_too(tmp_path):
    batch = Batch()
    batch.embeddings.create(model="sim/fast", input=["a", "b"])
    first, _ = ask(batch, tmp_path / "run.penstock")
    again, asked = ask(batch, tmp_path / "run.penstock")
    assert asked == 0
    assert [list(vector) for vector in again[0].vectors] == [list(vector) for vector in first[0].vectors]


def test_what_was_answered_before_an_interruption_is_kept(tmp_path):
    journal = tmp_path / "run.penstock"
    prompts = [f"prompt {number}" for number in range(40)]

    async def interrupted():
        client = AsyncClient("sim/typical", config={})
        task = asyncio.get_running_loop().create_task(client.run(prompts, journal=journal, concurrency=4))
        await asyncio.sleep(4)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return client.stats().answered

    answered = run(interrupted())
    _, asked = ask(prompts, journal, "sim/typical")
    assert 0 < answered < 40
    assert asked == 40 - answered


def test_a_prompt_that_is_none_is_refused_before_anything_is_sent(tmp_path):
    async def main():
        client = AsyncClient("sim/fast", config={})
        with pytest.raises(InputError, match="the prompt is empty"):
            await client.run(["a", ""], journal=tmp_path / "run.penstock")
        return client.stats().requests

    assert asyncio.run(main()) == 0
    assert not (tmp_path / "run.penstock").exists()


def test_a_file_that_is_no_journal_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("not a journal")
    with pytest.raises(JournalError):
        ask(["a"], tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "not a journal"


def test_progress_is_shown_on_stderr_and_nothing_on_stdout(tmp_path, capsys):
    answers, _ = ask(["a", "b"], None, progress=True)
    assert len(answers) == 2
    assert capsys.readouterr().out == ""

"""`batcher` collects single calls: embeddings share requests, chats share a bound; each caller has its own answer."""

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.client.given import ledger, running_simulator

import penstock
from penstock import AsyncClient, Client
from penstock.errors import BadRequest, ConfigError, DeadlineExceeded, InputError, PenstockError
from penstock.testing import run


def test_the_code_of_the_page_runs_from_top_to_bottom(capfd):
    page = Path(__file__).parents[2] / "docs" / "batcher.md"
    names = {"__name__": "page"}
    for code in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, str(page), "exec"), names)
    assert capfd.readouterr().out.endswith(" 3\n")
    assert (len(names["answers"]), len(names["vectors"])) == (500, 3)


def test_a_thousand_embeddings_are_few_requests_and_each_caller_has_its_own_vector(config):
    async def main():
        async with AsyncClient("sim/fast", config=config) as client:
            async with client.batcher() as batcher:
                answers = await asyncio.gather(*(batcher.embed(f"text {n}", dimensions=3) for n in range(1000)))
            requests = client.stats().requests
            direct = await client.embed([f"text {n}" for n in range(1000)], dimensions=3)
            return answers, direct, requests

    answers, direct, requests = asyncio.run(main())
    assert [list(answer.vectors[0]) for answer in answers] == [list(vector) for vector in direct]
    assert all(answer.usage.input_tokens > 0 for answer in answers)
    assert requests == 4


def test_many_threads_share_requests():
    began = threading.Barrier(32)

    def embed(number):
        began.wait(10)
        return batcher.embed(f"text {number}", dimensions=3).vectors[0]

    with Client("sim/fast", config={}) as client, client.batcher(64, "200ms") as batcher:
        with ThreadPoolExecutor(32) as pool:
            vectors = list(pool.map(embed, range(32)))
        requests = client.stats().requests
        assert [list(one) for one in vectors] == [
            list(one) for one in client.embed([f"text {n}" for n in range(32)], dimensions=3)
        ]
    assert requests < 16


def test_chats_share_a_bound_and_wait_for_nobody():
    async def main():
        client = AsyncClient("sim/typical", config={})
        batcher = client.batcher(max_wait=60, concurrency=3)
        most = 0

        async def watch():
            nonlocal most
            while True:
                targets = client.stats().targets.values()
                most = max(most, sum(target.saturation.in_flight for target in targets))
                await asyncio.sleep(0.01)

        watcher = asyncio.ensure_future(watch())
        answers = await asyncio.gather(*(batcher.generate(f"{n}", max_tokens=5) for n in range(12)))
        watcher.cancel()
        return most, [answer.text for answer in answers], await client.run([f"{n}" for n in range(12)], max_tokens=5)

    most, texts, direct = run(main())
    assert most == 3
    assert texts == [answer.text for answer in direct]


def test_a_chat_has_its_own_deadline_the_wait_for_its_turn_included():
    async def main():
        batcher = AsyncClient("sim/typical", config={}).batcher(concurrency=1)
        first = asyncio.ensure_future(batcher.generate("long", max_tokens=400))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded, match="turn"):
            await batcher.generate("hi", deadline=0.05)
        return await first

    assert run(main()).status in ("success", "truncated")


def test_only_the_bad_text_fails(tmp_path):
    scenario = tmp_path / "poison.toml"
    scenario.write_text(
        '[models."*"]\nfaults = [{ fault = "status", status = 400, prompt_contains = "poison" }]\n', encoding="utf-8"
    )

    async def main(url):
        config = {"providers": {"mine": {"base_url": f"{url}/openai/v1", "api_key": "sk-test-not-a-key"}}}
        async with AsyncClient("mine/text-embedding-3-small", config=config) as client, client.batcher() as batcher:
            texts = ["poison" if n == 5 else f"text {n}" for n in range(16)]
            return await asyncio.gather(*map(batcher.embed, texts), return_exceptions=True)

    with running_simulator("--scenario", str(scenario)) as url:
        answers = asyncio.run(main(url))
        assert len(ledger(url)) == 1 + 2 * 4
    assert isinstance(answers.pop(5), BadRequest)
    assert all(len(answer.vectors) == 1 for answer in answers)


def test_each_text_is_looked_up_in_the_cache_alone():
    async def main():
        client = AsyncClient("sim/fast", config={}, cache="memory")
        (first,) = await client.embed(["one"], dimensions=3)
        async with client.batcher() as batcher:
            answers = await asyncio.gather(*(batcher.embed(text, dimensions=3) for text in ("one", "two", "two")))
            again = await batcher.embed("two", dimensions=3)
        return list(first), answers, again, client.stats().requests

    first, answers, again, requests = run(main())
    assert list(answers[0].vectors[0]) == first
    assert (answers[0].cached, again.cached, requests) == (True, True, 2)
    assert list(answers[1].vectors[0]) == list(answers[2].vectors[0]) == list(again.vectors[0])


def test_who_finds_no_room_waits_and_may_be_too_late():
    async def main():
        client = AsyncClient("sim/typical", config={})
        batcher = client.batcher(max_wait=5, max_waiting=2)
        held = [asyncio.ensure_future(batcher.embed(text)) for text in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded, match="turn"):
            await batcher.embed("c", deadline=1)
        fourth = asyncio.ensure_future(batcher.embed("d"))
        await asyncio.gather(*held)
        await batcher.aclose()
        return fourth.done(), len((await fourth).vectors), client.stats().requests

    assert run(main()) == (True, 1, 2)


def test_closing_sends_what_waits_and_waits_for_the_answers():
    async def main():
        async with AsyncClient("sim/typical", config={}) as client:
            loop = asyncio.get_running_loop()
            async with client.batcher(max_wait=3600) as batcher:
                asking = [asyncio.ensure_future(batcher.embed(text)) for text in "abc"]
                chat = asyncio.ensure_future(batcher.generate("hi", max_tokens=5))
                await asyncio.sleep(0)
            assert loop.time() < 60
            with pytest.raises(PenstockError, match="closed"):
                await batcher.embed("d")
            with pytest.raises(PenstockError, match="closed"):
                await batcher.generate("d")
            return [task.done() for task in (*asking, chat)], client.stats().requests

    assert run(main()) == ([True] * 4, 2)


def test_a_caller_that_is_cancelled_disturbs_nobody_and_is_not_waited_for():
    async def main():
        async with AsyncClient("sim/typical", config={}) as client, client.batcher() as batcher:
            asking = [asyncio.ensure_future(batcher.embed(text)) for text in "abc"]
            await asyncio.sleep(0.02)
            asking[1].cancel()
            return await asyncio.gather(*asking, return_exceptions=True)

    first, second, third = run(main())
    assert isinstance(second, asyncio.CancelledError)
    assert len(first.vectors) == len(third.vectors) == 1


def test_wrong_options_of_one_call_are_its_own_error():
    async def main():
        async with AsyncClient("sim/fast", config={}) as client, client.batcher() as batcher:
            return await asyncio.gather(
                batcher.embed("fine"),
                batcher.embed("x", dimensions="many"),
                batcher.embed("x", dimension=3),
                batcher.embed("x", model="nobody/at-all"),
                batcher.embed(""),
                batcher.embed(["a", "b"]),
                batcher.generate(""),
                return_exceptions=True,
            )

    fine, *errors = run(main())
    assert fine.status == "success"
    kinds = [ConfigError, TypeError, ConfigError, InputError, InputError, InputError]
    assert [type(error) for error in errors] == kinds


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"max_size": 0}, "max_size"),
        ({"max_size": True}, "max_size"),
        ({"max_wait": -1}, "max_wait"),
        ({"max_wait": "soon"}, "max_wait"),
        ({"max_wait": float("nan")}, "max_wait"),
        ({"max_waiting": 0}, "max_waiting"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_a_batcher_that_cannot_be_meant_is_refused(said, named):
    with Client("sim/fast", config={}) as client, pytest.raises(ConfigError, match=named):
        client.batcher(**said)


def test_the_callers_of_a_closed_client_are_not_left_waiting():
    client = Client("sim/typical", config={})
    batcher = client.batcher(max_wait=3600)
    asked = threading.Event()

    def embed():
        asked.set()
        with pytest.raises(PenstockError, match="closed"):
            batcher.embed("a")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(embed)
        asked.wait(10)
        client.close()
        waiting.result(10)
    with pytest.raises(penstock.PenstockError, match="closed"):
        batcher.close()

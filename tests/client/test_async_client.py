"""`AsyncClient` keeps what its documentation promises, in the process and over sockets."""

import asyncio
import itertools

import pytest
from tests.client.given import KEY, running_simulator

import penstock
from penstock import AsyncClient, Request
from penstock.errors import ConfigError, DeadlineExceeded, InputError, PenstockError, Unanswered
from penstock.testing import run


def test_generate_answers_over_either_way(config):
    async def main():
        async with AsyncClient("sim/fast", config=config) as client:
            return await client.generate("How big is the moon?", temperature=0, max_tokens=50)

    answer = asyncio.run(main())
    assert (answer.status, answer.target, answer.text.startswith("sim:")) == ("success", "sim/fast", True)
    assert answer.usage.output_tokens > 0
    assert len(answer.attempts) == 1


def test_messages_and_requests_are_prompts_too(config):
    async def main():
        async with AsyncClient("sim/fast", config=config) as client:
            said = await client.generate([{"role": "user", "content": "hi"}])
            asked = await client.generate(Request("hi", model="sim/fast"))
            return said.text, asked.text

    assert len(set(asyncio.run(main()))) == 1


def test_a_stream_brings_the_text_of_generate_and_the_whole_answer(config):
    async def main():
        async with AsyncClient("sim/fast", config=config) as client:
            whole = await client.generate("tell me")
            async with client.stream("tell me") as stream:
                chunks = [chunk async for chunk in stream]
            return whole, chunks, stream.answer

    whole, chunks, answer = asyncio.run(main())
    assert "".join(chunk.text for chunk in chunks) == whole.text == answer.text
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", answer.usage)
    assert (answer.target, len(answer.attempts), answer.attempts[0].outcome) == ("sim/fast", 1, "answered")


def test_callbacks_are_told_what_the_stream_brings():
    chunks, answers = [], []

    async def main():
        client = AsyncClient("sim/fast", config={})
        tell = {"on_chunk": lambda chunk, text: chunks.append((chunk, text)), "on_complete": answers.append}
        return await client.stream("hi", **tell).finish()

    answer = run(main())
    assert answers == [answer]
    assert [text for chunk, text in chunks][-1] == answer.text
    assert all(text.endswith(chunk.text) for chunk, text in chunks)


def test_on_error_is_told_and_the_error_is_raised():
    told = []

    async def main():
        stream = AsyncClient("sim/down", config={}, deadline=2).stream("hi", on_error=told.append)
        with pytest.raises(Unanswered):
            async for _ in stream:
                pass

    run(main())
    assert [type(error) for error in told] == [DeadlineExceeded]


def test_the_answer_of_a_stream_is_there_only_at_its_end():
    async def main():
        async with AsyncClient("sim/fast", config={}).stream("hi") as stream:
            await anext(stream)
            with pytest.raises(PenstockError, match="only once its last chunk has been read"):
                _ = stream.answer
        assert [chunk async for chunk in stream] == []

    run(main())


def test_leaving_a_stream_early_gives_its_place_back():
    async def main():
        client = AsyncClient("sim/typical", config={})
        async with client.stream("hi") as stream:
            await anext(stream)
            assert client.stats().targets["sim/typical"].saturation.in_flight == 1
        return client.stats().targets["sim/typical"].saturation.in_flight

    assert run(main()) == 0


def test_a_stream_that_is_dropped_half_read_warns():
    async def main():
        client = AsyncClient("sim/typical", config={})
        stream = client.stream("hi")
        await anext(stream)
        with pytest.warns(ResourceWarning, match="dropped half read"):
            del stream

    run(main())


def test_complete_gives_text_and_embed_a_vector_for_each_input(config):
    async def main():
        async with AsyncClient("sim/fast", config=config) as client:
            return await client.complete("Once upon a time"), await client.embed(["a", "b", "a"], dimensions=4)

    text, (a, b, again) = asyncio.run(main())
    assert isinstance(text, str)
    assert text
    assert (len(a), list(a) == list(again), list(a) == list(b)) == (4, True, False)


def test_embeddings_beyond_one_request_come_in_order():
    texts = [f"text {number}" for number in range(5000)]

    async def main():
        client = AsyncClient("sim/fast", config={})
        vectors = await client.embed(texts, dimensions=2)
        return vectors, await client.embed([texts[4321]], dimensions=2), client.stats().requests

    vectors, one, requests = run(main())
    assert (len(vectors), list(vectors[4321]) == list(one[0]), requests) == (5000, True, 4)


def test_vectors_of_two_models_are_never_mixed(tmp_path):
    scenario = tmp_path / "few.toml"
    scenario.write_text("[models.few]\nlimits = { rpm = 1 }\n")
    texts = [f"text {number}" for number in range(5000)]

    async def main(url):
        provider = {"wire": "openai", "base_url": f"{url}/openai/v1", "api_key": KEY}
        async with AsyncClient("a/few", "a/many", config={"providers": {"a": provider}}) as client:
            return await client.embed(texts, deadline=0.5)

    with running_simulator("--scenario", str(scenario)) as url, pytest.raises(Unanswered):
        asyncio.run(main(url))


def test_map_answers_in_order_and_failures_are_answers(config):
    prompts = ["one", "", "two", Request("three", model="opnai/x"), ["four"], "five"]

    async def main():
        async with AsyncClient("sim/fast", config=config) as client:
            return [answer async for answer in client.map(prompts)]

    answers = asyncio.run(main())
    assert [answer.status for answer in answers] == ["success", "failed", "success", "failed", "failed", "success"]
    assert [type(answer.error) for answer in answers if answer.error] == [InputError, ConfigError, InputError]
    assert "one" in answers[0].text


def test_map_is_lazy_and_bounded():
    taken = []

    def prompts():
        for number in itertools.count():
            taken.append(number)
            yield f"prompt {number}"

    async def main():
        answers = AsyncClient("sim/fast", config={}).map(prompts(), concurrency=3)
        assert taken == []
        for _ in range(100):
            await anext(answers)
        await answers.aclose()

    run(main())
    assert len(taken) <= 100 + 64 + 1


def test_map_takes_an_async_input_and_gives_answers_as_they_come():
    async def prompts():
        for number in range(20):
            yield f"prompt {number}"

    async def main():
        client = AsyncClient("sim/typical", config={})
        return [answer async for answer in client.map(prompts(), ordered=False, concurrency=5)]

    answers = run(main())
    assert len({answer.text for answer in answers}) == 20


def test_a_wait_at_a_limit_is_no_part_of_an_items_deadline():
    config = {"providers": {"sim": {"limits": {"rpm": 60}}}}

    async def main():
        client = AsyncClient("sim/fast", config=config, deadline=5)
        return [answer.status async for answer in client.map(["x"] * 20, concurrency=20)]

    assert run(main()) == ["success"] * 20


def test_a_failed_item_of_map_ends_at_its_deadline_with_every_attempt():
    async def main():
        answers = [answer async for answer in AsyncClient("sim/down", config={}).map(["x"], deadline="10s")]
        return answers[0], asyncio.get_running_loop().time()

    answer, ended_s = run(main())
    assert (answer.status, answer.target, len(answer.attempts) > 1) == ("failed", "sim/down", True)
    assert ended_s == pytest.approx(10, abs=0.5)


def test_run_gives_a_list_in_order():
    async def main():
        return await AsyncClient("sim/fast", config={}).run([f"prompt {number}" for number in range(30)])

    assert [answer.text.split(" ", 1)[1] for answer in run(main())] == [f"prompt {number}" for number in range(30)]


def test_a_batch_runs_each_request_with_its_own_model_and_kind():
    batch = penstock.Batch()
    ids = [
        batch.chat.completions.create(model="sim/fast", messages=[{"role": "user", "content": "hi"}]),
        batch.completions.create(model="sim/typical", prompt="Once"),
        batch.embeddings.create(model="sim/fast", input=["a", "b"]),
    ]

    async def main():
        return await AsyncClient(config={}).run(batch)

    answers = run(main())
    assert [answer.request_hash for answer in answers] == ids
    assert [answer.target for answer in answers] == ["sim/fast", "sim/typical", "sim/fast"]
    assert len(answers[2].vectors) == 2


def test_the_deadline_of_a_call_wins_over_the_clients():
    async def main():
        client = AsyncClient("sim/down", config={}, deadline=100)
        with pytest.raises(DeadlineExceeded) as caught:
            await client.generate("hi", deadline=3)
        return asyncio.get_running_loop().time(), caught.value

    ended_s, error = run(main())
    assert ended_s == pytest.approx(3, abs=0.2)
    assert error.attempts[0].target == "sim/down"


def test_a_model_of_the_call_wins_over_the_clients():
    async def main():
        client = AsyncClient("sim/down", config={})
        return (await client.generate("hi", model="sim/fast")).target

    assert run(main()) == "sim/fast"


def test_the_route_default_serves_a_client_without_targets():
    async def main():
        return (await AsyncClient(config={"routes": {"default": {"targets": ["sim/fast"]}}}).generate("hi")).target

    assert run(main()) == "sim/fast"


@pytest.mark.parametrize(
    ("targets", "options", "error", "message"),
    [
        (("opnai/x",), {}, ConfigError, "did you mean openai"),
        (("openai/x",), {}, ConfigError, "set OPENAI_API_KEY"),
        ((), {"route": "fsat"}, ConfigError, 'no route "fsat"; did you mean "fast"'),
        (("sim/fast",), {"route": "fast"}, ConfigError, "exclude each other"),
        (("sim/fast",), {"hedge": "auto"}, ConfigError, "hedge: a hedge needs a second target"),
        (("sim/fast", "sim/fast"), {"hedge": "2s"}, ConfigError, '"sim/fast" is named twice'),
        ((["sim/fast", "sim/down"],), {}, ConfigError, r"each target is text of its own, .* got \['sim/fast'"),
        (("sim/fast", "sim/down"), {"hedge": True}, ConfigError, "hedge: expected .* got True"),
        (("sim/fast", "sim/down"), {"hedge": "auto", "max_attempts": 1}, ConfigError, "hedge: .* max_attempts is 1"),
        (("sim/fast", "sim/down"), {"hedge": "700s"}, ConfigError, "hedge: .* the default deadline, 120 s"),
        (("sim/fast", "sim/down"), {"hedge": "11m", "deadline": "1h"}, ConfigError, "the default timeouts.total"),
        (("sim/fast", "sim/down"), {"hedge": "2s", "hedge_budget": 0.1}, ConfigError, "hedge_budget: it bounds"),
        (("sim/fast",), {"fallback_on": ["bad_request"]}, ConfigError, "fallback_on: a fallback needs a second target"),
        (("sim/fast",), {"fallback_on": ["timeout"]}, ConfigError, 'fallback_on: unknown value "timeout"'),
        (("sim/fast",), {"min_tokens_per_s": "many"}, ConfigError, "min_tokens_per_s: expected a number"),
        (("sim/fast",), {"max_attempts": 0}, ConfigError, "max_attempts: expected a whole number above 0"),
        (("sim/fast",), {"deadline": 2, "timeouts": {"first_token": 5}}, ConfigError, "timeouts.first_token: 5 s"),
        (("sim/fast",), {"timeouts": 3}, ConfigError, "timeouts: expected a table such as .* got 3"),
        (
            ("sim/fast",),
            {"stream_inside": True},
            ConfigError,
            'stream_inside: expected "auto", "on" or "off", got True',
        ),
        ((), {"route": 3}, ConfigError, "route: expected text, got 3"),
        (("sim/fast",), {"base_url": 3}, ConfigError, "base_url: expected text, got 3"),
        (("sim/fast",), {"temperature": 1}, TypeError, "temperature: said with each request, not with the client"),
        (("sim/fast", "sim/down"), {"hedge": "1s", "deadline": 1}, ConfigError, "hedge: a delay of 1 s isn't shorter"),
        (
            ("sim/fast", "sim/down"),
            {"hedge": "3m"},
            ConfigError,
            "hedge: a delay of 180 s .* default deadline, 120 s",
        ),
        (("sim/fast", "sim/down"), {"hedge": "soon"}, ConfigError, 'hedge: expected "off", "auto" or a delay'),
        (("sim/fast",), {"deadline": 0}, ConfigError, "deadline: expected a duration .* above 0, got 0"),
        (("sim/fast",), {"deadline": "-1s"}, ConfigError, "deadline: expected a duration"),
        (
            ("sim/fast",),
            {"timeouts": {"first_token": 9, "total": 5}},
            ConfigError,
            "timeouts.first_token: 9 s is longer",
        ),
        (("sim/fast",), {"stream_inside": "off", "timeouts": {"first_token": 9}}, ConfigError, "stream_inside: "),
        (("sim/fast",), {"on_break": "ignore"}, ConfigError, 'on_break: unknown value "ignore"'),
        (("sim/fast",), {"cache": "sometimes"}, ConfigError, "cache: expected one of"),
        (("sim/fast",), {"deadline": "soon"}, ConfigError, "deadline: expected a duration"),
        (("sim/fast",), {"limits": {"rmp": 1}}, ConfigError, 'did you mean "rpm"'),
        (("sim/fast",), {"timeouts": {"connect": -1}}, ConfigError, "connect: expected a duration"),
        (("sim/fast",), {"retries": 3}, TypeError, 'unknown option "retries"'),
    ],
)
def test_a_client_that_cant_be_meant_is_refused_when_it_is_made(targets, options, error, message):
    config = {"routes": {"fast": {"targets": ["sim/fast"]}}}
    with pytest.raises(error, match=message):
        AsyncClient(*targets, config=config, **options)


def test_no_model_is_an_error_that_says_how_to_name_one():
    with pytest.raises(ConfigError, match="no model: name one"):
        run(AsyncClient(config={}).generate("hi"))


def test_the_clients_limits_hold_for_it():
    async def main():
        client = AsyncClient("sim/fast", config={}, limits={"rpm": 60})
        for _ in range(5):
            await client.generate("hi")
        return asyncio.get_running_loop().time()

    assert run(main()) > 3.5


def test_no_key_is_in_any_text_of_a_client(config):
    async def main():
        raw = {"providers": {"openai": {"api_key": KEY, "base_url": "http://127.0.0.1:9/v1"}}}
        async with AsyncClient("openai/x", config=raw, deadline=0.5) as client:
            with pytest.raises(Unanswered) as caught:
                await client.generate("hi")
            return (
                repr(client),
                repr(client.stats()),
                repr(client.keys("openai")),
                str(caught.value),
                repr(caught.value),
            )

    assert KEY not in "".join(asyncio.run(main()))


def test_a_client_serves_one_loop_after_another():
    client = AsyncClient("sim/fast", config={})
    assert asyncio.run(client.generate("hi")).text == asyncio.run(client.generate("hi")).text

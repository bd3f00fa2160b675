"""`Client` works in a script, in a thread and inside a running loop, and closes behind itself."""

import asyncio
import gc
import itertools
import os
import signal
import subprocess
import sys
import threading

import pytest
from tests.client.given import KEY, ledger

import penstock
from penstock import AsyncClient, Client
from penstock.errors import PenstockError, Unanswered


@pytest.fixture
def client(config):
    with Client("sim/fast", config=config) as client:
        yield client


def test_every_method_answers(client):
    answer = client.generate("How big is the moon?", temperature=0)
    assert (answer.status, answer.target) == ("success", "sim/fast")
    assert isinstance(client.complete("Once upon"), str)
    assert len(client.embed(["a", "b"], dimensions=3)) == 2
    assert [a.status for a in client.run(["a", "b"])] == ["success", "success"]
    assert client.stats().answered == 5
    assert repr(client) == "Client('sim/fast')"


def test_a_stream_is_read_in_a_with_or_by_iterating(client):
    whole = client.generate("tell me").text
    with client.stream("tell me") as stream:
        assert "".join(chunk.text for chunk in stream) == whole
    assert stream.answer.text == whole
    assert "".join(chunk.text for chunk in client.stream("tell me")) == whole
    assert client.stream("tell me").finish().text == whole


def test_the_stream_of_a_client_that_nobody_holds_is_read_to_its_end(config):
    stream = Client("sim/fast", config=config).stream("tell me")
    gc.collect()
    assert "".join(chunk.text for chunk in stream) == stream.answer.text != ""


def test_it_works_inside_a_running_loop(client):
    async def notebook_cell():
        streamed = "".join(chunk.text for chunk in client.stream("hi"))
        mapped = [answer.text for answer in client.map(["hi", "hi"])]
        return {client.generate("hi").text, streamed, *mapped}

    assert len(asyncio.run(notebook_cell())) == 1


def test_map_answers_in_order_and_failures_are_answers(client):
    answers = list(client.map(["one", "", "two"]))
    assert [answer.status for answer in answers] == ["success", "failed", "success"]
    assert answers[0].text.endswith("one")


def test_map_takes_prompts_in_the_calling_thread_and_no_more_than_its_window(client):
    taken, threads = [], set()

    def prompts():
        for number in itertools.count():
            taken.append(number)
            threads.add(threading.current_thread())
            yield f"prompt {number}"

    answers = client.map(prompts(), concurrency=4)
    assert taken == []
    for _ in range(50):
        next(answers)
    answers.close()
    assert threads == {threading.current_thread()}
    assert len(taken) <= 50 + 64


def test_map_may_be_fed_by_the_same_client(client):
    def prompts():
        for number in range(5):
            yield client.generate(f"make prompt {number}").text

    assert [answer.status for answer in client.map(prompts())] == ["success"] * 5


def test_what_the_prompts_raise_is_raised(client):
    def prompts():
        yield "one"
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        list(client.map(prompts()))
    assert client.generate("still there").status == "success"


def test_unordered_answers_are_all_there(client):
    prompts = [f"prompt {number}" for number in range(300)]
    answers = list(client.map(prompts, ordered=False, concurrency=10))
    assert sorted(answer.text.split(" ", 1)[1] for answer in answers) == sorted(prompts)


def test_threads_share_a_client(client):
    texts = []
    threads = [threading.Thread(target=lambda: texts.append(client.generate("hi").text)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(texts), len(set(texts))) == (8, 1)


def test_errors_come_as_they_are(config):
    with Client("sim/fast", config=config) as client:
        with pytest.raises(penstock.InputError, match="the prompt is empty"):
            client.generate("")
        with pytest.raises(TypeError, match="temprature"):
            client.generate("x", temprature=1)
        with pytest.raises(penstock.ConfigError, match="did you mean openai"):
            client.generate("x", model="opnai/x")


def test_a_refused_key_is_raised_by_its_name_and_never_shown(tmp_path):
    from tests.client.given import running_simulator

    scenario = tmp_path / "scenario.toml"
    scenario.write_text('[models.refusing]\nfaults = [{ fault = "status", status = 401 }]\n')
    with running_simulator("--scenario", str(scenario)) as url:
        config = {"providers": {"openai": {"base_url": f"{url}/openai/v1", "api_key": KEY}}}
        with Client("openai/refusing", config=config) as client, pytest.raises(penstock.AuthenticationFailed) as caught:
            client.generate("hi")
        assert len(ledger(url)) == 1
    assert KEY not in str(caught.value) + repr(caught.value.attempts)


def test_keys_are_replaced_while_running(sim_url):
    config = {"providers": {"openai": {"base_url": f"{sim_url}/openai/v1", "api_key": "sk-test-the-old-one"}}}
    with Client("openai/fast", config=config) as client:
        client.generate("hi")
        client.keys("openai").replace(["sk-test-the-new-one"])
        client.generate("hi")
        assert len(client.keys("openai")) == 1
    assert [row["key"] for row in ledger(sim_url)[-2:]] == ["sk-test-the-old-one", "sk-test-the-new-one"]


def test_a_closed_client_says_so_and_leaves_no_thread():
    before = threading.active_count()
    client = Client("sim/fast", config={})
    client.generate("hi")
    client.close()
    client.close()
    assert threading.active_count() == before
    with pytest.raises(PenstockError, match="the client is closed"):
        client.generate("hi")


def test_the_counts_outlive_the_client():
    with Client("sim/fast", config={}) as client:
        client.generate("hi")
    assert (client.stats().requests, client.stats().targets["sim/fast"].answered) == (1, 1)
    unused = Client("sim/fast", config={})
    assert unused.stats().requests == 0
    unused.close()
    assert unused.stats().requests == 0

    async def counted(client):
        await client.generate("hi")
        await client.aclose()
        await client.aclose()
        return client.stats().requests

    patient = AsyncClient("sim/fast", config={})
    assert asyncio.run(counted(patient)) == 1
    assert (patient.stats().requests, asyncio.run(counted(patient))) == (1, 2)


def test_a_client_that_nobody_holds_ends_its_thread():
    before = threading.active_count()
    Client("sim/fast", config={}).generate("hi")
    gc.collect()
    assert threading.active_count() == before


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_cancels_the_request():
    with Client("sim/typical", config={}) as client:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            list(client.map(f"prompt {number}" for number in itertools.count()))
        assert client.stats().targets["sim/typical"].saturation.in_flight == 0


def test_a_script_that_closes_nothing_ends_cleanly(sim_url):
    code = f"""
import penstock
client = penstock.Client("sim/fast", config={{"providers": {{"sim": {{"base_url": "{sim_url}/sim/v1"}}}}}})
print(client.generate("hi").status, len(list(client.map(["a"] * 50))))
"""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "success 50\n", "")


def test_an_unanswered_request_carries_every_attempt():
    with Client("sim/down", config={}, deadline=0.3) as client, pytest.raises(Unanswered) as caught:
        client.generate("hi")
    assert {attempt.status for attempt in caught.value.attempts} == {503}

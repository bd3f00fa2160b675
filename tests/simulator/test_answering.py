"""What the simulator does with a request before any byte is sent: paths, keys, tries, and the schedule of a seed."""

from __future__ import annotations

import msgspec
import pytest
from tests.simulator.given import body_of, chat, faulty, request, simulator


def test_a_reset_empties_the_ledger_and_keeps_the_scenario() -> None:
    served = simulator("[models.m.limits]\nrpm = 1")
    for _ in range(2):
        served.script(request(chat()))
    served.script(request(path="/sim/reset"))
    assert served.ledger.served == 0
    assert [served.script(request(chat())).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/azure/openai/deployments/d/chat/completions", "POST", 404),
        ("/nothing", "GET", 404),
        ("/sim/nothing", "GET", 404),
        ("/sim/ledger", "POST", 405),
        ("/v1/chat/completions", "GET", 405),
        ("/v1/chat/completions", "POST", 400),
    ],
)
def test_what_is_not_served_is_said_in_json(path: str, method: str, status: int) -> None:
    script = simulator().script(request(path=path, method=method))
    assert script.status == status
    body = b"".join(piece for _, piece in script.pieces)
    assert msgspec.json.decode(body)["error"]["message"]


@pytest.mark.parametrize(
    "path",
    ["/v1", "/openai/v1", "/together/v1", "/groq/openai/v1", "/openrouter/api/v1", "/perplexity", "/mine/v1", ""],
)
def test_every_compatible_vendor_has_its_prefix(path: str) -> None:
    assert simulator().quick(request(chat(), f"{path}/chat/completions")) is not None


def test_a_pattern_can_name_the_provider() -> None:
    served = simulator('[models."groq/*"]\nfaults = [{ fault = "status" }]')
    assert served.quick(request(chat(), "/together/v1/chat/completions")) is not None
    assert served.script(request(chat(), "/groq/openai/v1/chat/completions")).status == 503


@pytest.mark.parametrize(("key", "status"), [("sk-good", 200), ("sk-poor", 429), ("sk-other", 401), ("", 401)])
def test_only_accepted_keys_are_served(key: str, status: int) -> None:
    served = simulator('keys = ["sk-good"]\nout_of_quota = ["sk-poor"]')
    assert served.quick(request(chat(), key=key)) is None
    assert served.script(request(chat(), key=key)).status == status


def test_a_refused_key_is_not_repeated_in_full() -> None:
    script = simulator('keys = ["sk-good"]').script(request(chat(), key="sk-test-very-secret-not-a-key"))
    assert b"very-secret" not in b"".join(piece for _, piece in script.pieces)


def test_a_fault_for_the_first_tries_passes_later() -> None:
    served = simulator(faulty("status", status=500, first_tries=2))
    assert [served.script(request(chat())).status for _ in range(3)] == [500, 500, 200]
    assert served.script(request(chat("another question"))).status == 500


def test_a_refusal_at_a_limit_is_no_try() -> None:
    text = '[models.m]\nlimits = { rpm = 60, burst = 0.02 }\nfaults = [{ fault = "status", first_tries = 1 }]'
    times = iter([0.0, 0.0, 0.0, 1.0])
    served = simulator(text, lambda: next(times))
    assert [served.script(request(chat())).status for _ in range(3)] == [503, 429, 200]


def test_the_schedule_does_not_depend_on_the_order_of_arrival() -> None:
    scenario = '[models.m]\nfaults = [{ fault = "status", probability = 0.5 }]'

    def statuses(order: range) -> dict[int, int]:
        served = simulator(scenario, seed=5)
        return {number: served.script(request(chat(str(number)))).status for number in order}

    forwards = statuses(range(40))
    assert forwards == statuses(range(39, -1, -1))
    assert set(forwards.values()) == {200, 503}


def test_another_seed_gives_another_schedule() -> None:
    scenario = '[models.m]\nfaults = [{ fault = "status", probability = 0.5 }]'
    schedules = []
    for seed in (1, 1, 2):
        served = simulator(scenario, seed=seed)
        schedules.append([served.script(request(chat(str(number)))).status for number in range(40)])
    assert schedules[0] == schedules[1] != schedules[2]


@pytest.mark.parametrize(("settings", "tokens"), [("", 16), ("tokens_per_s = 50", 155)])
def test_a_paced_stream_has_an_event_a_token_and_others_a_few(settings: str, tokens: int) -> None:
    served = simulator(f"[models.m]\noutput_tokens = 155\n{settings}")
    events = body_of(served.script(request(chat(stream=True)))).count(b'"delta":{"content":')
    assert events == tokens

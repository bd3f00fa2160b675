"""The simulator as the Gemini API and as Vertex AI: answers and refusals that a client of each reads."""

from __future__ import annotations

from typing import Any

import pytest
from tests.simulator.given import body_of, faulty, json_of, request, simulator

from penstock.call import Call
from penstock.catalog import vendor
from penstock.fold import fold
from penstock.http import WireReply
from penstock.simulator.scenario import Scenario
from penstock.simulator.script import Script
from penstock.testing.exam_codec import read_stream
from penstock.wire.gemini import GeminiCodec, Platform

BASES: dict[Platform, str] = {"gemini": "/gemini/v1beta", "vertex": "/vertex/v1/projects/p/locations/l"}
PLATFORMS = sorted(BASES)
BODY = {"messages": [{"role": "user", "content": "How big is the moon?"}]}


def codec(platform: Platform) -> GeminiCodec:
    return GeminiCodec(vendor("gemini"), f"http://sim{BASES[platform]}", platform=platform)


def call(**body: Any) -> Call:
    return Call(id="1", model="m", body={**BODY, **body})


def asked(
    platform: Platform,
    scenario: Scenario | str = "",
    *,
    what: Call | None = None,
    stream: bool = False,
    key: str = "k",
    times: int = 1,
) -> Script:
    """The last of `times` equal requests' scripts."""
    there = simulator(scenario)
    sent = codec(platform).encode_request(what or call(), "m", stream=stream)
    moved = request(None, sent.url.removeprefix("http://sim").partition("?")[0], key=key)
    for _ in range(times):
        script = there.script(type(moved)(moved.head, sent.body))
    return script


def reply(script: Script) -> WireReply:
    return WireReply(script.status, script.headers, body_of(script))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_stream_says_the_same_as_the_whole(platform: Platform) -> None:
    whole = codec(platform).decode_reply(call(), reply(asked(platform)))
    events, error, _ = read_stream(codec(platform), call(), [body_of(asked(platform, stream=True))])
    assert error is None
    told = fold(events)
    assert whole.text.endswith("How big is the moon?")
    assert (told.text, told.usage, told.finish) == (whole.text, whole.usage, whole.finish)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_in_one_piece(platform: Platform, stream: bool) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "wx", "parameters": parameters}}
    what = call(tools=[tool], tool_choice="required")
    script = asked(platform, what=what, stream=stream)
    if stream:
        completion = fold(read_stream(codec(platform), what, [body_of(script)])[0])
    else:
        completion = codec(platform).decode_reply(what, reply(script))
    assert completion.message["tool_calls"][0]["function"]["name"] == "wx"
    assert completion.finish == "tool_calls"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_texts_are_embedded_in_the_platforms_form(platform: Platform) -> None:
    what = Call(id="1", model="m", body={"input": ["a", "b"], "dimensions": 8}, kind="embedding")
    script = asked(platform, what=what)
    assert set(json_of(script)) >= {"embeddings" if platform == "gemini" else "predictions"}
    completion = codec(platform).decode_reply(what, reply(script))
    assert [len(vector) for vector in completion.vectors] == [8, 8]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "bad_request"),
        (401, "auth"),
        (403, "auth"),
        (404, "bad_request"),
        (413, "bad_request"),
        (429, "rate_limited"),
        (500, "server_error"),
        (503, "overloaded"),
        (504, "server_error"),
    ],
)
def test_every_status_is_refused_in_words_of_its_class(platform: Platform, status: int, kind: str) -> None:
    script = asked(platform, faulty("status", status=status))
    assert (script.status, codec(platform).classify(reply(script)).kind) == (status, kind)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_bad_key_and_an_empty_account_are_told_apart(platform: Platform) -> None:
    scenario = 'keys = ["good"]\nout_of_quota = ["poor"]'
    scripts = [asked(platform, scenario, key=key) for key in ("bad", "", "poor")]
    assert [codec(platform).classify(reply(one)).kind for one in scripts] == ["auth", "auth", "quota_exhausted"]
    assert [one.status for one in scripts] == ([400, 403, 429] if platform == "gemini" else [401, 401, 403])


@pytest.mark.parametrize(("platform", "wait_s"), [("gemini", 60.0), ("vertex", None)])
def test_the_wait_at_a_limit_stands_in_the_body_or_nowhere(platform: Platform, wait_s: float | None) -> None:
    script = asked(platform, "[models.m]\nlimits = { rpm = 1 }", times=2)
    refusal = codec(platform).classify(reply(script))
    assert (refusal.kind, refusal.status, refusal.retry_after_s) == ("rate_limited", 429, wait_s)
    assert not [name for name in script.headers if name.startswith(("retry-after", "x-ratelimit"))]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [("stream_error", "server_error"), ("cut_stream", "transport"), ("truncated_body", "transport")],
)
def test_a_stream_that_breaks_keeps_what_it_had_said(platform: Platform, fault: str, kind: str) -> None:
    data = body_of(asked(platform, faulty(fault, after=0.5), stream=True))
    _, error, _ = read_stream(codec(platform), call(), [data])
    assert error is not None
    assert error.kind == kind
    assert error.partial.startswith("sim:")


def test_an_event_that_nobody_can_read_is_noticed() -> None:
    data = body_of(asked("gemini", faulty("malformed_event", after=0.5), stream=True))
    _, error, malformed = read_stream(codec("gemini"), call(), [data])
    assert (error, malformed) == (None, 1)


@pytest.mark.parametrize(("fault", "kind"), [("empty_answer", "empty"), ("error_in_200", "server_error")])
def test_a_200_that_is_no_answer_is_noticed(fault: str, kind: str) -> None:
    events, error, _ = read_stream(codec("gemini"), call(), [body_of(asked("gemini", faulty(fault), stream=True))])
    assert error is not None
    assert (error.kind, fold(events).text) == (kind, "")


def test_models_are_listed_as_google_lists_them() -> None:
    told = json_of(simulator("").script(request(None, "/gemini/v1beta/models", method="GET")))
    assert all(model["name"].startswith("models/") for model in told["models"])


def test_what_is_no_request_is_refused_in_googles_form() -> None:
    sent = request(None, "/gemini/v1beta/models/m:generateContent")
    script = simulator("").script(type(sent)(sent.head, b"{oops"))
    assert (script.status, json_of(script)["error"]["status"]) == (400, "INVALID_ARGUMENT")

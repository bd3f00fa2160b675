"""The simulator as Anthropic, as Vertex AI and as Bedrock: answers and refusals that a client of each place reads."""

from __future__ import annotations

from typing import Any

import pytest
from tests.simulator.given import body_of, faulty, request, simulator

from penstock.call import Call
from penstock.catalog import Vendor
from penstock.fold import fold
from penstock.http import WireReply
from penstock.simulator.scenario import Scenario
from penstock.simulator.script import Script
from penstock.testing.exam_codec import read_stream
from penstock.wire.anthropic import AnthropicCodec, Form

BASES: dict[Form, str] = {
    "direct": "/anthropic",
    "vertex": "/vertex/v1/projects/p/locations/l",
    "bedrock": "/bedrock",
}
MODEL = "anthropic.m"
CALL = Call(id="1", model=MODEL, body={"messages": [{"role": "user", "content": "How big is the moon?"}]})
FORMS = sorted(BASES)


def codec(form: Form) -> AnthropicCodec:
    vendor = Vendor(name="anthropic", title="Anthropic", wire="anthropic")
    return AnthropicCodec(vendor, f"http://sim{BASES[form]}", form=form)


def asked(form: Form, scenario: Scenario | str = "", *, stream: bool = False, key: str = "k", times: int = 1) -> Script:
    """The last of `times` equal requests' scripts."""
    there, body = simulator(scenario), CALL.body
    sent = codec(form).encode_request(Call(id="1", model=MODEL, body=body), MODEL, stream=stream)
    for _ in range(times):
        script = there.script(_moved(sent, key))
    return script


def _moved(sent: Any, key: str) -> Any:
    moved = request(None, sent.url.removeprefix("http://sim"), key=key)
    return type(moved)(moved.head, sent.body)


def reply(script: Script) -> WireReply:
    return WireReply(script.status, script.headers, body_of(script))


def faults(name: str, **settings: Any) -> Scenario:
    """Every request to the model meets the fault."""
    scenario = faulty(name, **settings)
    return type(scenario)(models={MODEL: scenario.models["m"]})


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_says_the_same_as_the_whole(form: Form) -> None:
    whole = codec(form).decode_reply(CALL, reply(asked(form)))
    events, error, _ = read_stream(codec(form), CALL, [body_of(asked(form, stream=True))])
    assert error is None
    told = fold(events)
    assert whole.text.endswith("How big is the moon?")
    assert (told.text, told.usage, told.finish) == (whole.text, whole.usage, whole.finish)


@pytest.mark.parametrize("form", FORMS)
def test_every_answer_has_a_name(form: Form) -> None:
    assert (codec(form).request_id(asked(form).headers) or "").startswith("req-")


@pytest.mark.parametrize("form", FORMS)
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
        (502, "server_error"),
        (503, "overloaded"),
        (529, "overloaded"),
    ],
)
def test_every_status_is_refused_in_words_of_its_class(form: Form, status: int, kind: str) -> None:
    script = asked(form, faults("status", status=status))
    assert (script.status, codec(form).classify(reply(script)).kind) == (status, kind)


@pytest.mark.parametrize("form", FORMS)
def test_a_bad_key_and_an_empty_account_are_told_apart(form: Form) -> None:
    scenario = 'keys = ["good"]\nout_of_quota = ["poor"]'
    kinds = [codec(form).classify(reply(asked(form, scenario, key=key))).kind for key in ("bad", "", "poor")]
    assert kinds == ["auth", "auth", "quota_exhausted"]


def test_a_limit_is_told_with_its_wait_and_in_headers() -> None:
    script = asked("direct", f'[models."{MODEL}"]\nlimits = {{ rpm = 1 }}', times=2)
    refusal = codec("direct").classify(reply(script))
    assert (refusal.kind, refusal.retry_after_s) == ("rate_limited", 60.0)
    limits = codec("direct").rate_limits(script.headers)
    assert limits is not None
    assert (limits.requests_limit, limits.requests_remaining, limits.requests_reset_s) == (1, 0, 60.0)


@pytest.mark.parametrize("form", ["vertex", "bedrock"])
def test_a_cloud_tells_neither_limits_nor_waits(form: Form) -> None:
    script = asked(form, f'[models."{MODEL}"]\nlimits = {{ rpm = 1 }}', times=2)
    refusal = codec(form).classify(reply(script))
    assert (refusal.kind, refusal.retry_after_s) == ("rate_limited", None)
    assert codec(form).rate_limits(script.headers) is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [("stream_error", "server_error"), ("cut_stream", "transport"), ("truncated_body", "transport")],
)
def test_a_stream_that_breaks_keeps_what_it_had_said(form: Form, fault: str, kind: str) -> None:
    data = body_of(asked(form, faults(fault, after=0.5), stream=True))
    _, error, _ = read_stream(codec(form), CALL, [data])
    assert error is not None
    assert error.kind == kind
    assert error.partial.startswith("sim:")


@pytest.mark.parametrize("form", FORMS)
def test_an_event_that_nobody_can_read_is_noticed(form: Form) -> None:
    data = body_of(asked(form, faults("malformed_event", after=0.5), stream=True))
    _, error, malformed = read_stream(codec(form), CALL, [data])
    assert (error, malformed) == (None, 1)


@pytest.mark.parametrize("form", FORMS)
def test_a_request_that_is_none_is_refused_in_the_places_own_form(form: Form) -> None:
    sent = codec(form).encode_request(CALL, MODEL, stream=False)
    sent.body = b'{"max_tokens": 0, "messages": []}'
    script = simulator().script(_moved(sent, "k"))
    assert (script.status, codec(form).classify(reply(script)).kind) == (400, "bad_request")


def test_an_error_under_a_200_is_no_answer() -> None:
    script = asked("direct", faults("error_in_200"))
    assert script.status == 200
    assert codec("direct").classify(reply(script)).kind == "server_error"


def test_the_models_are_listed_as_anthropic_lists_them() -> None:
    listed = simulator().script(request(None, "/anthropic/v1/models", method="GET"))
    assert b'"type":"model"' in body_of(listed)

"""The leaf signs, keeps time, says whose error it was, and holds a stream's connection until it is closed."""

import asyncio

import msgspec
import pytest

from penstock.call import Call, Completion, Finished, RateLimits, TextDelta
from penstock.catalog import vendor
from penstock.endpoint import Endpoint
from penstock.errors import CallError
from penstock.fold import fold
from penstock.http import Timeouts, WireReply
from penstock.testing import Chunks, Delayed, FakeTransport, run
from penstock.wire.openai import OpenAICodec

KEY = "sk-test-not-a-key"
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}


def reply(text="hello", status=200, **headers):
    body = {
        "id": "c1",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
    }
    return WireReply(status, {**JSON, **headers}, msgspec.json.encode(body))


def refusal(status, **headers):
    return WireReply(status, {**JSON, **headers}, b'{"error": {"message": "no", "code": "because"}}')


def sse(*texts, done=True):
    pieces = [
        b"data: %b\n\n"
        % msgspec.json.encode({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]})
        for text in texts
    ]
    last = {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return [*pieces, *([b"data: %b\n\ndata: [DONE]\n\n" % msgspec.json.encode(last)] if done else [])]


def call(**fields):
    return Call(id="r1", model="openai/m", body={"messages": [{"role": "user", "content": "hi"}]}, **fields)


def send(script, asked=None, *, key=KEY, learn=None, repeat=1, **settings):
    """The transport, and what the last of `repeat` attempts came to: a completion, (events, error), or an error."""
    transport = FakeTransport(script)

    async def main():
        loop = asyncio.get_running_loop()
        codec = OpenAICodec(vendor("openai"))
        endpoint = Endpoint(codec, transport, model="m", name="openai/m", now=loop.time, **settings)
        for _ in range(repeat):
            try:
                result = await endpoint.send(asked or call(), key, learn=learn)
            except CallError as error:
                result = error
        if isinstance(result, (Completion, CallError)):
            return result
        events = []
        assert transport.open == 1
        try:
            async for event in result:
                events.append(event)
        except CallError as error:
            return events, error
        return events, None

    result = run(main())
    assert transport.open == 0
    return transport, result


def test_an_answer_is_decoded_and_the_request_was_signed():
    transport, completion = send([reply()])
    assert completion.text == "hello"
    (request,) = transport.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert msgspec.json.decode(request.body)["model"] == "m"


def test_without_a_key_nothing_is_signed():
    transport, _ = send([reply()], key=None)
    assert "authorization" not in transport.requests[0].headers


def test_headers_are_copied_once_a_key_and_the_codecs_own_stay_clean():
    transport, _ = send([reply(), reply(), reply()], repeat=3)
    assert len({id(request.headers) for request in transport.requests}) == 1
    _, other = send([reply()], key="another-fake-key")
    assert other.text == "hello"


def test_a_refusal_is_classified_and_names_its_target():
    _, error = send([refusal(429, **{"retry-after": "7"})])
    assert (error.kind, error.status, error.target, error.retry_after_s) == ("rate_limited", 429, "openai/m", 7.0)
    assert KEY not in str(error) + repr(error)


@pytest.mark.parametrize("streams", [False, True])
def test_a_transports_error_names_the_target_too(streams):
    _, error = send([CallError("transport", "reset", sent=False)], call(stream=streams))
    assert (error.kind, error.target, error.sent) == ("transport", "openai/m", False)


def test_what_the_headers_of_a_refusal_say_about_limits_is_passed_on():
    learned: list[RateLimits] = []
    send([refusal(429, **{"x-ratelimit-limit-requests": "60"})], learn=learned.append)
    assert [limits.requests_limit for limits in learned] == [60]


def test_what_the_headers_of_answers_say_about_limits_is_passed_on_now_and_then():
    learned: list[RateLimits] = []
    send([reply(**{"x-ratelimit-limit-requests": "60"})] * 5, learn=learned.append, repeat=5)
    assert [limits.requests_limit for limits in learned] == [60]
    slow = [Delayed(1.0, reply(**{"x-ratelimit-limit-requests": "60"}))] * 3
    send(slow, learn=learned.append, repeat=3)
    assert len(learned) == 1 + 3


def test_what_the_headers_of_a_stream_say_about_limits_is_passed_on():
    learned: list[RateLimits] = []
    send(
        [Chunks(sse("a"), headers={**SSE, "x-ratelimit-limit-requests": "60"})], call(stream=True), learn=learned.append
    )
    assert [limits.requests_limit for limits in learned] == [60]


def test_a_stream_yields_its_events_and_gives_the_connection_back():
    _, (events, error) = send([Chunks(sse("Hel", "lo"), headers=SSE)], call(stream=True))
    assert error is None
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello"
    assert sum(isinstance(event, Finished) for event in events) == 1


def test_a_stream_that_is_done_does_not_wait_for_the_server_to_hang_up():
    transport = FakeTransport([Chunks([*sse("a"), 1000], headers=SSE)])

    async def main():
        loop = asyncio.get_running_loop()
        endpoint = Endpoint(OpenAICodec(vendor("openai")), transport, model="m", name="openai/m", now=loop.time)
        async for _ in await endpoint.send(call(stream=True), KEY):
            pass
        return loop.time()

    assert run(main()) < 1


def test_a_stream_that_breaks_tells_what_had_arrived():
    script = [Chunks([*sse("Hel", "lo", done=False), CallError("transport", "reset")], headers=SSE)]
    _, (_, error) = send(script, call(stream=True))
    assert (error.kind, error.target, error.partial) == ("transport", "openai/m", "Hello")


def test_what_breaks_behind_the_finish_reason_takes_nothing_from_a_stream():
    *pieces, last = sse("Hel", "lo")
    finish, _, _ = last.partition(b"data: [DONE]")
    broken = Chunks([*pieces, finish, CallError("transport", "reset")], headers=SSE)
    _, (events, error) = send([broken], call(stream=True))
    assert (fold(events).text, error) == ("Hello", None)


def test_a_stream_that_is_cut_is_an_error_with_its_text():
    _, (_, error) = send([Chunks(sse("Hel", done=False), headers=SSE)], call(stream=True))
    assert (error.kind, error.target, error.partial) == ("transport", "openai/m", "Hel")


def test_the_error_body_of_a_stream_is_read_and_classified():
    _, error = send([Chunks([b'{"error": {"message": "busy"', b"}}"], status=503, headers=JSON)], call(stream=True))
    assert (error.kind, error.status, error.target) == ("overloaded", 503, "openai/m")
    assert "busy" in str(error)


def test_an_error_body_that_breaks_off_leaves_the_status_to_speak():
    _, error = send([Chunks([b"{", CallError("transport", "reset")], status=503, headers=JSON)], call(stream=True))
    assert (error.kind, error.status) == ("overloaded", 503)


def test_leaving_a_stream_early_gives_the_connection_back():
    transport = FakeTransport([Chunks([*sse("a", "b"), 1000], headers=SSE)])

    async def main():
        loop = asyncio.get_running_loop()
        endpoint = Endpoint(OpenAICodec(vendor("openai")), transport, model="m", name="openai/m", now=loop.time)
        async with await endpoint.send(call(stream=True), KEY) as stream:
            async for _ in stream:
                break

    run(main())
    assert transport.open == 0


def test_the_deadline_narrows_the_timeouts_of_its_own_call_only():
    script = [Delayed(50, reply()), Delayed(50, reply())]
    _, error = send([script[0]], call(deadline_s=20.0))
    assert (error.kind, error.target) == ("timeout", "openai/m")
    _, completion = send([script[1]])
    assert completion.text == "hello"


def test_a_deadline_that_has_passed_sends_nothing():
    transport, error = send([], call(deadline_s=0.0))
    assert (error.kind, error.sent, transport.requests) == ("timeout", False, [])


def test_own_timeouts_bound_a_call_without_a_deadline():
    _, error = send([Delayed(50, reply())], timeouts=Timeouts(total=10))
    assert error.kind == "timeout"


def test_a_cancelled_attempt_gives_the_connection_back():
    transport = FakeTransport([Delayed(1000, reply())])

    async def main():
        loop = asyncio.get_running_loop()
        endpoint = Endpoint(OpenAICodec(vendor("openai")), transport, model="m", name="openai/m", now=loop.time)
        attempt = loop.create_task(endpoint.send(call(), KEY))
        await asyncio.sleep(1)
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)

    run(main())
    assert transport.open == 0


def test_a_refused_request_above_the_limit_that_is_told_is_too_big_and_waits_for_nothing():
    refused = refusal(429, **{"x-ratelimit-limit-tokens": "100", "retry-after": "60"})
    _, error = send([refused], learn=lambda limits: "it is above" if limits.tokens_limit == 100 else None)
    assert (error.kind, error.retry_after_s, error.message) == ("too_big_for_limit", None, "it is above: no")


def test_what_is_above_a_limit_but_failed_for_another_reason_keeps_its_class():
    _, error = send([refusal(500, **{"x-ratelimit-limit-tokens": "100"})], learn=lambda _: "it is above")
    assert error.kind == "server_error"

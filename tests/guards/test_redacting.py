"""What is found never reaches the provider, and the caller has it back."""

from __future__ import annotations

import json

import pytest
from tests.guards.given import CARD, EMAIL, KEY, a_call, answering, asked, said, streamed

from penstock.call import Call, Finished, ToolDelta
from penstock.errors import GuardRefused
from penstock.guards import KINDS, Redaction
from penstock.guards.kinds import find
from penstock.guards.redacting import Redact
from penstock.testing import Chunks, run

ALL = Redaction(KINDS)


def sent(call: Call, settings: Redaction = ALL) -> Call:
    inner = answering(said("ok"))
    asked(Redact(settings)(inner), call)
    return inner.calls[0]


def test_the_provider_sees_placeholders_and_the_caller_the_values() -> None:
    inner = answering(said("I wrote to [EMAIL_1]."))
    answer, _ = asked(Redact(ALL)(inner), a_call(f"Write to {EMAIL}"))
    assert inner.calls[0].body["messages"][0]["content"] == "Write to [EMAIL_1]"
    assert answer.text == f"I wrote to {EMAIL}."
    assert [(one.what, one.where, one.done) for one in answer.guards] == [("email", "messages[0]", "restored")]


def test_a_body_without_a_find_is_handed_on_as_it_is() -> None:
    call = a_call("How big is the moon?")
    inner = answering(reply := said("Big."))
    answer, _ = asked(Redact(ALL)(inner), call)
    assert inner.calls[0] is call
    assert answer is reply


def test_the_given_body_is_not_touched() -> None:
    call = a_call(EMAIL)
    sent(call)
    assert call.body["messages"][0]["content"] == EMAIL


def test_equal_values_have_one_placeholder_and_different_ones_two() -> None:
    text = sent(a_call(f"{EMAIL}, b{EMAIL}, {EMAIL}")).body["messages"][0]["content"]
    assert text == "[EMAIL_1], [EMAIL_2], [EMAIL_1]"


def test_texts_that_differ_in_their_values_only_are_one_question() -> None:
    assert sent(a_call(f"Is {EMAIL} real?")).body == sent(a_call(f"Is x{EMAIL} real?")).body


def test_what_stands_there_like_a_placeholder_is_nobodys() -> None:
    inner = answering(said("[EMAIL_1] and [EMAIL_2]"))
    answer, _ = asked(Redact(ALL)(inner), a_call(f"[EMAIL_1] is a word, {EMAIL} is none"))
    assert inner.calls[0].body["messages"][0]["content"] == "[EMAIL_1] is a word, [EMAIL_2] is none"
    assert answer.text == f"[EMAIL_1] and {EMAIL}"


@pytest.mark.parametrize("written", ["[EMAIL_1]", r"\[EMAIL_1\]", r"[EMAIL\_1]", "[email_1]", "[ EMAIL_1 ]"])
def test_what_models_make_of_a_placeholder_is_restored(written: str) -> None:
    answer, _ = asked(Redact(ALL)(answering(said(f"to {written}!"))), a_call(EMAIL))
    assert answer.text == f"to {EMAIL}!"


def test_parts_tool_calls_variables_and_users_are_redacted() -> None:
    body = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": EMAIL}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": json.dumps({"to": EMAIL})}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": f"sent to {EMAIL}"},
        ],
        "user": EMAIL,
        "metadata": {"who": EMAIL},
    }
    call = sent(a_call(body=body, variables={"who": EMAIL}))
    assert EMAIL not in json.dumps(call.body)
    assert EMAIL not in json.dumps(call.variables)


def test_pictures_and_signatures_stay_to_the_byte() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{KEY}"}},
        {"type": "thinking", "signature": KEY},
    ]
    body = {"messages": [{"role": "user", "content": parts}]}
    assert sent(a_call(body=body)).body is body


@pytest.mark.parametrize(("kind", "key"), [("completion", "prompt"), ("embedding", "input")])
def test_every_kind_of_request_is_redacted(kind: str, key: str) -> None:
    assert sent(a_call(body={key: [f"to {EMAIL}"]}, kind=kind)).body == {key: ["to [EMAIL_1]"]}


def test_the_arguments_of_a_tool_are_restored_as_json() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----"
    function = {"name": "f", "arguments": '{"key": "[PRIVATE_KEY_1]"}'}
    inner = answering(said(None, tool_calls=[{"id": "c", "type": "function", "function": function}]))
    answer, _ = asked(Redact(ALL)(inner), a_call(f"use {key}"))
    assert json.loads(answer.message["tool_calls"][0]["function"]["arguments"]) == {"key": key}
    assert answer.raw == b""


def test_the_arguments_of_a_streamed_tool_are_restored_over_pieces() -> None:
    pieces = ['{"to": "[EM', "AIL", '_1]", "n', '": 1}']
    events = [ToolDelta(0, id="c", name="f"), *(ToolDelta(0, arguments=one) for one in pieces), Finished("tool_calls")]
    answer, _ = asked(Redact(ALL)(answering(Chunks(events))), a_call(EMAIL, stream=True))
    assert json.loads(answer.message["tool_calls"][0]["function"]["arguments"]) == {"to": EMAIL, "n": 1}


def test_masked_values_never_come_back() -> None:
    inner = answering(said("I see [EMAIL_1]"))
    answer, _ = asked(Redact(Redaction(KINDS, prompts="mask"))(inner), a_call(EMAIL))
    assert answer.text == "I see [EMAIL_1]"
    assert answer.guards[0].done == "masked"


def test_a_prompt_can_be_refused_and_the_error_holds_no_value() -> None:
    inner = answering()
    with pytest.raises(GuardRefused, match=r"api_key in messages\[0\], .*; nothing was sent") as caught:
        asked(Redact(Redaction(KINDS, prompts="refuse"))(inner), a_call(f"{KEY} and {EMAIL}"))
    assert inner.calls == []
    assert KEY not in repr(caught.value) + str(caught.value.guards)


def test_a_flagged_prompt_goes_out_as_it_is() -> None:
    call = a_call(EMAIL)
    inner = answering(said("ok"))
    answer, _ = asked(Redact(Redaction(KINDS, prompts="flag"))(inner), call)
    assert inner.calls[0] is call
    assert answer.guards[0].done == "flagged"


def test_answers_are_masked_and_what_the_caller_gave_is_not() -> None:
    inner = answering(said(f"[EMAIL_1] paid with {CARD}"))
    answer, _ = asked(Redact(Redaction(KINDS, answers="mask"))(inner), a_call(EMAIL))
    assert answer.text == f"{EMAIL} paid with [CARD]"
    assert [(one.what, one.done) for one in answer.guards] == [("email", "restored"), ("card", "masked")]
    assert answer.raw == b""


def test_answers_can_be_refused_and_what_they_cost_is_told() -> None:
    with pytest.raises(GuardRefused, match="refused the answer of t/m: card in answer") as caught:
        asked(Redact(Redaction(KINDS, answers="refuse"))(answering(said(CARD))), a_call())
    assert caught.value.requests_sent == 1
    assert CARD not in str(caught.value)


def test_a_stream_is_refused_before_the_value_is_out() -> None:
    seen: list[str] = []
    inner = answering(streamed(["The card is ", "4111 1111", " 1111 1111", " and more"]))
    handler = Redact(Redaction(KINDS, answers="refuse"))(inner)

    async def main() -> None:
        async with await handler(a_call(stream=True)) as stream:  # type: ignore[union-attr]
            async for event in stream:
                seen.append(getattr(event, "text", ""))

    with pytest.raises(GuardRefused):
        run(main)
    assert "4111" not in "".join(seen)
    assert inner.open == 0


def test_only_the_wanted_kinds_are_redacted() -> None:
    text = sent(a_call(f"{EMAIL} {CARD}"), Redaction(("card",))).body["messages"][0]["content"]
    assert text == f"{EMAIL} [CARD_1]"


@pytest.mark.parametrize("text", [f"data: write to {EMAIL}", f"data:text/plain;base64,aGk= {EMAIL}", f"data:,{EMAIL}"])
def test_a_text_that_begins_like_a_picture_is_a_text(text: str) -> None:
    assert EMAIL not in json.dumps(sent(a_call(text)).body)


@pytest.mark.parametrize("name", ["name", "data", "id", "detail", "type"])
def test_variables_and_metadata_are_redacted_whatever_they_are_called(name: str) -> None:
    given = {name: EMAIL, "deep": [{name: EMAIL}]}
    call = sent(
        a_call(body={"messages": [{"role": "user", "content": "hi"}], "metadata": {name: EMAIL}}, variables=given)
    )
    assert EMAIL not in json.dumps([call.body, call.variables])


@pytest.mark.parametrize("streams", [False, True])
def test_values_are_restored_as_json_into_an_answer_that_is_json(streams: bool) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----"
    pieces = ['{"key": "[PRIVATE', '_KEY_1]"}']
    body = {
        "messages": [{"role": "user", "content": f"use {key}"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
    }
    inner = answering(streamed(pieces) if streams else said("".join(pieces)))
    answer, _ = asked(Redact(ALL)(inner), a_call(body=body, stream=streams))
    assert json.loads(answer.text) == {"key": key}


def test_the_place_of_a_repository_is_no_address() -> None:
    assert not find("git clone git@host.example.com:team/repo.git", ("email",))
    assert find("mail anna@example.com: it's urgent/important", ("email",))
    assert find("anna@example.com:hunter2", ("email",))

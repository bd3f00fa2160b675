"""What a 200 says: text, thoughts, calls, signatures, pictures, endings, counts; and why it may be no answer."""

import json

import pytest
from tests.wire.gemini_given import CHAT, GEMINI, answer, reply

from penstock.call import Call, Usage, status_of
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.calls import id_of_its_own


def said(body):
    return GEMINI.decode_reply(CHAT, reply(body))


def refused(body) -> CallError:
    with pytest.raises(CallError) as caught:
        GEMINI.decode_reply(CHAT, WireReply(200, {}, body if isinstance(body, bytes) else json.dumps(body).encode()))
    return caught.value


def test_text_in_parts_is_one_text_and_thoughts_stand_apart():
    completion = said(answer({"text": "let me see", "thought": True}, {"text": "a"}, {"text": "b"}))
    assert completion.message == {"role": "assistant", "content": "ab", "reasoning_content": "let me see"}
    assert completion.finish == "stop"


def test_calls_get_ids_where_they_have_none_and_stop_means_calls():
    calls = [{"functionCall": {"name": "wx", "args": {"city": city}}} for city in ("Rome", "Oslo")]
    completion = said(answer(*calls, responseId="r1"))
    made = [id_of_its_own("r1", "wx", 0, at) for at in range(2)]
    assert [call["id"] for call in completion.message["tool_calls"]] == made
    assert [json.loads(call["function"]["arguments"]) for call in completion.message["tool_calls"]] == [
        {"city": "Rome"},
        {"city": "Oslo"},
    ]
    assert (completion.finish, completion.choices[0].finish_raw) == ("tool_calls", "STOP")


@pytest.mark.parametrize("args", [{}, None, "left out"])
def test_a_call_without_arguments_has_an_empty_object(args):
    call = {"name": "now"} if args == "left out" else {"name": "now", "args": args}
    assert said(answer({"functionCall": call})).message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_arguments_keep_big_numbers_and_lose_the_layout():
    call = b'{"functionCall":{"name":"f","args":{\n  "n": 123456789012345678901\n}}}'
    body = b'{"candidates":[{"content":{"parts":[%b]}}]}' % call
    completion = GEMINI.decode_reply(CHAT, WireReply(200, {}, body))
    assert completion.message["tool_calls"][0]["function"]["arguments"] == '{"n":123456789012345678901}'


def test_signatures_stay_with_what_they_sign():
    call = {"functionCall": {"name": "wx", "args": {}}, "thoughtSignature": "Y2FsbA=="}
    message = said(answer({"text": "a", "thoughtSignature": "dGV4dA=="}, call)).message
    assert message["extra_content"] == {"google": {"thought_signature": "dGV4dA=="}}
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "Y2FsbA=="}}


def test_pictures_sound_and_googles_own_tools_are_kept():
    code = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"}
    picture = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    message = said(answer(code, {"text": "here"}, picture)).message
    assert message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]
    assert message["extra_content"]["google"]["parts"] == [code]
    sound = said(answer({"inlineData": {"mimeType": "audio/wav", "data": "aGk="}})).message
    assert sound["audio"] == {"data": "aGk=", "format": "wav"}


def test_pages_that_an_answer_rests_on_are_annotations():
    body = answer({"text": "Rome"})
    body["candidates"][0]["groundingMetadata"] = {
        "groundingChunks": [{"web": {"uri": "https://a.invalid", "title": "A"}}]
    }
    page = {"url": "https://a.invalid", "title": "A"}
    assert said(body).message["annotations"] == [{"type": "url_citation", "url_citation": page}]


def test_log_probabilities_have_openais_form():
    body = answer({"text": "Hi"})
    one = {"token": "Hi", "logProbability": -0.5}
    body["candidates"][0]["logprobsResult"] = {"chosenCandidates": [one], "topCandidates": [{"candidates": [one]}]}
    token = said(body).choices[0].logprobs["content"][0]
    assert (token["token"], token["logprob"], token["top_logprobs"][0]["logprob"]) == ("Hi", -0.5, -0.5)


ENDINGS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"), "content_filter"),
    **dict.fromkeys(("IMAGE_SAFETY", "MODEL_ARMOR", "ESCALATION", "PUP_LIMITED_DISABLED"), "content_filter"),
    "OTHER": "unknown",
    "SOMETHING_NEW": "unknown",
}


@pytest.mark.parametrize(("word", "finish"), ENDINGS.items())
def test_every_ending_has_its_meaning(word, finish):
    choice = said(answer({"text": "a"}, finish=word)).choices[0]
    assert (choice.finish, choice.finish_raw) == (finish, word)


@pytest.mark.parametrize(("number", "word"), [(1, "STOP"), (2, "MAX_TOKENS"), (3, "SAFETY"), (99, "99")])
def test_an_ending_may_be_a_number(number, word):
    assert said(answer({"text": "a"}, finish=number)).choices[0].finish_raw == word


@pytest.mark.parametrize("body", [answer(finish="SAFETY"), {"candidates": [{"finishReason": "MODEL_ARMOR"}]}])
def test_filtered_with_nothing_to_show_is_an_answer(body):
    completion = said(body)
    assert (completion.text, status_of(completion)) == ("", "filtered")


def test_thoughts_alone_that_ran_out_of_tokens_are_a_truncated_answer():
    assert status_of(said(answer({"text": "hm", "thought": True}, finish="MAX_TOKENS"))) == "truncated"


def test_several_candidates_are_choices_in_order():
    one, two = answer({"text": "a"})["candidates"][0], answer({"text": "b"})["candidates"][0]
    completion = said({"candidates": [{**two, "index": 1}, {**one, "index": 0}]})
    assert [choice.message["content"] for choice in completion.choices] == ["a", "b"]


USAGES = [
    (
        {"promptTokenCount": 7, "candidatesTokenCount": 4, "thoughtsTokenCount": 20, "totalTokenCount": 31},
        Usage(7, 24, 0, 20),
    ),
    ({"promptTokenCount": 9, "cachedContentTokenCount": 5, "totalTokenCount": 9}, Usage(9, 0, 5)),
    ({"promptTokenCount": 10, "toolUsePromptTokenCount": 30, "candidatesTokenCount": 2}, Usage(40, 2)),
    ({"candidatesTokenCount": 18, "thoughtsTokenCount": 58}, Usage(0, 76, 0, 58)),
    ({"trafficType": "ON_DEMAND"}, None),
    (None, None),
    ({"promptTokenCount": "7", "candidatesTokenCount": "4"}, Usage(7, 4)),
]


@pytest.mark.parametrize(("metadata", "usage"), USAGES)
def test_tokens_are_counted_alike_everywhere(metadata, usage):
    assert said(answer({"text": "a"}, usageMetadata=metadata)).usage == usage


def test_the_envelope_is_read():
    completion = said(
        answer({"text": "a"}, modelVersion="g-1", responseId="r", createTime="2026-01-01T00:00:00.123456789Z")
    )
    assert (completion.model, completion.id, completion.created) == ("g-1", "r", 1767225600)


NO_ANSWERS = {
    "a blocked prompt": ({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}, "content_filtered"),
    "no candidates": ({"usageMetadata": {"promptTokenCount": 3}}, "empty"),
    "an empty list": ({"candidates": []}, "empty"),
    "a candidate without content": ({"candidates": [{"finishReason": "STOP"}]}, "empty"),
    "a model's turn without parts": (answer(), "empty"),
    "an empty text": (answer({"text": ""}), "empty"),
    "thoughts alone": (answer({"text": "hm", "thought": True}), "empty"),
    "a call gone wrong": (answer(finish="MALFORMED_FUNCTION_CALL"), "server_error"),
    "a call of nothing": (answer({"text": "a"}, finish="UNEXPECTED_TOOL_CALL"), "server_error"),
    "an error": ({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}, "overloaded"),
    "an error in a list": (
        [{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}],
        "rate_limited",
    ),
    "another's answer": ({"totalTokens": 6}, "transport"),
    "nothing": (b" \n", "transport"),
    "a page": (b"<html><title>Hi</title></html>", "transport"),
    "half an answer": (b'{"candidates": [{"content": {"parts": [{"te', "transport"),
    "no text": (b'{"candidates": [{"content": {"parts": [{"text": "\xff"}]}}]}', "transport"),
}


@pytest.mark.parametrize(("body", "kind"), NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_a_200_is_not_yet_an_answer(body, kind):
    error = refused(body)
    assert (error.kind, error.status) == (kind, 200)


def test_a_call_of_what_nobody_declared_is_shown_as_failed():
    completion = said(answer({"functionCall": {"name": "x"}}, finish="UNEXPECTED_TOOL_CALL"))
    assert completion.message["tool_calls"][0]["function"]["name"] == "x"
    assert status_of(completion) == "failed"


def test_a_blocked_prompt_says_why():
    error = refused({"promptFeedback": {"blockReason": "MODEL_ARMOR", "blockReasonMessage": "by template x"}})
    assert (error.code, error.message) == ("MODEL_ARMOR", "the prompt was blocked (MODEL_ARMOR): by template x")


def test_what_no_json_reader_takes_is_mended():
    body = b'{"candidates": [{"content": {"parts": [{"text": "\\ud83d!"}]}, "avgLogprobs": NaN}]}'
    assert GEMINI.decode_reply(CHAT, WireReply(200, {}, body)).text == "\ufffd!"


def test_raw_is_the_body_as_it_came():
    wire = reply(answer({"text": "a"}))
    assert GEMINI.decode_reply(Call(id="1", model="m", body={}), wire).raw == wire.body

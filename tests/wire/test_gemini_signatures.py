"""What Gemini signed goes back to it where it stood: in text, thoughts, pictures and calls, streamed and whole."""

import json

import pytest
from tests.wire.gemini_given import CHAT, GEMINI, answer, asked, chat, frames, reply

from penstock.fold import events_of, fold
from penstock.testing.exam_codec import read_stream

CALL = {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}, "thoughtSignature": "Y2FsbA=="}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}

TURNS = {
    "text": [{"text": "a", "thoughtSignature": "c2ln"}],
    "a thought": [{"text": "hm", "thought": True, "thoughtSignature": "c2ln"}, {"text": "a"}],
    "a thought of nothing else": [{"text": "", "thought": True, "thoughtSignature": "c2ln"}, {"text": "a"}],
    "everything": [
        {"text": "hm", "thought": True, "thoughtSignature": "dGhvdWdodA=="},
        {"text": "a", "thoughtSignature": "dGV4dA=="},
        CALL,
    ],
    "two texts": [{"text": "a", "thoughtSignature": "MQ=="}, {"text": "b", "thoughtSignature": "Mg=="}],
    "text with more behind it": [{"text": "a", "thoughtSignature": "MQ=="}, {"text": "b"}],
    "two thoughts": [
        {"text": "a", "thought": True, "thoughtSignature": "MQ=="},
        {"text": "b", "thought": True, "thoughtSignature": "Mg=="},
        {"text": "c"},
    ],
    "pictures": [
        {"text": "here", "thoughtSignature": "MQ=="},
        {**PICTURE, "thoughtSignature": "Mg=="},
        {**PICTURE, "thoughtSignature": "Mw=="},
    ],
    "the first of two calls": [CALL, {"functionCall": {"name": "g", "args": {}, "id": "c2"}}],
}


def sent_back(message, model="gemini-3-pro"):
    said = [{"role": "user", "content": "?"}, json.loads(json.dumps(message)), {"role": "user", "content": "And?"}]
    return asked(chat(messages=said), model)["contents"][1]["parts"]


@pytest.mark.parametrize("parts", TURNS.values(), ids=TURNS)
def test_a_whole_answer_goes_back_as_it_came(parts):
    assert sent_back(GEMINI.decode_reply(CHAT, reply(answer(*parts))).message) == parts


@pytest.mark.parametrize("parts", TURNS.values(), ids=TURNS)
def test_a_streamed_answer_goes_back_as_it_came(parts):
    data = frames(*(answer(part, finish=None) for part in parts), answer({"text": ""}))
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        events, error, _ = read_stream(GEMINI, CHAT, pieces)
        assert error is None
        assert sent_back(fold(events).message) == parts


def test_a_signature_that_comes_behind_many_pieces_of_text_is_the_whole_texts():
    pieces = [answer({"text": word}, finish=None) for word in ("a", "b", "c")]
    events, _, _ = read_stream(GEMINI, CHAT, [frames(*pieces, answer({"text": "", "thoughtSignature": "c2ln"}))])
    assert sent_back(fold(events).message) == [{"text": "abc", "thoughtSignature": "c2ln"}]


def test_text_behind_a_signature_is_told_apart_however_it_comes():
    first, more = answer({"text": "a", "thoughtSignature": "c2ln"}, finish=None), answer({"text": "b"}, finish=None)
    events, _, _ = read_stream(GEMINI, CHAT, [frames(first, more, more, answer({"text": ""}))])
    assert sent_back(fold(events).message) == [{"text": "a", "thoughtSignature": "c2ln"}, {"text": "bb"}]


@pytest.mark.parametrize("parts", TURNS.values(), ids=TURNS)
def test_the_server_half_hears_and_says_them_too(parts):
    message = GEMINI.decode_reply(CHAT, reply(answer(*parts))).message
    request = GEMINI.encode_request(chat(messages=[{"role": "user", "content": "?"}, message]), "m", stream=False)
    assert sent_back(GEMINI.decode_request(request).body["messages"][1]) == parts


@pytest.mark.parametrize("parts", [TURNS["a thought"], TURNS["everything"], TURNS["pictures"]])
def test_the_server_half_streams_them(parts):
    completion = GEMINI.decode_reply(CHAT, reply(answer(*parts)))
    encoder = GEMINI.encoder(CHAT, model="m", id="r")
    data = encoder.feed(list(events_of(completion))) + encoder.end()
    events, error, _ = read_stream(GEMINI, CHAT, [data])
    assert error is None
    assert fold(events).message == completion.message


def test_a_stream_that_is_passed_on_says_each_signature_once():
    first, more = answer({"text": "a", "thoughtSignature": "c2ln"}, finish=None), answer({"text": "b"})
    events, _, _ = read_stream(GEMINI, CHAT, [frames(first, more)])
    encoder = GEMINI.encoder(CHAT, model="m", id="r")
    assert (encoder.feed(events) + encoder.end()).count(b"c2ln") == 1

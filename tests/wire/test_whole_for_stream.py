"""A provider, or a proxy before it, that answers a streamed request with one JSON value: it is read, and only once."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.whole_given import ASKED, CODECS, ERRORS, RICH, in_one_piece, in_pieces

from penstock.call import Call, Choice, Completion, Finished, TextDelta
from penstock.errors import CallError
from penstock.testing.exam_codec import check_chunking, check_mutated, essence, read_stream, sample_completion
from penstock.wire.opening import Opening

PLACES = sorted(CODECS)
FORMS = {
    "on one line": lambda said: json.dumps(said).encode(),
    "with a line's end": lambda said: json.dumps(said, ensure_ascii=False).encode() + b"\n",
    "pretty-printed": lambda said: json.dumps(said, indent=2).encode() + b"\n",
    "with CRLF": lambda said: json.dumps(said, indent=1, ensure_ascii=False).encode().replace(b"\n", b"\r\n"),
    "not indented": lambda said: json.dumps(said, indent=0, separators=("\n,", "\n:")).encode(),
    "with blank lines": lambda said: json.dumps(said, indent=2).encode().replace(b"\n", b"\n\n") + b"\n\n",
    "behind padding": lambda said: b"\n         \n" * 8 + json.dumps(said).encode(),
    "behind a byte order mark": lambda said: b"\xef\xbb\xbf \r\n" + json.dumps(said).encode(),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_is_the_same_answer_at_every_split(place):
    codec = CODECS[place]
    for form in ("on one line", "pretty-printed"):
        body = FORMS[form](RICH[place])
        expected = in_one_piece(codec, body)
        assert all(in_pieces(codec, body, [at]) == expected for at in range(1, len(body)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
def test_it_is_the_same_answer_however_it_is_written(place, form):
    codec, body = CODECS[place], FORMS[form](RICH[place])
    expected = in_one_piece(codec, body.removeprefix(b"\xef\xbb\xbf"))
    assert '"finish"' in expected
    assert in_pieces(codec, body) == expected
    assert in_pieces(codec, body, range(1, len(body))) == expected
    assert all(in_pieces(codec, body, [at]) == expected for at in range(1, 24))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("place", PLACES)
def test_any_answer_is_read(place, seed):
    codec = CODECS[place]
    completion = sample_completion(random.Random(seed), "chat", "m", most_choices=1)
    body = codec.encode_reply(completion).body
    expected = in_one_piece(codec, body)
    assert '"finish"' in expected
    assert all(in_pieces(codec, body, [at]) == expected for at in range(1, len(body), 7))
    pretty = json.dumps(json.loads(body), indent=2).encode()
    assert in_pieces(codec, pretty, [9, 99]) == in_one_piece(codec, pretty)


def test_a_text_completion_is_read():
    call = Call(id="1", model="m", body={"prompt": "?"}, kind="completion", stream=True)
    for place in ("openai", "ollama"):
        completion = sample_completion(random.Random(1), "completion", "m", most_choices=1)
        body = CODECS[place].encode_reply(completion).body
        assert in_pieces(CODECS[place], body, [5], call) == in_one_piece(CODECS[place], body, call)


@pytest.mark.parametrize("place", [place for place in PLACES if place.startswith(("anthropic", "bedrock"))])
def test_an_answer_by_a_tool_and_a_continued_one_are_what_they_are_in_one_piece(place):
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    for more in ({"response_format": schema}, {"messages": [{"role": "assistant", "content": "Hé \n"}]}):
        call = Call(id="1", model="m", body={**ASKED.body, **more}, stream=True, prefill="messages" in more)
        body = json.dumps(RICH[place]).replace('"f"', '"answer"').encode()
        assert in_pieces(CODECS[place], body, [5], call) == in_one_piece(CODECS[place], body, call)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
def test_an_error_has_the_class_that_it_has_in_one_piece(place, form):
    codec = CODECS[place]
    for said in ERRORS[place]:
        body = FORMS[form](said)
        expected = in_one_piece(codec, body.removeprefix(b"\xef\xbb\xbf").strip())
        assert expected[0] != "transport"
        assert in_pieces(codec, body) == expected
        assert in_pieces(codec, body, range(1, len(body))) == expected


@pytest.mark.parametrize("place", PLACES)
def test_an_error_on_a_line_is_not_waited_behind(place):
    decoder = CODECS[place].decoder(ASKED)
    assert decoder.feed(json.dumps(ERRORS[place][0]).encode() + b"\n") == []
    assert decoder.done
    with pytest.raises(CallError):
        decoder.end()


@pytest.mark.parametrize("form", ["on one line", "pretty-printed"])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_cut_is_a_failed_attempt(place, form):
    codec, body = CODECS[place], FORMS[form](RICH[place]).rstrip()
    for size in range(len(body)):
        kind, *_ = in_pieces(codec, body[:size], [size // 2])
        assert kind == "transport", size


@pytest.mark.parametrize("place", PLACES)
def test_what_says_nothing_is_empty(place):
    completion = Completion(choices=(Choice({"role": "assistant", "content": ""}, "stop"),), model="m", id="i")
    kind, *_ = in_pieces(CODECS[place], CODECS[place].encode_reply(completion).body)
    assert kind == "empty"


@settings(max_examples=300)
@given(st.sampled_from(PLACES), st.integers(0, 2000), st.binary(max_size=3), st.integers(0, 2000))
def test_damage_makes_the_same_answer_or_the_same_kind_of_error(place, at, instead, cut):
    codec, body = CODECS[place], json.dumps(RICH[place]).encode()
    at %= len(body)
    body = body[:at] + instead + body[at + 1 :]
    check_mutated(codec, ASKED, body)
    said, expected = in_pieces(codec, body, [cut % len(body)]), in_one_piece(codec, body)
    if place == "ollama" and b'"done": true' not in body:
        return  # then it is the first line of a stream that was cut
    assert isinstance(said, str) == isinstance(expected, str)


FRAMES = {
    "alone": b"data: %b\n\n",
    "with an end": b"data: %b\n\ndata: [DONE]\n\n",
    "named": b"event: message\ndata: %b\n\n",
    "without its blank line": b"data: %b",
}
FRAMED = [place for place in PLACES if place not in ("ollama", "bedrock converse", "anthropic on bedrock")]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("place", FRAMED)
def test_a_whole_answer_framed_as_the_only_event_is_the_answer(place, frame):
    codec, body = CODECS[place], json.dumps(RICH[place]).encode()
    framed = FRAMES[frame] % body
    said, expected = json.loads(in_pieces(codec, framed)), json.loads(in_one_piece(codec, body))
    for each in said, expected:
        for choice in each["choices"]:
            choice["message"].pop("unheard_of", None)  # OpenAI's own pieces have no place for it
    assert (said["choices"], said["usage"]) == (expected["choices"], expected["usage"])
    assert in_pieces(codec, framed, range(1, len(framed))) == in_pieces(codec, framed)


@pytest.mark.parametrize("place", FRAMED)
def test_an_event_that_is_no_answer_says_nothing(place):
    kind, *_ = in_pieces(CODECS[place], b'data: {"object": "of a version to come"}\n\n')
    assert kind in ("transport", "empty")


def test_an_array_of_pieces_is_a_stream_of_gemini():
    body = json.dumps(
        [
            {"candidates": [{"content": {"parts": [{"text": "a"}]}}], "modelVersion": "m"},
            {"candidates": [{"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}]},
        ],
        indent=1,
    ).encode()
    for data in (body, body.replace(b"\n", b"\r\n\r\n")):
        for at in range(len(data)):
            events, error, _ = read_stream(CODECS["gemini"], ASKED, [data[:at], data[at:]])
            assert error is None
            assert [event.text for event in events if isinstance(event, TextDelta)] == ["a", "b"]
    _, error, _ = read_stream(CODECS["gemini"], ASKED, [body.replace(b'"STOP"', b"null")])
    assert error is not None
    assert (error.kind, error.partial) == ("transport", "ab")


@pytest.mark.parametrize(
    ("place", "lines"),
    [
        (
            "cohere",
            [
                {"is_finished": False, "event_type": "stream-start", "generation_id": "g"},
                {"is_finished": False, "event_type": "text-generation", "text": "Hi"},
                {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": {}},
            ],
        ),
        (
            "openai",
            [
                {"model": "m", "choices": [{"delta": {"content": "Hi"}}]},
                {"model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}]},
            ],
        ),
        (
            "ollama",
            [
                {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": False},
                {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
            ],
        ),
        (
            "gemini",
            [
                {"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]},
                {"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]},
            ],
        ),
    ],
)
def test_a_stream_of_json_lines_comes_as_it_is_sent(place, lines):
    decoder = CODECS[place].decoder(ASKED)
    written = [json.dumps(line).encode() + b"\n" for line in lines]
    said = [decoder.feed(line) for line in written]
    before_the_last = [event for events in said[:-1] for event in events]
    if place != "gemini":  # whose lines have what a whole answer has: the next one tells
        assert any(isinstance(event, TextDelta) for event in before_the_last)
    events = [*(event for some in said for event in some), *decoder.end()]
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hi"]
    assert any(isinstance(event, Finished) for event in events)


@pytest.mark.parametrize(("place", "line"), [("cohere", "text-generation"), ("ollama", None), ("openai", None)])
def test_one_line_of_a_stream_is_no_answer(place, line):
    said = {
        "cohere": {"is_finished": False, "event_type": line, "text": "Hi"},
        "ollama": {"model": "m", "message": {"role": "assistant", "content": "Hi"}},
        "openai": {"choices": [{"index": 0, "delta": {"content": "Hi"}}]},
    }[place]
    for end in (b"", b"\n"):
        kind, *_ = in_pieces(CODECS[place], json.dumps(said).encode() + end)
        assert kind == "transport"


def test_a_body_without_end_is_given_up():
    opening = Opening(max_bytes=100)
    assert opening.take(b"  {" + b"1" * 99, lambda _: False) is None
    with pytest.raises(CallError, match="longer than 100 bytes") as caught:
        opening.take(b"1", lambda _: False)
    assert (caught.value.kind, caught.value.status) == ("transport", 200)


@pytest.mark.parametrize("place", PLACES)
def test_marks_before_it_are_the_same_in_any_pieces(place):
    for behind in (b"", b" ", b"{}", json.dumps(RICH[place]).encode(), b"data: x\n\n"):
        data = b"\xef\xbb\xbf \xef\xbb\xbf" + behind
        check_chunking(CODECS[place], ASKED, data, range(len(data)))


def test_padding_is_not_kept():
    opening = Opening(max_bytes=100)
    assert all(opening.take(b" \r\n\t" * 20, lambda _: False) is None for _ in range(100))
    assert opening.take(b"\ndata: x\n\n", lambda _: False) == b"data: x\n\n"


def test_a_whole_answer_means_what_it_means_in_events():
    for place, codec in CODECS.items():
        completion = sample_completion(random.Random(3), "chat", "m", most_choices=1)
        heard = codec.decode_reply(ASKED, codec.encode_reply(completion))
        assert essence(heard)[3] == essence(completion)[3], place

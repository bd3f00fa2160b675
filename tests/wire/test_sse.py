"""The SSE decoder: the standard's rules, and what providers do to them."""

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import CallError
from penstock.wire.sse import ServerEvent, SSEDecoder


def read(*pieces: bytes) -> list[ServerEvent]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.end()


def datas(*pieces: bytes) -> list[bytes]:
    return [event.data for event in read(*pieces)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=repr)
def test_every_line_end_ends_a_line(end):
    stream = end.join([b"data: a", b"", b"event: e", b"data: b", b"", b""])
    assert read(stream) == [ServerEvent(b"a"), ServerEvent(b"b", "e")]


def test_a_line_feed_in_the_next_piece_belongs_to_its_carriage_return():
    assert datas(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [b"a\nb"]


def test_lines_end_nowhere_else():
    text = "data: a\u2028b\u2029c\u0085d\x0be\x0cf\n\n".encode()
    assert datas(text) == [text[6:-2]]


def test_one_byte_order_mark_is_skipped():
    assert datas(b"\xef\xbb\xbfdata: a\n\n") == [b"a"]
    assert datas(b"\xef", b"\xbb", b"\xbf", b"data: a\n\n") == [b"a"]


def test_one_space_after_the_colon_is_no_part_of_the_value():
    assert datas(b"data:a\n\ndata: b\n\ndata:  c\n\n") == [b"a", b"b", b" c"]


def test_many_data_lines_are_one_event():
    assert datas(b"data: {\ndata\ndata: }\n\n") == [b"{\n\n}"]


def test_data_that_is_plain_text_stays_as_it_is():
    """Replicate's way: a line feed of the text begins another data line, and a space of its own follows the first."""
    first = b"event: output\nid: 1:0\ndata: :\ndata: \ndata: Why\n\n"
    text = first + b"event: output\ndata:  don't\n\nevent: done\ndata: {}\n\n"
    events = [ServerEvent(b":\n\nWhy", "output"), ServerEvent(b" don't", "output"), ServerEvent(b"{}", "done")]
    assert read(text) == read(*(text[at : at + 1] for at in range(len(text)))) == events


def test_comments_are_signs_of_life_and_nothing_else():
    decoder = SSEDecoder()
    assert decoder.feed(b": OPENROUTER PROCESSING\n\n:\n\n: ping\n") == []
    assert decoder.comments == 3


def test_id_retry_and_unknown_fields_say_nothing():
    assert read(b"id: 1\nretry: 5\nfoo: bar\nfoo\ndata: a\n\n") == [ServerEvent(b"a")]


def test_an_event_without_data_is_none():
    assert read(b"event: ping\n\ndata: a\n\n") == [ServerEvent(b"a")]


def test_the_last_event_needs_no_blank_line():
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\n\ndata: b") == [ServerEvent(b"a")]
    assert decoder.end() == [ServerEvent(b"b")]
    assert decoder.unterminated


def test_a_stream_that_ends_with_a_blank_line_is_terminated():
    decoder = SSEDecoder()
    decoder.feed(b"data: a\n\n")
    assert decoder.end() == []
    assert not decoder.unterminated


def test_an_error_field_is_an_event():
    assert read(b'data: a\n\nerror: {"error":{}}\n\n') == [ServerEvent(b"a"), ServerEvent(b'{"error":{}}', "error")]


def test_a_bare_json_line_is_an_event_at_once():
    decoder = SSEDecoder()
    assert decoder.feed(b'{"error": "busy"}\n') == [ServerEvent(b'{"error": "busy"}', framed=False)]


def test_bare_json_over_many_lines_is_one_event():
    stream = b'data: a\n\n{\n  "error": {\n    "code": 503\n  }\n}\n'
    assert datas(stream) == [b"a", b'{\n  "error": {\n    "code": 503\n  }\n}']


def test_the_first_line_that_is_no_field_is_remembered():
    decoder = SSEDecoder()
    decoder.feed(b"<html>\n<body>\n")
    assert decoder.first_stray == b"<html>"


@pytest.mark.parametrize(
    "piece",
    [b"data: " + b"x" * 200, b"x" * 200, b"data: x\n" * 40, b"data\n" * 40, b"{\n" + b'"a": 1\n' * 40],
    ids=["line", "stray", "lines", "empty lines", "bare"],
)
def test_a_line_or_event_without_end_is_an_error(piece):
    decoder = SSEDecoder(max_event_bytes=100)
    with pytest.raises(CallError, match="longer than 100 bytes") as caught:
        for _ in range(3):
            decoder.feed(piece)
    assert caught.value.kind == "transport"


def test_the_bound_is_on_one_event_and_not_on_the_stream():
    decoder = SSEDecoder(max_event_bytes=100)
    assert len(decoder.feed(b"data: 12345\n\n" * 1000)) == 1000


LINES = st.lists(
    st.sampled_from(
        [b"data: x", b"data:", b"data", b"event: e", b": c", b"", b"error: {}", b"{", b"}", b'{"a":1}', "é🙂".encode()]
    ),
    max_size=12,
)


@given(lines=LINES, ends=st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), min_size=12, max_size=12), data=st.data())
def test_events_do_not_depend_on_how_the_network_cuts_them(lines, ends, data):
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert read(*pieces) == read(stream)
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == read(stream)


@given(lines=LINES)
def test_line_ends_are_all_alike(lines):
    assert datas(b"\r\n".join(lines)) == datas(b"\n".join(lines)) == datas(b"\r".join(lines))


LINES = (b"data: a", b"data:b", b"event: e", b"", b"{}", b": c")
ENDS = (b"\n", b"\n\n", b"\r\n", b"\r\n\r\n", b"\r")


@pytest.mark.parametrize("first", LINES)
def test_whole_events_lines_and_single_bytes_are_read_alike(first: bytes):
    said = [line + end for line in LINES for end in ENDS]
    for pieces in product([first + end for end in ENDS], said, said[:15]):
        stream = b"".join(pieces)
        expected = read(*(stream[at : at + 1] for at in range(len(stream))))
        assert read(stream) == expected, stream
        assert read(*pieces) == expected, pieces

"""Streams whose events are nearly all alike: read as server-sent events are, whatever else stands among them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import CallError
from penstock.wire.pieces import PieceDecoder
from penstock.wire.sse import SSEDecoder

HEADS = [(b"event: piece\ndata: ", b"\n\n"), (b"data: ", b"\r\n\r\n"), (b"data: ", b"\n\n")]
LINES = st.sampled_from(
    [
        b'event: piece\ndata: {"text":"a"}\n\n',
        b'event: piece\ndata: {"text":"a"}\n\n',
        b'data: {"text":"b"}\r\n\r\n',
        b'data: {"text":"b"}\r\n\r\n',
        b"event: piece\ndata: {\ndata: }\n\n",
        b"event: piece\ndata: 1\r\n\n",
        b"event: pie\n\n",
        b"data: \n\n",
        b"data: 1\rdata: 2\r\r",
        b"event: piece\n",
        b"data: x\r\n",
        b"\n",
        b"\r",
        b": alive\n\n",
        b'{"bare":1}\n',
        b'error: {"code":1}\n\n',
        b"\xef\xbb\xbf",
        b"data: \xff\n",
    ]
)


def seen(decoder: SSEDecoder, reads: list[bytes]) -> list[tuple[bytes, str, bool]]:
    events: list[tuple[bytes, str, bool]] = []
    name = "piece" if getattr(decoder, "_head", b"").startswith(b"event") else ""
    for data in reads:
        pieces = decoder.pieces(data) if isinstance(decoder, PieceDecoder) else None
        if pieces is None:
            events += [(event.data, event.event, event.framed) for event in decoder.feed(data)]
        else:
            events += [(piece, name, True) for piece in pieces]
    events += [(event.data, event.event, event.framed) for event in decoder.end()]
    return [*events, (decoder.first_stray, str(decoder.comments), decoder.unterminated)]


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:stop] for start, stop in pairwise(edges)]


@pytest.mark.parametrize(("head", "end"), HEADS)
@given(events=st.lists(LINES, max_size=25), places=st.lists(st.integers(0, 2000), max_size=30))
def test_the_events_are_those_of_server_sent_events(head, end, events, places):
    reads = cut(b"".join(events), places)
    assert seen(PieceDecoder(head, end), reads) == seen(SSEDecoder(), reads)


@pytest.mark.parametrize(("head", "end"), HEADS)
def test_pieces_are_given_at_any_cut(head, end):
    stream = b"".join(head + b'{"text":"%d"}' % number + end for number in range(200))
    for size in (1, 7, 64, 1000, len(stream)):
        reads = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert seen(PieceDecoder(head, end), reads) == seen(SSEDecoder(), reads)


def test_events_that_are_all_alike_never_go_through_lines():
    head, end = HEADS[0]
    decoder = PieceDecoder(head, end)
    stream = b"".join(head + b'{"text":"%d"}' % number + end for number in range(200))
    decoder.feed(stream[:1000])
    assert all(decoder.pieces(stream[at : at + 1000]) is not None for at in range(1000, len(stream), 1000))


def test_what_is_no_usual_event_is_not_taken():
    head, end = HEADS[0]
    decoder = PieceDecoder(head, end)
    decoder.feed(head + b"1" + end + head + b"2")
    assert decoder.pieces(end + b"event: stop\ndata: 3\n\n") is None
    assert [event.data for event in decoder.feed(end + b"event: stop\ndata: 3\n\n")] == [b"2", b"3"]


def test_nothing_is_lost_when_another_event_becomes_the_usual_one():
    head, end = HEADS[0]
    decoder = PieceDecoder(head, end)
    decoder.feed(head + b"1" + end + head + b"2")
    decoder.aim(b"event: other\ndata: ")
    assert decoder.pieces(b"2" + end + b"event: other\ndata: 3" + end) is None
    fed = decoder.feed(b"2" + end + b"event: other\ndata: 3" + end)
    assert [(event.data, event.event) for event in fed] == [(b"22", "piece"), (b"3", "other")]
    assert decoder.pieces(b"event: other\ndata: 4" + end) == [b"4"]


@pytest.mark.parametrize("size", [7, 100_000])
def test_the_bound_on_one_event_stays(size):
    head, end = HEADS[0]
    decoder = PieceDecoder(head, end, max_event_bytes=50_000)
    decoder.feed(head + b"1" + end)
    stream = head + b"x" * 60_000 + end
    with pytest.raises(CallError, match="longer than"):
        for at in range(0, len(stream), size):
            if decoder.pieces(stream[at : at + size]) is None:
                decoder.feed(stream[at : at + size])

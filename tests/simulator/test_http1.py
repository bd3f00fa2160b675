from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.simulator.http1 import MAX_HEADER_BYTES, HttpError, Request, RequestReader, reply_head

POST = b"POST /v1/x?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"
GET = b"GET /g HTTP/1.1\r\nConnection: close\r\n\r\n"


def read(*pieces: bytes, max_body_bytes: int = 1_000_000) -> list[Request]:
    reader = RequestReader(max_body_bytes)
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (request := reader.next()) is not None:
            found.append(request)
    return found


def test_a_request_is_read_with_its_parts() -> None:
    (request,) = read(POST)
    assert (request.head.method, request.head.path, request.head.query) == ("POST", "/v1/x", "a=1")
    assert (request.head.headers["host"], request.body, request.head.keep_alive) == ("h", b"hello", True)


@given(st.lists(st.sampled_from([POST, CHUNKED, GET]), min_size=1, max_size=4), st.data())
def test_any_split_reads_the_same_requests(requests: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(requests)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(*pieces) == read(whole)
    assert len(read(whole)) == len(requests)


def test_a_chunked_body_is_joined() -> None:
    assert read(CHUNKED)[0].body == b"hello"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (b"GET /" + b"a" * (MAX_HEADER_BYTES + 1), 431),
    ],
)
def test_what_is_no_request_is_refused_with_its_status(data: bytes, status: int) -> None:
    with pytest.raises(HttpError) as raised:
        read(data)
    assert raised.value.status == status


def test_continue_is_asked_for_once() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert reader.next() is None
    assert [reader.take_continue(), reader.take_continue()] == [True, False]
    reader.feed(b"hi")
    request = reader.next()
    assert request is not None
    assert request.body == b"hi"


def test_a_large_body_counts_as_buffered_until_it_is_whole() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"x" * 600)
    assert reader.next() is None
    assert reader.buffered == 600


def test_an_http_1_0_client_is_closed_unless_it_asks_otherwise() -> None:
    heads = [read(b"GET / HTTP/1.0\r\n" + line + b"\r\n")[0].head for line in (b"", b"Connection: keep-alive\r\n")]
    assert [head.keep_alive for head in heads] == [False, True]


def test_a_reply_announces_its_length_or_chunks() -> None:
    assert reply_head(200, {"a": "b"}, 3) == b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 3\r\n\r\n"
    assert reply_head(529, {}, None) == b"HTTP/1.1 529 Overloaded\r\ntransfer-encoding: chunked\r\n\r\n"

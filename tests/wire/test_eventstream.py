"""AWS event streams: frames at any split, and nothing but `CallError` for what is broken."""

import struct
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import CallError
from penstock.wire.eventstream import (
    EventStreamDecoder,
    Frame,
    chunk_frame,
    encode_frame,
    event_frame,
    exception_frame,
    inner_chunk,
)

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.uuids(),
    st.integers(0, 4 * 10**12).map(lambda ms: datetime.fromtimestamp(ms // 1000, UTC)),
)
HEADERS = st.dictionaries(st.text(min_size=1, max_size=20), VALUES, max_size=5)

TWO = event_frame("messageStart", b'{"role":"assistant"}') + exception_frame("throttlingException", b'{"message":"no"}')


def read(*pieces: bytes) -> list[Frame]:
    decoder = EventStreamDecoder()
    frames = [frame for piece in pieces for frame in decoder.feed(piece)]
    decoder.end()
    return frames


def test_the_frame_of_the_protocols_own_example_is_read():
    # From the description of the encoding: an empty message, and a payload with one header.
    empty = bytes.fromhex("000000100000000005c248eb7d98c8ff")
    assert read(empty) == [Frame({}, b"")]
    one = bytes.fromhex(
        "0000003d0000002007fd8396"
        "0c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
        "7b27666f6f273a27626172277d"
        "8d9c08b1"
    )
    assert read(one) == [Frame({"content-type": "application/json"}, b"{'foo':'bar'}")]
    assert encode_frame({"content-type": "application/json"}, b"{'foo':'bar'}") == one


@given(HEADERS, st.binary(max_size=200))
def test_what_is_written_is_read_back(headers, payload):
    assert read(encode_frame(headers, payload)) == [Frame(headers, payload)]


def test_every_split_gives_the_same_frames():
    whole = read(TWO)
    assert [frame.event_type or frame.exception_type for frame in whole] == ["messageStart", "throttlingException"]
    assert [frame.message_type for frame in whole] == ["event", "exception"]
    for at in range(len(TWO)):
        assert read(TWO[:at], TWO[at:]) == whole
    assert read(*(TWO[at : at + 1] for at in range(len(TWO)))) == whole


def test_events_of_the_usual_type_are_their_payloads_at_every_split():
    named = {":message-type": "event", ":event-type": "piece"}
    stream = b"".join(
        [
            event_frame("piece", b"1"),
            event_frame("piece", b"2"),
            exception_frame("piece", b"3"),
            event_frame("piecf", b"4"),
            encode_frame(named, b"5"),
            event_frame("piece", b""),
        ]
    )
    for at in range(len(stream)):
        decoder = EventStreamDecoder(usual="piece")
        found = [*decoder.feed(stream[:at]), *decoder.feed(stream[at:])]
        assert [one if isinstance(one, bytes) else (one.event_type, one.payload) for one in found] == [
            ("piece", b"1"),
            b"2",
            ("", b"3"),
            ("piecf", b"4"),
            ("piece", b"5"),
            ("piece", b""),
        ]
        decoder.end()


def test_a_payload_whose_sum_is_wrong_is_never_given():
    decoder = EventStreamDecoder(usual="piece")
    decoder.feed(event_frame("piece", b"one"))
    with pytest.raises(CallError, match="checksum"):
        decoder.feed(event_frame("piece", b"two").replace(b"two", b"tow"))


def test_headers_of_every_type_keep_their_type():
    headers = {"t": True, "f": False, "i": 7, "l": 2**40, "b": b"\x00", "u": UUID(int=5)}
    (frame,) = read(encode_frame(headers, b""))
    assert {name: type(value) for name, value in frame.headers.items()} == {n: type(v) for n, v in headers.items()}


def test_a_cut_stream_says_so():
    decoder = EventStreamDecoder()
    assert decoder.feed(TWO[:-1])[0].event_type == "messageStart"
    assert decoder.unterminated
    with pytest.raises(CallError, match="middle of a frame") as cut:
        decoder.end()
    assert cut.value.kind == "transport"


def test_good_frames_before_a_broken_one_are_given_first():
    decoder = EventStreamDecoder()
    broken = TWO[:-1] + bytes([TWO[-1] ^ 1])
    assert [frame.event_type for frame in decoder.feed(broken)] == ["messageStart"]
    with pytest.raises(CallError, match="checksum"):
        decoder.feed(b"")
    with pytest.raises(CallError, match="checksum"):
        decoder.end()


@given(st.integers(0, len(TWO) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at, change):
    spoilt = TWO[:at] + bytes([TWO[at] ^ change]) + TWO[at + 1 :]
    with pytest.raises(CallError) as error:
        read(spoilt)
    assert error.value.kind == "transport"


@given(st.binary(max_size=100))
def test_headers_of_a_frame_with_right_sums_may_still_be_garbage(head):
    # The frame of a header called "x" whose bytes are replaced, with new sums.
    lengths = struct.pack(">II", 16 + len(head), len(head))
    body = lengths + struct.pack(">I", crc32(lengths)) + head
    with suppress(CallError):
        read(body + struct.pack(">I", crc32(body)))


def test_a_frame_longer_than_allowed_is_refused_before_it_comes():
    decoder = EventStreamDecoder(max_frame_bytes=50)
    with pytest.raises(CallError, match="longer than 50 bytes"):
        decoder.feed(event_frame("x", bytes(100))[:12])


def test_a_chunk_holds_what_the_model_said():
    (frame,) = read(chunk_frame(b'{"type":"ping"}'))
    assert frame.event_type == "chunk"
    assert inner_chunk(frame.payload) == b'{"type":"ping"}'


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"bytes":1}', b'{"bytes":"*"}'], ids=repr)
def test_a_chunk_that_holds_nothing_is_broken(payload):
    with pytest.raises(CallError, match="base64"):
        inner_chunk(payload)

"""The decode part compares like with like: both sides read every event of the same bytes."""

from __future__ import annotations

import pytest
from bench.decode import PLAIN, PlainFrames, cost, decode, decoder_of
from bench.decode_streams import PIECES, STREAMS, in_reads, words

from penstock.call import TextDelta

READS = (None, 4096, 7)
EVENTS_OUTSIDE = {"OpenAI": 3, "Anthropic": 5, "Anthropic on Bedrock": 5, "Gemini": 0, "Bedrock Converse": 4}
"""Events besides pieces of text; OpenAI's terminator is no JSON."""
PIECES_AN_EVENT = {"Gemini": 12}


@pytest.mark.parametrize("size", READS)
@pytest.mark.parametrize("wire", STREAMS)
def test_our_decoder_reads_the_whole_text(wire: str, size: int | None):
    decoder = decoder_of(wire)
    events = [event for read in in_reads(list(STREAMS[wire]()), size) for event in decoder.feed(read)]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "".join(words())


@pytest.mark.parametrize("size", READS)
@pytest.mark.parametrize("wire", STREAMS)
def test_the_plain_reader_parses_every_event(wire: str, size: int | None):
    reader = PLAIN[wire]()
    parsed = [one for read in in_reads(list(STREAMS[wire]()), size) for one in reader.feed(read)]
    assert len(parsed) == PIECES // PIECES_AN_EVENT.get(wire, 1) + EVENTS_OUTSIDE[wire]
    assert all(isinstance(one, dict) for one in parsed)
    said = repr(parsed)
    assert all(repr(word)[1:-1] in said for word in set(words()))


@pytest.mark.parametrize("at", [5, 9, 60, -1])
def test_the_plain_reader_of_frames_checks_both_sums(at: int):
    damaged = bytearray(next(STREAMS["Bedrock Converse"]()))
    damaged[at] ^= 1
    with pytest.raises(ValueError, match="sum"):
        PlainFrames().feed(bytes(damaged))


def test_a_cost_is_a_ratio_of_what_was_measured():
    found = cost("OpenAI", None, rounds=3, times=3)
    assert found.plain_us > 0
    assert found.ratio == pytest.approx(found.ours_us / found.plain_us, rel=0.5)


def test_every_wire_has_its_row_for_each_way_of_coming_and_one_figure():
    chapter = decode(is_quick=True)
    assert len(chapter.table) == 2 + 2 * len(STREAMS)
    assert [figure.most for figure in chapter.figures] == [1.5] * len(STREAMS)

"""The decode part compares like with like: both sides read every event of the same bytes."""

from __future__ import annotations

import pytest
from bench.decode import PLAIN, PlainFrames, cost, decode, decoder_of
from bench.decode_streams import PIECES, STREAMS, THOUGHT, TOOL, fragments, in_reads, words

from penstock.call import ReasoningDelta, TextDelta, ToolDelta

READS = (None, 4096, 7)
EVENTS_OUTSIDE = {
    "OpenAI": 3,
    "Responses": 4,
    "Anthropic": 5,
    "Anthropic on Bedrock": 5,
    "Gemini": 0,
    "Bedrock Converse": 4,
    "Cohere": 4,
    "Ollama": 1,
}
"""Events besides pieces of text; OpenAI's terminator is no JSON."""
MORE_OF_A_CALL = {"Bedrock Converse": 3, "Cohere": 2}
"""Besides those: the arguments' brackets, and AWS's beginning of a block that isn't text."""
PIECES_AN_EVENT = {"Gemini": 12}


@pytest.mark.parametrize("size", READS)
@pytest.mark.parametrize("wire", STREAMS)
def test_our_decoder_reads_the_whole_text(wire: str, size: int | None):
    decoder = decoder_of(wire)
    events = [event for read in in_reads(list(STREAMS[wire]()), size) for event in decoder.feed(read)]
    if wire.endswith(TOOL):
        said = "".join(event.arguments for event in events if isinstance(event, ToolDelta))
        assert said == "".join(fragments())
    else:
        kind = ReasoningDelta if wire.endswith(THOUGHT) else TextDelta
        assert "".join(event.text for event in events if isinstance(event, kind)) == "".join(words())


@pytest.mark.parametrize("size", READS)
@pytest.mark.parametrize("wire", STREAMS)
def test_the_plain_reader_parses_every_event(wire: str, size: int | None):
    reader = PLAIN[wire]()
    parsed = [one for read in in_reads(list(STREAMS[wire]()), size) for one in reader.feed(read)]
    name = wire.partition(",")[0]
    more = MORE_OF_A_CALL.get(name, 2) if wire.endswith(TOOL) else 0
    assert len(parsed) == PIECES // PIECES_AN_EVENT.get(wire, 1) + EVENTS_OUTSIDE[name] + more
    assert all(isinstance(one, dict) for one in parsed)
    said = repr(parsed)
    pieces = fragments()[1:-1] if wire.endswith(TOOL) else words()
    assert all(repr(piece)[1:-1] in said for piece in set(pieces))


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

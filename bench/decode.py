"""What reading a stream costs: our decoders, from bytes to events, beside a JSON parse an event and nothing else."""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any, Protocol
from zlib import crc32

import msgspec

from bench.decode_streams import PIECES, STREAMS, in_reads
from bench.figures import Figure
from bench.real.chapter import Chapter
from penstock.call import Call
from penstock.catalog import vendor
from penstock.wire.anthropic import AnthropicCodec
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.codec import Codec
from penstock.wire.cohere import CohereCodec
from penstock.wire.gemini import GeminiCodec
from penstock.wire.ollama import OllamaCodec
from penstock.wire.openai import OpenAICodec
from penstock.wire.responses import ResponsesCodec

__all__ = ["PLAIN", "Cost", "PlainFrames", "PlainLines", "cost", "decode", "decoder_of"]

MOST = 1.5
ROUNDS = 41
_parsed = msgspec.json.Decoder().decode
_CALL = Call(id="1", model="m", body={}, stream=True)
_AWS = "https://bedrock-runtime.eu-central-1.amazonaws.com"
_READS = {"an event a read": None, "4 KB reads": 4096}


class Reader(Protocol):
    def feed(self, data: bytes) -> Sequence[Any]: ...


class PlainLines:
    """Server-sent events by their lines: each `data:` parsed."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[Any]:
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        return [_parsed(line[6:]) for line in lines if line.startswith(b"data: ") and line != b"data: [DONE]"]


class PlainFrames:
    """AWS's frames, both sums checked as the format demands, headers skipped: each payload parsed."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[Any]:
        data = self.rest + data
        found, at = [], 0
        while len(data) - at >= 12:
            total, head, told = struct.unpack_from(">III", data, at)
            if crc32(data[at : at + 8]) != told:
                raise ValueError("the sum of a frame's lengths is wrong")
            if len(data) - at < total:
                break
            stop = at + total
            if crc32(data[at : stop - 4]) != int.from_bytes(data[stop - 4 : stop], "big"):
                raise ValueError("the sum of a frame is wrong")
            found.append(self.parsed(data[at + 12 + head : stop - 4]))
            at = stop
        self.rest = data[at:]
        return found

    def parsed(self, payload: bytes) -> Any:
        return _parsed(payload)


class PlainChunks(PlainFrames):
    """The same where each payload carries the model's own JSON in base64."""

    def parsed(self, payload: bytes) -> Any:
        return _parsed(b64decode(_parsed(payload)["bytes"]))


class PlainJson:
    """One JSON object a line: each parsed."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[Any]:
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        return [_parsed(line) for line in lines]


_PLAIN: dict[str, Callable[[], Reader]] = {
    "Anthropic on Bedrock": PlainChunks,
    "Bedrock Converse": PlainFrames,
    "Ollama": PlainJson,
}
PLAIN = {name: _PLAIN.get(name.partition(",")[0], PlainLines) for name in STREAMS}
"""By stream: who cuts it into events and parses each."""

_CODECS: dict[str, Codec] = {
    "OpenAI": OpenAICodec(vendor("openai")),
    "Responses": ResponsesCodec(vendor("openai")),
    "Anthropic": AnthropicCodec(vendor("anthropic")),
    "Anthropic on Bedrock": AnthropicCodec(vendor("anthropic"), _AWS, form="bedrock"),
    "Gemini": GeminiCodec(vendor("gemini")),
    "Bedrock Converse": BedrockCodec(vendor("bedrock"), _AWS),
    "Cohere": CohereCodec(vendor("cohere")),
    "Ollama": OllamaCodec(vendor("ollama")),
}


def _codec(stream: str) -> Codec:
    return _CODECS[stream.partition(",")[0]]


def decoder_of(wire: str) -> Reader:
    """Our decoder for a new stream."""
    return _codec(wire).decoder(_CALL)


@dataclass(frozen=True)
class Cost:
    """CPU microseconds for one event of a stream, and the median of the rounds' ratios."""

    plain_us: float
    ours_us: float
    ratio: float


def cost(wire: str, size: int | None, *, rounds: int = ROUNDS, times: int = 5) -> Cost:
    """`times` streams by each, in turns; `size` is that of a read, None for an event at a time."""
    events = list(STREAMS[wire]())
    reads = in_reads(events, size)
    plain, ours = PLAIN[wire], _codec(wire).decoder
    taken: list[tuple[float, float]] = []
    for number in range(rounds):
        # By turns first: whoever comes second finds a warmer cache.
        if number % 2:
            first = _taken_s(plain, reads, times)
            taken.append((first, _taken_s(lambda: ours(_CALL), reads, times)))
        else:
            second = _taken_s(lambda: ours(_CALL), reads, times)
            taken.append((_taken_s(plain, reads, times), second))
    one = 1e6 / (times * len(events))
    return Cost(
        median(plain_s for plain_s, _ in taken) * one,
        median(ours_s for _, ours_s in taken) * one,
        median(ours_s / plain_s for plain_s, ours_s in taken),
    )


def _taken_s(make: Callable[[], Reader], reads: Sequence[bytes], times: int) -> float:
    started = process_time()
    for _ in range(times):
        feed = make().feed
        for data in reads:
            feed(data)
    return process_time() - started


def decode(*, is_quick: bool) -> Chapter:
    """The part of the bench."""
    about = (
        f"Text, thoughts and tools' arguments of {PIECES} tokens as providers stream them, from bytes to events; "
        "beside it the same bytes cut into events and a JSON parse of each (msgspec) and nothing else, AWS's "
        "checksums included. Microseconds of CPU an event."
    )
    chapter = Chapter("decode", about)
    chapter.table = ["| wire | it comes in | parse alone, us | decoder, us | ratio |", "|---|---|--:|--:|--:|"]
    for wire in STREAMS:
        worst = 0.0
        for how, size in _READS.items():
            found = cost(wire, size, rounds=5 if is_quick else ROUNDS)
            worst = max(worst, found.ratio)
            chapter.table.append(f"| {wire} | {how} | {found.plain_us:.2f} | {found.ours_us:.2f} | {found.ratio:.2f} |")
        chapter.figures.append(Figure(f"streaming decode, {wire}: decoder / parse alone", worst, None, MOST))
    return chapter
